//! Steps of a run on a GPU, recorded once and replayed with one call each: launching a network's kernels one by one takes
//! the host longer than a small batch takes the device.
//!
//! A recording cannot be told a new number, so those that change from step to step are a table in the device's memory, whose
//! row of the step is copied to where the recorded kernels read it. Rows with other terms are other recordings; what occurs
//! once is not recorded. Bits are those of [`Row::step`].

use super::draw::{batch_shape, normal};
use super::{Draw, Moment};
use crate::denoiser::{Condition, Denoiser, Tabulated};
use crate::error::Result;
use crate::noise::Purpose;
use crate::table::{Row, Table};
use autograd::Var;
use std::ops::Range;
use tensor::{DType, Graph, Tensor};

/// Where a row's numbers lie: of the churned state, of the update, of the correction, then the denoiser's at one time and,
/// corrected, at the other.
const CHURN: usize = 0;
const UPDATE: usize = 2;
const CORRECTION: usize = 5;
const DENOISER: usize = 9;

/// A run's steps for batches of one size.
pub(super) struct Recorded<'a> {
    denoiser: &'a dyn Tabulated,
    rows: &'a [Row],
    /// `[rows, width]`, f64.
    table: Tensor,
    /// Numbers the denoiser has at one time.
    numbers: usize,
    /// The row of the step under way, `[width]`.
    row: Tensor,
    x: Tensor,
    noise: Tensor,
    recordings: Vec<Recording>,
}

/// A recorded step, for all rows of the same terms.
struct Recording {
    terms: Terms,
    graph: Graph,
    clean: Tensor,
}

/// Which terms a row has.
#[derive(Clone, Copy, PartialEq)]
struct Terms {
    churn: bool,
    /// Of the state, the clean estimate, the noise.
    update: [bool; 3],
    corrected: bool,
}

impl Terms {
    fn of(row: &Row) -> Terms {
        Terms {
            churn: row.churn != 0.0,
            update: [row.state, row.clean, row.noise].map(|factor| factor != 0.0),
            corrected: row.correction.is_some(),
        }
    }
}

impl<'a> Recorded<'a> {
    /// For batches of `count`, where the device records, the denoiser depends on time by numbers, and steps repeat.
    pub(super) fn new(
        denoiser: &'a dyn Denoiser,
        table: &'a Table,
        draw: &Draw,
        count: usize,
    ) -> Result<Option<Recorded<'a>>> {
        let rows = table.rows();
        let is_alone = matches!(draw.condition, Condition::None);
        let Some(denoiser) = denoiser.tabulated().filter(|_| draw.device.records() && is_alone && rows.len() > 2)
        else {
            return Ok(None);
        };
        let lines = rows.iter().map(|row| line(denoiser, row)).collect::<Result<Vec<_>>>()?;
        let numbers = denoiser.numbers(rows[0].t)?.len();
        let width = DENOISER + 2 * numbers;
        let zeros = || Tensor::zeros(draw.device, draw.dtype, &batch_shape(count, draw.shape));
        Ok(Some(Recorded {
            denoiser,
            rows,
            table: Tensor::from_slice(draw.device, &[rows.len(), width], &lines.concat())?,
            numbers,
            row: Tensor::zeros(draw.device, DType::F64, &[width])?,
            x: zeros()?,
            noise: zeros()?,
            recordings: vec![],
        }))
    }

    /// Runs all rows from the state `x`; the state in the end.
    pub(super) fn run(
        &mut self,
        x: &Tensor,
        draw: &Draw,
        samples: &Range<u64>,
        observe: &mut dyn FnMut(&Moment) -> Result<()>,
    ) -> Result<Tensor> {
        self.x.overwrite(x)?;
        for (step, row) in self.rows.iter().enumerate() {
            if row.is_noisy() {
                self.noise.overwrite(&normal(draw, samples, Purpose::Step, step)?)?;
            }
            self.row.overwrite(&self.table.narrow(0, step, 1)?.reshape(self.row.shape())?)?;
            // Copies: the next step overwrites both.
            let (clean, x) = (self.step(step)?.copy()?, self.x.copy()?);
            observe(&Moment { samples: samples.clone(), step, steps: self.rows.len(), x: &x, clean: &clean })?;
        }
        Ok(self.x.copy()?)
    }

    /// Brings the state from before row `step` to after it; the clean estimate.
    fn step(&mut self, step: usize) -> Result<Tensor> {
        let terms = Terms::of(&self.rows[step]);
        if let Some(made) = self.recordings.iter_mut().find(|made| made.terms == terms) {
            made.graph.replay()?;
            return Ok(made.clean.clone());
        }
        let device = self.x.device().clone();
        let (clean, ready) = device.rehearse(|| self.advance(terms))?;
        if ready && self.rows[step + 1..].iter().any(|row| Terms::of(row) == terms) {
            let (graph, clean) = device.record(|| self.advance(terms))?;
            self.recordings.push(Recording { terms, graph, clean });
        }
        Ok(clean)
    }

    /// [`Row::step`] by the numbers of `self.row`, from `self.x` to there; the clean estimate.
    fn advance(&self, terms: Terms) -> Result<Tensor> {
        let by = |from: usize, inputs: &[&Var]| -> Result<Var> {
            Ok(Var::combine_by(&self.row.narrow(0, from, inputs.len())?, inputs)?)
        };
        let denoise = |x: &Var, time: usize| {
            let row = self.row.narrow(0, DENOISER + time * self.numbers, self.numbers)?;
            self.denoiser.denoise_by(x, &row, &Condition::None)
        };
        let (mut x, noise) = (Var::constant(self.x.clone()), Var::constant(self.noise.clone()));
        if terms.churn {
            x = by(CHURN, &[&x, &noise])?;
        }
        let clean = denoise(&x, 0)?;
        let present =
            [&x, &clean, &noise].into_iter().zip(terms.update).filter_map(|(term, there)| there.then_some(term));
        let mut next = by(UPDATE, &present.collect::<Vec<_>>())?;
        if terms.corrected {
            next = by(CORRECTION, &[&x, &clean, &next, &denoise(&next, 1)?])?;
        }
        self.x.clone().overwrite(next.value())?;
        Ok(clean.value().clone())
    }
}

/// A row's numbers, those of its terms first in each place.
fn line(denoiser: &dyn Tabulated, row: &Row) -> Result<Vec<f64>> {
    let present = [row.state, row.clean, row.noise].into_iter().filter(|&factor| factor != 0.0);
    let mut update: Vec<f64> = present.collect();
    update.resize(CORRECTION - UPDATE, 0.0);
    let (correction, second) = match row.correction {
        Some(heun) => ([heun.state, heun.clean, heun.predicted, heun.predicted_clean], heun.t),
        None => ([0.0; DENOISER - CORRECTION], row.t),
    };
    let [own, other] = [denoiser.numbers(row.t)?, denoiser.numbers(second)?];
    Ok([&[1.0, row.churn][..], &update, &correction, &own, &other].concat())
}
