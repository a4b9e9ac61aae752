//! Running a table: samples first .. last in batches, without a graph.
//!
//! A sample is keyed by its number in the run. Whatever the batch size, and in however many runs `first .. last` is split,
//! its bits are the same.

use crate::denoiser::{Condition, Denoiser};
use crate::error::{Error, Result};
use crate::noise::{Noise, Place, Purpose};
use crate::sampler::recorded::Recorded;
use crate::table::Table;
use autograd::Var;
use std::ops::Range;
use tensor::{DType, Device, Tensor};

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Draw<'a> {
    /// Where.
    pub device: &'a Device,
    /// The state's dtype, f32 or f64; see [`Sampler::dtype`](super::Sampler::dtype). The noise is the same in both.
    pub dtype: DType,
    /// Shape of one sample, such as `[channels, height, width]`.
    pub shape: &'a [usize],
    /// Which samples, counted from the start of the run.
    pub samples: Range<u64>,
    /// How many at a time, at least 1.
    pub batch: usize,
    /// The source of all noise.
    pub noise: Noise,
    /// What the denoiser is told; an embedding has a row for each of `samples`, or one for all.
    pub condition: Condition,
}

/// A batch after one row of the table.
pub struct Moment<'a> {
    /// The batch.
    pub samples: Range<u64>,
    /// The row, from 0.
    pub step: usize,
    /// Number of rows.
    pub steps: usize,
    /// The state after the row.
    pub x: &'a Tensor,
    /// The clean estimate made by the row.
    pub clean: &'a Tensor,
}

/// Samples `[n, ..shape]`, n = `draw.samples.len()`; `observe` sees every step of every batch, and may stop the run by an error.
pub fn sample(
    denoiser: &dyn Denoiser,
    table: &Table,
    draw: &Draw,
    observe: &mut dyn FnMut(&Moment) -> Result<()>,
) -> Result<Tensor> {
    let Range { start, end } = draw.samples;
    if draw.batch == 0 || end > 1 << 32 {
        return Err(Error::argument(format!(
            "samples {start}..{end} in batches of {}: at most 2^32 samples, in batches of at least 1",
            draw.batch
        )));
    }
    if start >= end {
        return Ok(Tensor::zeros(draw.device, draw.dtype, &batch_shape(0, draw.shape))?);
    }
    let mut recorded: Option<(usize, Option<Recorded>)> = None;
    let mut batches = vec![];
    for first in (start..end).step_by(draw.batch) {
        let samples = first..end.min(first + draw.batch as u64);
        let count = (samples.end - samples.start) as usize;
        let steps = match recorded.take() {
            Some((size, steps)) if size == count => steps,
            _ => Recorded::new(denoiser, table, draw, count)?,
        };
        let (_, steps) = recorded.insert((count, steps));
        batches.push(match steps {
            Some(steps) => steps.run(&initial(table, draw, &samples)?, draw, &samples, observe)?,
            None => one_batch(denoiser, table, draw, samples, observe)?,
        });
    }
    Ok(Tensor::concat(&batches.iter().collect::<Vec<_>>(), 0)?)
}

fn one_batch(
    denoiser: &dyn Denoiser,
    table: &Table,
    draw: &Draw,
    samples: Range<u64>,
    observe: &mut dyn FnMut(&Moment) -> Result<()>,
) -> Result<Tensor> {
    let count = (samples.end - samples.start) as usize;
    let condition = draw.condition.narrow((samples.start - draw.samples.start) as usize, count)?;
    let mut x = Var::constant(initial(table, draw, &samples)?);
    for (step, row) in table.rows().iter().enumerate() {
        let noise = row.is_noisy().then(|| normal(draw, &samples, Purpose::Step, step)).transpose()?.map(Var::constant);
        let done = row.step(denoiser, &condition, &x, noise.as_ref())?;
        x = done.next;
        let moment = Moment {
            samples: samples.clone(),
            step,
            steps: table.rows().len(),
            x: x.value(),
            clean: done.clean.value(),
        };
        observe(&moment)?;
    }
    Ok(x.value().clone())
}

/// The state that a batch starts from.
fn initial(table: &Table, draw: &Draw, samples: &Range<u64>) -> Result<Tensor> {
    Ok(normal(draw, samples, Purpose::Initial, 0)?.scale(table.start())?)
}

/// Fresh noise of a batch.
pub(super) fn normal(draw: &Draw, samples: &Range<u64>, purpose: Purpose, step: usize) -> Result<Tensor> {
    let shape = batch_shape((samples.end - samples.start) as usize, draw.shape);
    let place = Place { device: draw.device, dtype: draw.dtype, shape: &shape };
    draw.noise.normal(purpose, step, &place, samples.start)
}

pub(super) fn batch_shape(count: usize, sample: &[usize]) -> Vec<usize> {
    std::iter::once(count).chain(sample.iter().copied()).collect()
}
