//! Average pooling of images, and its adjoint.

use crate::error::{Error, Result};
use crate::{Dims, Tensor};
pub use kernels::pool::Pool;

impl Tensor {
    /// The means of windows of `[.., c, h, w]`; what does not fill a window at the right and bottom edge is left out.
    #[track_caller]
    pub fn average_pool(&self, p: &Pool) -> Result<Tensor> {
        let out = Tensor::empty("average_pool", self.device(), self.dtype(), self.image_layout(self.pooled(p)?))?;
        let x = self.read("average_pool")?;
        let x = x.view()?;
        let cost = kernels::pool::average_cost(p, self.layout(), out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::pool::average(self.device().kernels(), p, x, y))?;
        Ok(out)
    }

    /// The adjoint of [`Tensor::average_pool`] for images of `size`, from this cotangent.
    #[track_caller]
    pub fn average_pool_adjoint(&self, p: &Pool, size: [usize; 2]) -> Result<Tensor> {
        let (mut shape, rank) = (self.dims(), self.rank());
        if rank < 3 {
            return Err(Error::shape("average_pool", format!("{:?} is not [.., c, h, w]", self.shape())));
        }
        shape[rank - 2..].copy_from_slice(&size);
        let out = Tensor::empty("average_pool", self.device(), self.dtype(), self.image_layout(shape))?;
        let g = self.read("average_pool")?;
        let g = g.view()?;
        let cost = kernels::pool::average_cost(p, out.layout(), self.layout(), self.dtype());
        out.fill_with(cost, |dx| kernels::pool::average_adjoint(self.device().kernels(), p, g, dx))?;
        Ok(out)
    }

    fn pooled(&self, p: &Pool) -> Result<Dims> {
        let (mut shape, rank) = (self.dims(), self.rank());
        if rank < 3 {
            return Err(Error::shape("average_pool", format!("{:?} is not [.., c, h, w]", self.shape())));
        }
        let size = p.size([shape[rank - 2], shape[rank - 1]])?;
        shape[rank - 2..].copy_from_slice(&size);
        Ok(shape)
    }
}
