//! What a product (linear, conv2d) goes through before it is stored: `activation(product + bias) + residual`.
//!
//! A GPU does all of it on numbers in registers, without a pass over memory for each. In f32 and f64 the bits are those of
//! the ops one after the other; in 16 bits there is one rounding where those have up to three.

use super::pointwise::Function;
use crate::error::{Error, Result};
use crate::tensor::Operand;
use crate::{Layout, Tensor};

/// What follows a product; nothing by default.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// `[outputs]`
    pub bias: Option<&'a Tensor>,
    /// Of the sum with the bias. SiLU and GELU cost a GPU nothing in 16 bits; others, and other numbers, a pass.
    pub activation: Option<Function>,
    /// Of the result's shape; added last.
    pub residual: Option<&'a Tensor>,
}

impl<'a> Epilogue<'a> {
    /// A bias alone, or nothing.
    pub fn bias(bias: Option<&'a Tensor>) -> Epilogue<'a> {
        Epilogue { bias, ..Epilogue::default() }
    }

    /// The tensors that take part.
    pub(crate) fn operands(&self) -> impl Iterator<Item = &'a Tensor> {
        self.bias.into_iter().chain(self.residual)
    }

    /// The operands, stored as a kernel with a result of `layout` takes them.
    pub(crate) fn stored_for(&self, op: &'static str, layout: &Layout) -> Result<Stored> {
        let residual = self.residual.map(|residual| {
            if residual.shape() != &*layout.shape {
                let what = format!("a residual {:?} for a result {:?}", residual.shape(), layout.shape);
                return Err(Error::shape(op, what));
            }
            if residual.layout().strides == layout.strides { Ok(residual.clone()) } else { residual.copy_as(layout) }
        });
        Ok(Stored {
            bias: self.bias.map(Tensor::contiguous).transpose()?,
            activation: self.activation,
            residual: residual.transpose()?,
        })
    }
}

/// An epilogue's operands as kernels take them.
pub(crate) struct Stored {
    bias: Option<Tensor>,
    activation: Option<Function>,
    residual: Option<Tensor>,
}

impl Stored {
    pub(crate) fn read(&self, op: &'static str) -> Result<Held<'_>> {
        let [bias, residual] =
            [&self.bias, &self.residual].map(|operand| operand.as_ref().map(|operand| operand.read(op)).transpose());
        Ok(Held { bias: bias?, activation: self.activation, residual: residual? })
    }
}

/// An epilogue's operands while a kernel reads them.
pub(crate) struct Held<'a> {
    bias: Option<Operand<'a>>,
    activation: Option<Function>,
    residual: Option<Operand<'a>>,
}

impl Held<'_> {
    /// For a kernel whose result is seen as `layout`, of the same order as what [`Epilogue::stored_for`] was told.
    pub(crate) fn view(&self, layout: &Layout) -> Result<kernels::Epilogue<'_>> {
        let residual = self.residual.as_ref().map(|held| {
            let view = held.view()?;
            let seen = Layout { offset: view.layout().offset, ..*layout };
            crate::Result::Ok(view.with_layout(seen)?)
        });
        Ok(kernels::Epilogue {
            bias: self.bias.as_ref().map(Operand::view).transpose()?,
            activation: self.activation,
            residual: residual.transpose()?,
        })
    }
}
