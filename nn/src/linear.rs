//! y = x W' + b.

use crate::error::Result;
use crate::init::Init;
use crate::module::{Module, Visitor};
use crate::param::Param;
use autograd::Var;
use autograd::ops::epilogue::Epilogue;

/// A linear layer with bias.
pub struct Linear {
    /// `[outputs, inputs]`
    pub weight: Param,
    /// `[outputs]`
    pub bias: Param,
}

impl Linear {
    /// A new layer.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize) -> Result<Linear> {
        Ok(Linear { weight: init.uniform(&[outputs, inputs], inputs)?, bias: init.uniform(&[outputs], inputs)? })
    }

    /// `x [.., inputs]`: `[.., outputs]`.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        Ok(x.linear(&self.weight.var(), Some(&self.bias.var()))?)
    }

    /// The same plus `residual`, of the result's shape, in one pass.
    pub fn forward_onto(&self, residual: &Var, x: &Var) -> Result<Var> {
        let bias = self.bias.var();
        Ok(x.linear_with(&self.weight.var(), &Epilogue::residual(&bias, residual))?)
    }
}

impl Module for Linear {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("weight", &self.weight);
        visitor.param("bias", &self.bias);
    }
}
