//! y = x W' + b.

use crate::error::Result;
use crate::init::Init;
use crate::module::{Module, Visitor};
use crate::param::Param;
use autograd::Var;

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
}

impl Module for Linear {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("weight", &self.weight);
        visitor.param("bias", &self.bias);
    }
}
