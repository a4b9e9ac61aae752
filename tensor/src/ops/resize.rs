//! Nearest-neighbour resizing of images, and its adjoint.

use crate::error::{Error, Result};
use crate::{Dims, Tensor};

impl Tensor {
    /// `[.., c, h, w]` to `[.., c, size[0], size[1]]`: pixel `i` of the result is pixel `floor(i in / out)`.
    #[track_caller]
    pub fn resize_nearest(&self, size: [usize; 2]) -> Result<Tensor> {
        let out = Tensor::empty("resize", self.device(), self.dtype(), self.image_layout(self.resized(size)?))?;
        let x = self.read("resize")?;
        let x = x.view()?;
        let cost = kernels::resize::nearest_cost(self.layout(), out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::resize::nearest(self.device().kernels(), x, y))?;
        Ok(out)
    }

    /// The adjoint of [`Tensor::resize_nearest`]: this, a cotangent, summed back to images of `size`.
    #[track_caller]
    pub fn resize_nearest_adjoint(&self, size: [usize; 2]) -> Result<Tensor> {
        let out = Tensor::empty("resize", self.device(), self.dtype(), self.image_layout(self.resized(size)?))?;
        let g = self.read("resize")?;
        let g = g.view()?;
        let cost = kernels::resize::nearest_cost(out.layout(), self.layout(), self.dtype());
        out.fill_with(cost, |dx| kernels::resize::nearest_adjoint(self.device().kernels(), g, dx))?;
        Ok(out)
    }

    fn resized(&self, size: [usize; 2]) -> Result<Dims> {
        let (mut shape, rank) = (self.dims(), self.rank());
        let empty = |size: &[usize]| size.contains(&0);
        if rank < 3 || empty(&size) != empty(&self.shape()[rank.saturating_sub(2)..]) {
            return Err(Error::shape(
                "resize",
                format!("{:?} to {size:?}: wants [.., c, h, w], and pixels to take from", self.shape()),
            ));
        }
        shape[rank - 2..].copy_from_slice(&size);
        Ok(shape)
    }

    /// A dense layout over `shape` for images that are made of this one: channels last where this is.
    pub(crate) fn image_layout(&self, shape: Dims) -> kernels::Layout {
        super::result_layout(shape, &[self])
    }
}
