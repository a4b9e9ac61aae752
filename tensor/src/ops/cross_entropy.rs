//! `-log softmax(logits)[label]`, one number a sample.

use super::common;
use crate::error::{Error, Kind, Result};
use crate::{DType, Dims, Layout, Tensor};

impl Tensor {
    /// Logits `[.., k]` and labels `[..]` (i64, below k): losses `[..]`.
    #[track_caller]
    pub fn cross_entropy(&self, labels: &Tensor) -> Result<Tensor> {
        let shape = self.checked_labels(labels)?;
        let out = Tensor::empty("cross_entropy", self.device(), self.dtype(), Layout::contiguous(shape))?;
        let (x, labels) = (self.rows()?, labels.reshape(&[labels.count()])?.contiguous()?);
        let flat = out.reshape(&[out.count()])?;
        let (x, labels) = (x.read("cross_entropy")?, labels.read("cross_entropy")?);
        let (x, labels) = (x.view()?, labels.view()?);
        let cost = kernels::cross_entropy::forward_cost(self.layout());
        flat.fill_with(cost, |loss| kernels::cross_entropy::forward(self.device().kernels(), x, labels, loss))?;
        Ok(out)
    }

    /// The gradient by the logits, this, from a cotangent `[..]` of the losses.
    #[track_caller]
    pub fn cross_entropy_backward(&self, labels: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        self.checked_labels(labels)?;
        common("cross_entropy", &[self, cotangent])?;
        let out = Tensor::empty("cross_entropy", self.device(), self.dtype(), Layout::contiguous(self.dims()))?;
        let (x, labels) = (self.rows()?, labels.reshape(&[labels.count()])?.contiguous()?);
        let g = cotangent.reshape(&[cotangent.count()])?.contiguous()?;
        let flat = out.rows()?;
        let (x, labels, g) = (x.read("cross_entropy")?, labels.read("cross_entropy")?, g.read("cross_entropy")?);
        let (x, labels, g) = (x.view()?, labels.view()?, g.view()?);
        let cost = kernels::cross_entropy::backward_cost(self.layout());
        flat.fill_with(cost, |dx| kernels::cross_entropy::backward(self.device().kernels(), x, labels, g, dx))?;
        Ok(out)
    }

    fn rows(&self) -> Result<Tensor> {
        let width = *self.shape().last().unwrap_or(&1);
        self.reshape(&[self.count() / width.max(1), width])?.contiguous()
    }

    fn checked_labels(&self, labels: &Tensor) -> Result<Dims> {
        if labels.dtype() != DType::I64 {
            return Err(Kind::DType { op: "cross_entropy", got: labels.dtype(), want: "i64 labels" }.into());
        }
        match self.shape().split_last() {
            Some((_, rows)) if rows == labels.shape() => Ok(labels.dims()),
            _ => Err(Error::shape(
                "cross_entropy",
                format!(
                    "logits {:?} want labels of that shape without its last axis, not {:?}",
                    self.shape(),
                    labels.shape()
                ),
            )),
        }
    }
}
