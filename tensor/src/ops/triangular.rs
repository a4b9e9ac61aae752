//! Small lower triangular matrices.

use super::common;
use super::gram::of_batch;
use crate::error::{Error, Result};
use crate::{DType, Device, Layout, Tensor};
use kernels::triangular;

impl Tensor {
    /// The identity `[size, size]`.
    #[track_caller]
    pub fn identity(device: &Device, dtype: DType, size: usize) -> Result<Tensor> {
        let ones = Tensor::full(device, dtype, &[size, size], 1.0)?;
        ones.lower_triangle(1.0)?.sub(&ones.lower_triangle(0.0)?)
    }

    /// The x of `L x = b`, or of `L' x = b` where `transposed` says so, L the lower triangle of this: `[.., r, r]` with b
    /// `[.., r, m]`, batches repeated to one, r at most 128; f32 or f64. x lies in memory as b does. A diagonal of 0 gives
    /// infinity or NaN.
    #[track_caller]
    pub fn solve_triangular(&self, b: &Tensor, transposed: bool) -> Result<Tensor> {
        const OP: &str = "solve_triangular";
        let (device, dtype) = common(OP, &[self, b])?;
        let shape = match (self.shape(), b.shape()) {
            (&[ref own @ .., r, s], &[ref other @ .., k, m]) if r == s && s == k => of_batch(&[own, other], r, m),
            _ => None,
        };
        let unfit = || {
            let what = "[.., r, r] and [.., r, m] want equal r, and batch axes that broadcast";
            Error::shape(OP, format!("{:?} and {:?}: {what}", self.shape(), b.shape()))
        };
        let out = Tensor::empty(OP, &device, dtype, super::result_layout(shape.ok_or_else(unfit)?, &[b]))?;
        let cost = triangular::solve_cost(self.layout(), out.layout(), dtype);
        let (l, b) = (self.read(OP)?, b.read(OP)?);
        let (l, b) = (l.view()?, b.view()?);
        out.fill_with(cost, |x| triangular::solve(device.kernels(), transposed, l, b, x))?;
        Ok(out)
    }

    /// The x of `L L' x = b`, L the lower triangle of this, as [`Tensor::cholesky`] gives it.
    #[track_caller]
    pub fn solve_cholesky(&self, b: &Tensor) -> Result<Tensor> {
        self.solve_triangular(&self.solve_triangular(b, false)?, true)
    }

    /// Matrices `[.., r, m]`: as they are below the diagonal, `diagonal` times that on it, 0 above.
    #[track_caller]
    pub fn lower_triangle(&self, diagonal: f64) -> Result<Tensor> {
        let device = self.device().clone();
        let out = Tensor::empty("lower_triangle", &device, self.dtype(), Layout::contiguous(self.dims()))?;
        let x = self.read("lower_triangle")?;
        let x = x.view()?;
        let cost = triangular::lower_cost(out.layout(), self.dtype());
        out.fill_with(cost, |y| triangular::lower(device.kernels(), diagonal, x, y))?;
        Ok(out)
    }
}
