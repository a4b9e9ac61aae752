//! Elementwise product.

use super::{common, common_shape, result_layout};
use crate::Tensor;
use crate::error::Result;

impl Tensor {
    /// `self * other` elementwise, broadcast.
    #[track_caller]
    pub fn mul(&self, other: &Tensor) -> Result<Tensor> {
        let (device, dtype) = common("mul", &[self, other])?;
        let shape = common_shape("mul", &[self, other])?;
        let out = Tensor::empty("mul", &device, dtype, result_layout(shape, &[self, other]))?;
        let (a, b) = (self.broadcast_to(&shape)?, other.broadcast_to(&shape)?);
        let (a, b) = (a.read("mul")?, b.read("mul")?);
        let (a, b) = (a.view()?, b.view()?);
        let cost = kernels::multiply::forward_cost(out.layout(), dtype);
        out.fill_with(cost, |y| kernels::multiply::forward(device.kernels(), a, b, y))?;
        Ok(out)
    }
}
