//! Sums and maxima over axes.

use super::scratch;
use crate::error::{Error, Result};
use crate::{Layout, Tensor};

impl Tensor {
    /// Summed over `axes`, which stay with size 1.
    #[track_caller]
    pub fn sum_keep(&self, axes: &[usize]) -> Result<Tensor> {
        let out = self.reduced("sum", axes)?;
        let scratch = scratch(
            "sum",
            self.device(),
            kernels::reduce::sum_scratch(self.device().kernels(), self.layout(), out.layout(), self.dtype()),
        )?;
        let mut scratch = scratch.storage().write("sum")?;
        let x = self.read("sum")?;
        let x = x.view()?;
        let cost = kernels::reduce::sum_cost(self.layout(), out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::reduce::sum(self.device().kernels(), x, y, scratch.data()))?;
        Ok(out)
    }

    /// The largest over `axes`, which stay with size 1. An error over no elements.
    #[track_caller]
    pub fn max_keep(&self, axes: &[usize]) -> Result<Tensor> {
        let out = self.reduced("max", axes)?;
        if self.count() == 0 && out.count() > 0 {
            return Err(Error::shape("max", format!("{:?} has no largest element along {axes:?}", self.shape())));
        }
        let x = self.read("max")?;
        let x = x.view()?;
        let cost = kernels::reduce::sum_cost(self.layout(), out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::reduce::max(self.device().kernels(), x, y))?;
        Ok(out)
    }

    /// The sum of all elements, shape `[]`.
    #[track_caller]
    pub fn sum_all(&self) -> Result<Tensor> {
        let axes: Vec<usize> = (0..self.rank()).collect();
        self.sum_keep(&axes)?.reshape(&[])
    }

    /// Summed down to a shape that broadcasts to this one: the adjoint of [`Tensor::broadcast_to`].
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Result<Tensor> {
        let extra = self.rank().checked_sub(shape.len());
        let fits = extra.is_some_and(|extra| {
            shape.iter().zip(&self.shape()[extra..]).all(|(&want, &own)| want == own || want == 1)
        });
        let Some(extra) = extra.filter(|_| fits) else {
            return Err(Error::shape("sum_to", format!("{shape:?} does not repeat to {:?}", self.shape())));
        };
        let summed: Vec<usize> =
            (0..self.rank()).filter(|&axis| axis < extra || shape[axis - extra] != self.shape()[axis]).collect();
        if summed.is_empty() { Ok(self.clone()) } else { self.sum_keep(&summed)?.reshape(shape) }
    }

    fn reduced(&self, op: &'static str, axes: &[usize]) -> Result<Tensor> {
        let mut shape = self.dims();
        for &axis in axes {
            if axis >= self.rank() {
                return Err(Error::shape(op, format!("there is no axis {axis} in {:?}", self.shape())));
            }
            shape[axis] = 1;
        }
        let layout = if self.layout().is_dense() { self.layout().like(shape) } else { Layout::contiguous(shape) };
        Tensor::empty(op, self.device(), self.dtype(), layout)
    }
}
