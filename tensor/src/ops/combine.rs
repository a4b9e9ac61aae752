//! Linear combinations in one pass: `sum_i c_i x_i`, the op that every sampler step is made of.

use super::{common, common_shape, result_layout};
use crate::Tensor;
use crate::error::{Error, Result};
use kernels::View;

/// The most terms one pass takes.
const TERMS: usize = 8;

impl Tensor {
    /// `sum_i c_i x_i`, operands broadcast to one shape; added in the order given.
    #[track_caller]
    pub fn combine(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
        if terms.is_empty() || terms.len() > TERMS {
            return Err(Error::shape("combine", format!("{} terms; between 1 and {TERMS} are taken", terms.len())));
        }
        let operands: Vec<&Tensor> = terms.iter().map(|term| term.1).collect();
        let (device, dtype) = common("combine", &operands)?;
        let shape = common_shape("combine", &operands)?;
        let out = Tensor::empty(&device, dtype, result_layout(shape, &operands))?;
        let wide: Vec<Tensor> = operands.iter().map(|x| x.broadcast_to(&shape)).collect::<Result<_>>()?;
        let held = wide.iter().map(|x| x.read("combine")).collect::<Result<Vec<_>>>()?;
        let views =
            held.iter().zip(terms).map(|(x, term)| Ok((term.0, x.view()?))).collect::<Result<Vec<(f64, View)>>>()?;
        let cost = kernels::combine::forward_cost(terms.len(), out.layout(), dtype);
        out.fill_with(cost, |y| kernels::combine::forward(device.kernels(), &views, y))?;
        Ok(out)
    }

    /// `self + other`, broadcast.
    #[track_caller]
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::combine(&[(1.0, self), (1.0, other)])
    }

    /// `self - other`, broadcast.
    #[track_caller]
    pub fn sub(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::combine(&[(1.0, self), (-1.0, other)])
    }

    /// `c self`.
    #[track_caller]
    pub fn scale(&self, c: f64) -> Result<Tensor> {
        Tensor::combine(&[(c, self)])
    }

    /// `self += c x` in place, equal shapes. The storage's version moves.
    #[track_caller]
    pub fn accumulate(&mut self, c: f64, x: &Tensor) -> Result<()> {
        let (device, dtype) = common("accumulate", &[self, x])?;
        if x.shape() != self.shape() {
            return Err(Error::shape("accumulate", format!("{:?} into {:?}", x.shape(), self.shape())));
        }
        self.storage().bump();
        let from = x.read("accumulate")?;
        let from = from.view()?;
        let cost = kernels::combine::accumulate_cost(self.layout(), dtype);
        self.fill_with(cost, |y| kernels::combine::accumulate(device.kernels(), c, from, y))
    }
}
