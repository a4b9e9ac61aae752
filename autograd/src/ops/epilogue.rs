//! What a product (linear, conv2d) goes through before it is stored, in the same pass: a bias, an activation, a residual.

use super::pointwise::Function;
use crate::error::Result;
use crate::var::Var;
use tensor::ops::epilogue;

/// `activation(product + bias) + residual`; nothing by default.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// `[outputs]`
    pub bias: Option<&'a Var>,
    /// Of the sum with the bias. A derivative wants that sum, so where one is asked for it is made and the activation is an
    /// op of its own; the bits are then those of several roundings in 16 bits.
    pub activation: Option<Function>,
    /// Of the result's shape; added last. Not saved: its derivative is the identity.
    pub residual: Option<&'a Var>,
}

impl<'a> Epilogue<'a> {
    /// A bias alone, or nothing.
    pub fn bias(bias: Option<&'a Var>) -> Epilogue<'a> {
        Epilogue { bias, ..Epilogue::default() }
    }

    /// A bias and a residual.
    pub fn residual(bias: &'a Var, residual: &'a Var) -> Epilogue<'a> {
        Epilogue { bias: Some(bias), activation: None, residual: Some(residual) }
    }

    /// The variables that take part, the bias first.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &'a Var> {
        self.bias.into_iter().chain(self.residual)
    }

    pub(crate) fn values(&self) -> epilogue::Epilogue<'a> {
        epilogue::Epilogue {
            bias: self.bias.map(Var::value),
            activation: self.activation,
            residual: self.residual.map(Var::value),
        }
    }

    /// For operands `a` and `b` of a product with derivatives: what can be done in its pass, and then the rest as ops.
    pub(crate) fn apart(&self, a: &Var, b: &Var, product: impl FnOnce(&Epilogue) -> Result<Var>) -> Result<Var> {
        let is_plain = [a, b].into_iter().chain(self.inputs()).all(Var::is_plain);
        match self.activation.filter(|_| !is_plain) {
            None => product(self),
            Some(function) => {
                let activated = product(&Epilogue::bias(self.bias))?.map(function)?;
                self.residual.map_or_else(|| Ok(activated.clone()), |residual| activated.add(residual))
            }
        }
    }
}
