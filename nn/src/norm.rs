//! Group and layer normalisation with weight and bias; SiLU, and a scale and shift per sample, in the same pass.

use crate::error::Result;
use crate::init::Init;
use crate::module::{Module, Visitor};
use crate::param::Param;
use autograd::Var;
use autograd::ops::norm::{self, Affine, Norm};

/// Normalisation over groups of channels of `[n, c, ..]` (Wu and He 2018).
pub struct GroupNorm {
    /// `[c]`
    pub weight: Param,
    /// `[c]`
    pub bias: Param,
    /// Divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl GroupNorm {
    /// A new layer: weight 1, bias 0.
    pub fn new(init: &mut Init, groups: usize, channels: usize, eps: f64) -> Result<GroupNorm> {
        Ok(GroupNorm { weight: init.constant(&[channels], 1.0)?, bias: init.constant(&[channels], 0.0)?, groups, eps })
    }

    /// Normalised.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        self.run(x, false, None)
    }

    /// Normalised, then SiLU.
    pub fn forward_silu(&self, x: &Var) -> Result<Var> {
        self.run(x, true, None)
    }

    /// Normalised, times `1 + scale`, plus `shift` (both `[n, c]`), then SiLU if `silu`.
    pub fn forward_modulated(&self, x: &Var, silu: bool, scale: &Var, shift: &Var) -> Result<Var> {
        self.run(x, silu, Some((scale, shift)))
    }

    fn run(&self, x: &Var, silu: bool, modulation: Option<(&Var, &Var)>) -> Result<Var> {
        let norm = Norm::Group(norm::GroupNorm { groups: self.groups, eps: self.eps, silu });
        apply(x, norm, &self.weight, &self.bias, modulation)
    }
}

/// Normalisation over the last axis of `[.., c]` (Ba et al. 2016).
pub struct LayerNorm {
    /// `[c]`
    pub weight: Param,
    /// `[c]`
    pub bias: Param,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// A new layer: weight 1, bias 0.
    pub fn new(init: &mut Init, channels: usize, eps: f64) -> Result<LayerNorm> {
        Ok(LayerNorm { weight: init.constant(&[channels], 1.0)?, bias: init.constant(&[channels], 0.0)?, eps })
    }

    /// Normalised.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        self.run(x, false)
    }

    /// Normalised, then SiLU.
    pub fn forward_silu(&self, x: &Var) -> Result<Var> {
        self.run(x, true)
    }

    fn run(&self, x: &Var, silu: bool) -> Result<Var> {
        apply(x, Norm::Layer(norm::LayerNorm { eps: self.eps, silu }), &self.weight, &self.bias, None)
    }
}

fn apply(x: &Var, norm: Norm, weight: &Param, bias: &Param, modulation: Option<(&Var, &Var)>) -> Result<Var> {
    let (weight, bias) = (weight.var(), bias.var());
    let (scale, shift) = modulation.unzip();
    Ok(x.norm(norm, Affine { weight: Some(&weight), bias: Some(&bias), scale, shift })?)
}

impl Module for GroupNorm {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("weight", &self.weight);
        visitor.param("bias", &self.bias);
    }
}

impl Module for LayerNorm {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("weight", &self.weight);
        visitor.param("bias", &self.bias);
    }
}
