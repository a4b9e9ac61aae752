//! Scalar functions, elementwise, with their first two derivatives.

use super::{common, common_shape, result_layout};
use crate::Tensor;
use crate::error::Result;
pub use kernels::pointwise::Function;

impl Tensor {
    /// `f(x)`, or its derivative of `order` 1 or 2.
    #[track_caller]
    pub fn map(&self, f: Function, order: u8) -> Result<Tensor> {
        let out = Tensor::empty(f.name(), self.device(), self.dtype(), result_layout(self.dims(), &[self]))?;
        let x = self.read(f.name())?;
        let x = x.view()?;
        let cost = kernels::pointwise::apply_cost(out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::pointwise::apply(self.device().kernels(), f, order, x, y))?;
        Ok(out)
    }

    /// `g f(x)` with the derivative of `order` in the place of `f`; broadcast.
    #[track_caller]
    pub fn map_scaled(&self, f: Function, order: u8, g: &Tensor) -> Result<Tensor> {
        let (device, dtype) = common(f.name(), &[self, g])?;
        let shape = common_shape(f.name(), &[self, g])?;
        let out = Tensor::empty(f.name(), &device, dtype, result_layout(shape, &[self, g]))?;
        let (x, g) = (self.broadcast_to(&shape)?, g.broadcast_to(&shape)?);
        let (x, g) = (x.read(f.name())?, g.read(f.name())?);
        let (x, g) = (x.view()?, g.view()?);
        let cost = kernels::pointwise::scaled_cost(out.layout(), dtype);
        out.fill_with(cost, |y| kernels::pointwise::scaled(device.kernels(), f, order, x, g, y))?;
        Ok(out)
    }
}
