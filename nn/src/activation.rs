//! The scalar nonlinearity of a network, by name.

use crate::error::{Error, Result};
use crate::norm::GroupNorm;
use autograd::Var;
use autograd::ops::pointwise::Function;

/// A nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x sigmoid(x)
    Silu,
    /// x Phi(x), Phi the normal distribution function
    Gelu,
    /// max(x, 0)
    Relu,
    /// x tanh(ln(1 + e^x)), Misra 2019
    Mish,
}

impl Activation {
    /// By the name that configurations use; `key` is for the message.
    pub fn parse(key: &str, name: &str) -> Result<Activation> {
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu" => Ok(Activation::Gelu),
            "relu" => Ok(Activation::Relu),
            "mish" => Ok(Activation::Mish),
            _ => {
                Err(Error::config(format!("`{key}`: \"{name}\" is not offered; silu, swish, mish, gelu and relu are")))
            }
        }
    }

    /// f(x)
    pub fn forward(self, x: &Var) -> Result<Var> {
        Ok(match self {
            Activation::Silu => x.silu()?,
            Activation::Gelu => x.gelu()?,
            Activation::Relu => x.relu()?,
            Activation::Mish => x.mul(&x.map(Function::Softplus)?.tanh()?)?,
        })
    }

    /// f(norm(x)), in one pass where there is one.
    pub fn after_norm(self, norm: &GroupNorm, x: &Var) -> Result<Var> {
        if self == Activation::Silu { norm.forward_silu(x) } else { self.forward(&norm.forward(x)?) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Device, Tensor};

    #[test]
    fn values_are_those_of_the_definitions() {
        // By hand, at 1.5.
        let x = Var::constant(Tensor::from_slice(&Device::cpu(1), &[1], &[1.5f64]).unwrap());
        let wants = [("swish", 1.226361714), ("gelu", 1.399789198), ("relu", 1.5), ("mish", 1.403378266)];
        for (name, want) in wants {
            let got = Activation::parse("act_fn", name).unwrap().forward(&x).unwrap().value().item().unwrap();
            assert!((got - want).abs() < 1e-8, "{name}: {got} {want}");
        }
        let error = Activation::parse("act_fn", "tanhshrink").unwrap_err().to_string();
        assert_eq!(error, "`act_fn`: \"tanhshrink\" is not offered; silu, swish, mish, gelu and relu are");
    }
}
