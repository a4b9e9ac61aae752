//! Linear combinations in one pass: `sum_i c_i x_i`, the op that every sampler step is made of.

use super::{common, common_shape, result_layout};
use crate::Tensor;
use crate::error::{Error, Kind, Result};
use kernels::{View, ViewMut};

/// The most terms one pass takes.
const TERMS: usize = 8;

impl Tensor {
    /// `sum_i c_i x_i`, operands broadcast to one shape; added in the order given.
    #[track_caller]
    pub fn combine(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
        let operands: Vec<&Tensor> = terms.iter().map(|term| term.1).collect();
        combined("combine", &operands, |device, x, y| {
            let terms: Vec<(f64, View)> = terms.iter().zip(x).map(|(term, x)| (term.0, *x)).collect();
            kernels::combine::forward(device, &terms, y)
        })
    }

    /// The same with the coefficients that `table` `[terms]`, f64, holds when the work is done: a recorded step reads them
    /// anew at every replay.
    #[track_caller]
    pub fn combine_by(table: &Tensor, operands: &[&Tensor]) -> Result<Tensor> {
        if operands.first().is_some_and(|x| x.device() != table.device()) {
            return Err(Kind::Device { op: "combine_by" }.into());
        }
        let table = table.read("combine_by")?;
        let table = table.view()?;
        combined("combine_by", operands, |device, x, y| kernels::combine::forward_by(device, table, x, y))
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

/// What `kernel` makes of 1 to [`TERMS`] operands, broadcast to one shape.
#[track_caller]
fn combined(
    op: &'static str,
    operands: &[&Tensor],
    kernel: impl FnOnce(&kernels::Device, &[View], ViewMut) -> kernels::Result,
) -> Result<Tensor> {
    if operands.is_empty() || operands.len() > TERMS {
        return Err(Error::shape(op, format!("{} terms; between 1 and {TERMS} are taken", operands.len())));
    }
    let (device, dtype) = common(op, operands)?;
    let shape = common_shape(op, operands)?;
    let out = Tensor::empty(op, &device, dtype, result_layout(shape, operands))?;
    let wide: Vec<Tensor> = operands.iter().map(|x| x.broadcast_to(&shape)).collect::<Result<_>>()?;
    let held = wide.iter().map(|x| x.read(op)).collect::<Result<Vec<_>>>()?;
    let views = held.iter().map(|x| x.view()).collect::<Result<Vec<View>>>()?;
    let cost = kernels::combine::forward_cost(operands.len(), out.layout(), dtype);
    out.fill_with(cost, |y| kernel(device.kernels(), &views, y))?;
    Ok(out)
}
