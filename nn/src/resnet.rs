//! The residual block of a U-Net, as diffusers' `ResnetBlock2D`:
//!
//!   h = conv1(resample(silu(norm1(x)))),   t = time_emb_proj(emb)
//!   h = conv2(silu(norm2(h + t)))                        or, modulated,
//!   h = conv2(silu(norm2(h) (1 + t_scale) + t_shift))
//!   y = (conv_shortcut(resample(x)) + h) / scale

use crate::activation::Activation;
use crate::conv::Conv2d;
use crate::error::Result;
use crate::init::Init;
use crate::linear::Linear;
use crate::module::{Module, Visitor};
use crate::norm::GroupNorm;
use crate::resample::{doubled, halved};
use autograd::Var;
use autograd::ops::conv::Conv;

/// What a residual block does to the size of the image, on both of its branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// Nothing.
    Keep,
    /// Every pixel twice in both directions.
    Double,
    /// The means of 2x2 pixels.
    Halve,
}

/// What all residual blocks of a network share.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Groups of the norms.
    pub groups: usize,
    /// Added to the variance in the norms.
    pub eps: f64,
    /// Width of the time embedding.
    pub embedding: usize,
    /// Whether the time scales and shifts the second norm's result, rather than being added before it.
    pub modulated: bool,
    /// After both norms.
    pub activation: Activation,
}

/// A residual block.
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    style: Style,
    resample: Resample,
    scale: f64,
}

impl ResnetBlock {
    /// A new block from `inputs` to `outputs` channels, both multiples of the groups.
    pub fn new(
        init: &mut Init,
        style: Style,
        inputs: usize,
        outputs: usize,
        resample: Resample,
        scale: f64,
    ) -> Result<ResnetBlock> {
        let times = if style.modulated { 2 * outputs } else { outputs };
        let shortcut =
            (inputs != outputs).then(|| Conv2d::new(init, inputs, outputs, 1, Conv::default())).transpose()?;
        Ok(ResnetBlock {
            norm1: GroupNorm::new(init, style.groups, inputs, style.eps)?,
            conv1: Conv2d::same(init, inputs, outputs)?,
            time_emb_proj: Linear::new(init, style.embedding, times)?,
            norm2: GroupNorm::new(init, style.groups, outputs, style.eps)?,
            conv2: Conv2d::same(init, outputs, outputs)?,
            conv_shortcut: shortcut,
            style,
            resample,
            scale,
        })
    }

    /// `x [n, inputs, h, w]` and the activated time embedding `[n, e]` or `[1, e]`: `[n, outputs, h', w']`.
    pub fn forward(&self, x: &Var, emb: &Var) -> Result<Var> {
        let h = self.resampled(&self.style.activation.after_norm(&self.norm1, x)?)?;
        let time = self.time_emb_proj.forward(emb)?;
        let h = if self.style.modulated {
            self.modulated(&self.conv1.forward(&h)?, &time)?
        } else {
            self.style.activation.after_norm(&self.norm2, &self.conv1.forward_shifted(&h, &time)?)?
        };
        let x = self.resampled(x)?;
        let x = self.conv_shortcut.as_ref().map_or_else(|| Ok(x.clone()), |conv| conv.forward(&x))?;
        if self.scale == 1.0 {
            return self.conv2.forward_onto(&x, &h);
        }
        Ok(Var::combine(&[(1.0 / self.scale, &x), (1.0 / self.scale, &self.conv2.forward(&h)?)])?)
    }

    fn modulated(&self, h: &Var, time: &Var) -> Result<Var> {
        let &[samples, channels, ..] = h.shape() else { return self.norm2.forward(h) };
        let half = |start| time.narrow(1, start, channels)?.broadcast_to(&[samples, channels]);
        let (scale, shift) = (half(0)?, half(channels)?);
        let silu = self.style.activation == Activation::Silu;
        let h = self.norm2.forward_modulated(h, silu, &scale, &shift)?;
        if silu { Ok(h) } else { self.style.activation.forward(&h) }
    }

    fn resampled(&self, x: &Var) -> Result<Var> {
        match self.resample {
            Resample::Keep => Ok(x.clone()),
            Resample::Double => doubled(x),
            Resample::Halve => halved(x),
        }
    }
}

impl Module for ResnetBlock {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("norm1", &self.norm1);
        visitor.module("conv1", &self.conv1);
        visitor.module("time_emb_proj", &self.time_emb_proj);
        visitor.module("norm2", &self.norm2);
        visitor.module("conv2", &self.conv2);
        visitor.module("conv_shortcut", &self.conv_shortcut);
    }
}
