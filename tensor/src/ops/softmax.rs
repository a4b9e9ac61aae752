//! Softmax over the last axis, and its backward kernel.

use super::common;
use crate::error::{Error, Result};
use crate::{Layout, Tensor};

impl Tensor {
    /// `e^x / sum e^x` along the last axis.
    #[track_caller]
    pub fn softmax(&self) -> Result<Tensor> {
        if self.rank() == 0 {
            return Err(Error::shape("softmax", "a single number has no axis to normalise; reshape to [1]"));
        }
        let x = self.contiguous()?;
        let out = Tensor::empty("softmax", self.device(), self.dtype(), Layout::contiguous(self.dims()))?;
        let x = x.read("softmax")?;
        let x = x.view()?;
        let cost = kernels::softmax::forward_cost(out.layout());
        out.fill_with(cost, |y| kernels::softmax::forward(self.device().kernels(), x, y))?;
        Ok(out)
    }

    /// The gradient by the input; this is the softmax.
    #[track_caller]
    pub fn softmax_backward(&self, cotangent: &Tensor) -> Result<Tensor> {
        let (device, dtype) = common("softmax", &[self, cotangent])?;
        let (y, g) = (self.contiguous()?, cotangent.contiguous()?);
        let out = Tensor::empty("softmax", &device, dtype, Layout::contiguous(self.dims()))?;
        let (y, g) = (y.read("softmax")?, g.read("softmax")?);
        let (y, g) = (y.view()?, g.view()?);
        let cost = kernels::softmax::backward_cost(out.layout());
        out.fill_with(cost, |dx| kernels::softmax::backward(device.kernels(), y, g, dx))?;
        Ok(out)
    }
}
