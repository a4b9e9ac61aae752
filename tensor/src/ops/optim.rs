//! Parameter updates in place: Adam, moving average; and the norm that clipping needs. Versions of what is written move.
//!
//! Each takes a list, which a GPU goes through in a few launches. A tensor may be written once in a list.

use super::common;
use crate::error::{Error, Result};
use crate::tensor::dims;
use crate::{DType, Device, Layout, Tensor};
use kernels::optim;
pub use kernels::optim::{Adam, AdamStep};

/// A parameter with what moves it: dense, of one shape and dtype. Written are the parameter and its moments.
#[derive(Clone)]
pub struct Slot {
    /// The parameter.
    pub param: Tensor,
    /// Its gradient, in any storage order.
    pub gradient: Tensor,
    /// The running mean of the gradient.
    pub m: Tensor,
    /// The running mean of its square.
    pub v: Tensor,
}

/// Where the coefficients of a step are.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    /// Here.
    Given(&'a AdamStep),
    /// On the device: `AdamStep::array`, `[8]`, f64; a recorded step reads them anew at every replay.
    Table(&'a Tensor),
}

/// The share of a parameter that a moving average takes up: 1 - decay.
#[derive(Clone, Copy)]
pub enum Rate<'a> {
    /// Here.
    Given(f64),
    /// On the device, `[1]`, f64; a recorded update reads it anew at every replay.
    Table(&'a Tensor),
}

/// One Adam(W) step of every parameter; none where the factor of the gradient is not a number.
#[track_caller]
pub fn adam(numbers: Numbers, slots: &[Slot]) -> Result<()> {
    const OP: &str = "adam";
    let Some(first) = slots.first() else { return Ok(()) };
    let device = first.param.device().clone();
    let mut held = Vec::with_capacity(slots.len());
    for Slot { param, gradient, m, v } in slots {
        common(OP, &[&first.param, param, gradient, m, v])?;
        let ordered = gradient.layout().same_order(param.layout());
        held.push(if ordered { gradient.clone() } else { gradient.contiguous()? });
        device.count(optim::adam_cost(param.count(), param.dtype()));
        [param, m, v].into_iter().for_each(|written| written.storage().bump());
    }
    let gradients = held.iter().map(|gradient| gradient.read(OP)).collect::<Result<Vec<_>>>()?;
    let mut written = Vec::with_capacity(slots.len());
    for Slot { param, m, v, .. } in slots {
        written.push([param.write(OP)?, m.write(OP)?, v.write(OP)?]);
    }
    let views = written.iter_mut().zip(&gradients).map(|([param, m, v], grad)| {
        Ok(optim::Slot { param: param.view()?, grad: grad.view()?, m: m.view()?, v: v.view()? })
    });
    let mut views = views.collect::<Result<Vec<_>>>()?;
    match numbers {
        Numbers::Given(step) => optim::adam(device.kernels(), optim::Numbers::Given(step), &mut views)?,
        Numbers::Table(table) => {
            let table = table.read(OP)?;
            optim::adam(device.kernels(), optim::Numbers::Table(table.view()?), &mut views)?;
        }
    }
    Ok(())
}

/// `average += rate (param - average)` in place for every (average, param), each of one shape and storage order.
#[track_caller]
pub fn ema(rate: Rate, slots: &[(Tensor, Tensor)]) -> Result<()> {
    const OP: &str = "ema";
    let Some((first, _)) = slots.first() else { return Ok(()) };
    let device = first.device().clone();
    for (average, param) in slots {
        common(OP, &[first, average, param])?;
        device.count(optim::ema_cost(average.count(), average.dtype()));
        average.storage().bump();
    }
    let params = slots.iter().map(|(_, param)| param.read(OP)).collect::<Result<Vec<_>>>()?;
    let mut averages = slots.iter().map(|(average, _)| average.write(OP)).collect::<Result<Vec<_>>>()?;
    let views = averages.iter_mut().zip(&params).map(|(average, param)| Ok((average.view()?, param.view()?)));
    let mut views = views.collect::<Result<Vec<_>>>()?;
    match rate {
        Rate::Given(rate) => optim::ema(device.kernels(), optim::Rate::Given(rate), &mut views)?,
        Rate::Table(table) => {
            let table = table.read(OP)?;
            optim::ema(device.kernels(), optim::Rate::Table(table.view()?), &mut views)?;
        }
    }
    Ok(())
}

/// The sum of squares of each of `x`, which share dtype and device: `[x.len()]`, f64.
#[track_caller]
pub fn squares(x: &[&Tensor]) -> Result<Tensor> {
    const OP: &str = "squares";
    if x.is_empty() {
        return Err(Error::shape(OP, "no tensors; at least one is summed"));
    }
    let (device, _) = common(OP, x)?;
    let dense = |x: &&Tensor| if x.layout().is_dense() { Ok((*x).clone()) } else { x.contiguous() };
    let dense = x.iter().map(dense).collect::<Result<Vec<Tensor>>>()?;
    let out = number(OP, &device, dense.len())?;
    let space = optim::squares_scratch(device.kernels(), dense.iter().map(Tensor::count));
    let space = super::scratch(OP, &device, space)?;
    let mut space = space.storage().write(OP)?;
    let held = dense.iter().map(|x| x.read(OP)).collect::<Result<Vec<_>>>()?;
    let views = held.iter().map(|x| x.view()).collect::<Result<Vec<_>>>()?;
    dense.iter().for_each(|x| device.count(optim::sum_of_squares_cost(x.count(), x.dtype())));
    optim::squares(device.kernels(), &views, out.write(OP)?.view()?, space.data())?;
    drop(space);
    Ok(out)
}

/// From the sums of squares of all gradients: writes the factor that brings their norm down to `most`, at most 1 and not a
/// number where it is not finite, into `factor` `[1]`; answers the norm, `[1]`. All f64.
#[track_caller]
pub fn clip(squares: &Tensor, most: f64, eps: f64, factor: &Tensor) -> Result<Tensor> {
    const OP: &str = "clip";
    let (device, _) = common(OP, &[squares, factor])?;
    let norm = number(OP, &device, 1)?;
    factor.storage().bump();
    let squares = squares.read(OP)?;
    let (mut factor, mut to) = (factor.write(OP)?, norm.write(OP)?);
    optim::clip(device.kernels(), squares.view()?, most, eps, factor.view()?, to.view()?)?;
    drop(to);
    Ok(norm)
}

/// Room for `count` numbers in f64.
fn number(op: &'static str, device: &Device, count: usize) -> Result<Tensor> {
    Tensor::empty(op, device, DType::F64, Layout::contiguous(dims(op, &[count])?))
}

impl Tensor {
    /// The sum of squares of all elements as f64, shape `[1]`.
    #[track_caller]
    pub fn sum_of_squares(&self) -> Result<Tensor> {
        let x = if self.layout().is_dense() { self.clone() } else { self.contiguous()? };
        let out = number("sum_of_squares", self.device(), 1)?;
        let cost = optim::sum_of_squares_cost(x.count(), x.dtype());
        let d = self.device().kernels();
        let space = super::scratch("sum_of_squares", self.device(), optim::sum_of_squares_scratch(d, x.count()))?;
        let mut space = space.storage().write("sum_of_squares")?;
        let x = x.read("sum_of_squares")?;
        let x = x.view()?;
        out.fill_with(cost, |y| optim::sum_of_squares(d, x, y, space.data()))?;
        Ok(out)
    }
}
