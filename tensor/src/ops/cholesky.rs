//! The Cholesky factor of small matrices.

use crate::error::Result;
use crate::{Layout, Tensor};
pub use kernels::cholesky::{LARGEST, Pivots};

impl Tensor {
    /// The lower triangular L with `L L'` = this, for symmetric positive definite matrices `[.., r, r]`, r at most 128; f32 or
    /// f64. The lower triangle is read.
    ///
    /// A matrix that is not positive definite is an error that names it and its pivot. On a GPU, where asking would mean
    /// waiting, its factor is NaN from that column on.
    #[track_caller]
    pub fn cholesky(&self) -> Result<Tensor> {
        self.cholesky_with(Pivots::Positive)
    }

    /// The same, with a say in what becomes of a pivot that is not positive.
    #[track_caller]
    pub fn cholesky_with(&self, pivots: Pivots) -> Result<Tensor> {
        let device = self.device().clone();
        let out = Tensor::empty("cholesky", &device, self.dtype(), Layout::contiguous(self.dims()))?;
        let a = self.read("cholesky")?;
        let a = a.view()?;
        let cost = kernels::cholesky::forward_cost(out.layout(), self.dtype());
        out.fill_with(cost, |l| kernels::cholesky::forward(device.kernels(), pivots, a, l))?;
        Ok(out)
    }
}
