//! One run of agents that make digits together, batch by batch, and what is kept of it.

use super::SIDE;
use super::ensemble::Terms;
use crate::plan::{Plan, Rehearsal};
use crate::summary::significant;
use crate::{Error, Progress};
use autograd::{Memory, Store, Var};
use methods::control::cmad::{Costs, Moment, Problem, Pull, Rollout, Steering};
use methods::cost::Cost;
use methods::{Grid, Noise};
use std::ops::Range;
use std::sync::Arc;
use tensor::{DType, Device};

/// Which samples, and how.
pub struct Play<'a> {
    /// Who makes what.
    pub problem: &'a Problem,
    /// What is asked.
    pub terms: &'a Terms,
    /// Who steers.
    pub steering: &'a Steering,
    /// Where.
    pub device: &'a Device,
    /// Points of time.
    pub points: usize,
    /// Which samples of the run.
    pub samples: Range<u64>,
    /// How many at a time.
    pub batch: usize,
    /// Of all random numbers.
    pub seed: u64,
}

/// What a run came to, row-major.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The digits, `[n, 28 * 28]`.
    pub objects: Vec<f32>,
    /// Each agent's own canvas, `[n, 28 * 28]`.
    pub canvases: Vec<Vec<f32>>,
    /// Each agent's int |u|^2 dt, `[n]`.
    pub energies: Vec<Vec<f64>>,
    /// int c dt, `[n]`.
    pub running: Vec<f64>,
    /// Psi at the end, `[n]`.
    pub psi: Vec<f64>,
    /// The seams' part of Psi, `[n]`.
    pub seam: Vec<f64>,
    /// J: lambda E + the running cost + Psi, `[n]`.
    pub objective: Vec<f64>,
    /// The first sample on its way.
    pub film: Vec<Frame>,
    /// Mean square of each agent's controls at each step, over pixels and all samples: `(t, [agents])`.
    pub effort: Vec<(f64, Vec<f64>)>,
}

/// The first sample at one point of time.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The time.
    pub t: f64,
    /// Agents' noisy states, `[28 * 28]` each.
    pub states: Vec<Vec<f32>>,
    /// Agents' clean estimates.
    pub clean: Vec<Vec<f32>>,
    /// The aggregate of the estimates.
    pub object: Vec<f32>,
}

/// Points of time of which a frame is kept.
const FRAMES: usize = 9;

impl Play<'_> {
    /// Runs all batches.
    pub fn run(&self, progress: &mut Progress) -> anyhow::Result<Outcome> {
        let agents = self.problem.count();
        let grid = Grid::uniform(self.problem.agents[0].process(), self.points)?;
        let mut outcome = Outcome::new(agents);
        let batches = self.samples.clone().step_by(self.batch.max(1));
        for (number, first) in batches.enumerate() {
            let batch = (self.samples.end - first).min(self.batch as u64) as usize;
            let run = Rollout {
                grid: grid.clone(),
                device: self.device.clone(),
                dtype: DType::F32,
                memory: Memory::States,
                store: Store::Memory,
                draws: Arc::new(Noise::new(self.seed)),
                first,
                batch,
                pull: Pull::Stopped,
                only: None,
                lean: false,
            };
            let done = number * self.points;
            let costs = self.problem.watch(self.steering, &run, &mut |moment| {
                progress.step((done + moment.step) as u64, String::new);
                outcome.look(self, moment, number == 0)
            })?;
            outcome.add(self, &costs)?;
            progress.step((done + self.points) as u64, || format!("psi {}", significant(mean(&outcome.psi))));
        }
        let count = outcome.psi.len().max(1) as f64;
        outcome.effort.iter_mut().for_each(|(_, efforts)| efforts.iter_mut().for_each(|effort| *effort /= count));
        Ok(outcome)
    }

    /// What [`Play::run`] will take, from one batch over few points.
    pub fn rehearse(&self, rehearsal: &mut Rehearsal) -> anyhow::Result<Plan> {
        let Range { start, end } = self.samples;
        let count = (end - start).min(self.batch as u64);
        let mut run = |points| {
            let play = Play { points, samples: start..start + count, ..*self };
            anyhow::Ok((points, rehearsal.part(|| play.run(&mut Progress::new("", 0, 0, true)))?.0))
        };
        run(2)?; // weights are packed the first time, and no more
        Ok(Plan::at(self.points, [run(2)?, run(4)?]).times((end - start) as f64 / count as f64))
    }

    /// What [`Progress`] will be told at the end.
    pub fn ticks(&self) -> u64 {
        (self.samples.end - self.samples.start).div_ceil(self.batch.max(1) as u64) * self.points as u64
    }
}

