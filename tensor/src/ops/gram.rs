//! Products of tall matrices.

use super::{common, scratch};
use crate::error::{Error, Result};
use crate::{Dims, Layout, Tensor};
use kernels::gram;
use kernels::layout::broadcast_shapes;

/// The shape `[.., rows, columns]` of a result whose batch is what `batches` repeat to.
pub(crate) fn of_batch(batches: &[&[usize]], rows: usize, columns: usize) -> Option<Dims> {
    let none = Dims::new(&[])?;
    let batch = batches.iter().try_fold(none, |batch, own| broadcast_shapes(&batch, own))?;
    Dims::new(&[&batch, &[rows, columns][..]].concat())
}

/// A matrix whose rows run without gaps between their numbers.
pub(crate) fn in_rows(x: &Tensor) -> Result<Tensor> {
    let runs = x.shape().last().is_none_or(|&columns| columns <= 1) || x.layout().strides.last() == Some(&1);
    if runs { Ok(x.clone()) } else { x.contiguous() }
}

impl Tensor {
    /// `self' other` for tall matrices `[.., n, r]` and `[.., n, m]`: `[.., r, m]`, batches repeated to one; of itself its Gram
    /// matrix, symmetric bit for bit. The sum over n is a fixed tree that depends on n alone. Numbers of 16 bits give f32, the
    /// type their products are added in.
    ///
    /// [`Tensor::matmul`] of the transposed view is the same sum in another order, and leaves most of a machine idle where n
    /// is large and r and m are small.
    #[track_caller]
    pub fn gram(&self, other: &Tensor) -> Result<Tensor> {
        let (device, dtype) = common("gram", &[self, other])?;
        let shape = match (self.shape(), other.shape()) {
            (&[ref a @ .., n, r], &[ref b @ .., k, m]) if n == k => of_batch(&[a, b], r, m),
            _ => None,
        };
        let unfit = || {
            let what = "[.., n, r] and [.., n, m] want equal n, and batch axes that broadcast";
            Error::shape("gram", format!("{:?} and {:?}: {what}", self.shape(), other.shape()))
        };
        let layout = Layout::contiguous(shape.ok_or_else(unfit)?);
        let (a, b) = (in_rows(self)?, in_rows(other)?);
        let out = Tensor::empty("gram", &device, dtype.wide(), layout)?;
        let space = scratch("gram", &device, gram::forward_scratch(device.kernels(), a.layout(), &layout, dtype))?;
        let mut space = space.storage().write("gram")?;
        let cost = gram::forward_cost(a.layout(), b.layout(), &layout, dtype);
        let (a, b) = (a.read("gram")?, b.read("gram")?);
        let (a, b) = (a.view()?, b.view()?);
        out.fill_with(cost, |c| gram::forward(device.kernels(), a, b, c, space.data()))?;
        Ok(out)
    }
}