impl Outcome {
    fn new(agents: usize) -> Outcome {
        Outcome { canvases: vec![vec![]; agents], energies: vec![vec![]; agents], ..Outcome::default() }
    }

    /// With objects and canvases as they are looked at, in [-1, 1]. Costs stay those of the process's own end.
    pub fn shown(mut self) -> Outcome {
        let all = self.canvases.iter_mut().flatten().chain(&mut self.objects);
        all.for_each(|pixel| *pixel = pixel.clamp(-1.0, 1.0));
        self
    }

    /// Samples.
    pub fn count(&self) -> usize {
        self.psi.len()
    }

    fn look(&mut self, play: &Play, moment: &Moment, first: bool) -> methods::Result<()> {
        let steps = play.points - 1;
        let is_kept = first && (0..FRAMES - 1).any(|frame| frame * steps / (FRAMES - 1) == moment.step);
        if is_kept {
            self.film.push(Frame::of(play.problem, moment.row.t, moment.states, moment.clean)?);
        }
        if self.effort.len() <= moment.step {
            self.effort.push((moment.row.t, vec![0.0; play.problem.count()]));
        }
        for (control, effort) in moment.controls.iter().zip(&mut self.effort[moment.step].1) {
            if let Some(control) = control {
                let squares = control.detach().square()?.sum_per_sample()?;
                *effort += squares.value().to_f64()?.iter().sum::<f64>() / (SIDE * SIDE) as f64;
            }
        }
        Ok(())
    }

    fn add(&mut self, play: &Play, costs: &Costs) -> anyhow::Result<()> {
        let numbers = |x: &Var| -> anyhow::Result<Vec<f64>> { Ok(x.value().to_f64()?) };
        if self.film.len() + 1 == FRAMES.min(play.points) {
            self.film.push(Frame::of(play.problem, 0.0, &costs.canvases, &costs.canvases)?);
        }
        let objects = costs.object.value().to_vec::<f32>()?;
        if objects.iter().any(|pixel| !pixel.is_finite()) {
            let what = "a digit is no longer finite numbers: steer at a smaller scale, or with other controls";
            return Err(Error::usage(what).into());
        }
        self.objects.extend(objects);
        self.seam.extend(numbers(&play.terms.seam().per_sample(&costs.object.detach())?)?);
        for (i, energy) in costs.energies.iter().enumerate() {
            self.energies[i].extend(numbers(energy)?);
            self.canvases[i].extend(costs.canvases[i].value().to_vec::<f32>()?);
        }
        self.running.extend(numbers(&costs.running)?);
        self.psi.extend(numbers(&costs.terminal)?);
        self.objective.extend(numbers(&costs.objective)?);
        Ok(())
    }
}

impl Frame {
    fn of(problem: &Problem, t: f64, states: &[Var], clean: &[Var]) -> methods::Result<Frame> {
        let first = |x: &Var| -> methods::Result<Vec<f32>> { Ok(x.value().narrow(0, 0, 1)?.to_vec::<f32>()?) };
        let all = |x: &[Var]| x.iter().map(first).collect::<methods::Result<Vec<_>>>();
        let estimates: Vec<Var> = clean.iter().map(Var::detach).collect();
        Ok(Frame {
            t,
            states: all(states)?,
            clean: all(clean)?,
            object: first(&problem.aggregator.aggregate(&estimates)?)?,
        })
    }
}

/// 0 of nothing.
pub fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}
