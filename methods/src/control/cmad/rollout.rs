//! The controlled loop and what it costs (Algorithm 3 of paper 000).
//!
//! K points of time are K - 1 updates by Euler and Maruyama; at the last point every agent answers its clean estimate
//! instead of a noisy state, and Psi is of the aggregate of those: the same in training, sampling and CDPS, and without
//! control, bit for bit, the plain sampler of each agent. With the coefficients of a [`Row`] and the clean estimate x0,
//!
//!   x' = state x + clean x0 + noise xi + g dt u
//!
//! The gradient that a control sees is cut from the graph (line 20), so backpropagation through time is a biased gradient
//! of J, as in the paper; [`Pull::Through`] does not cut it, for a Hessian-vector product of Psi a step.

use super::control::See;
use super::look_ahead::LookAhead;
use super::problem::{Problem, Steering};
use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::noise::{Noise, Place, Purpose};
use crate::sampler::Sampler;
use crate::table::{Row, Table};
use autograd::{DType, Device, Memory, Scan, Store, Tensor, Var, scan};
use std::sync::Arc;

/// What the gradient seen by controls is, as far as derivatives are concerned.
#[derive(Clone, Default)]
pub enum Pull {
    /// A number (line 20).
    #[default]
    Stopped,
    /// Differentiated through.
    Through,
    /// As it was in another rollout, `[step][agent]`: what finite differences of the stopped objective hold fixed.
    Replayed(Arc<Vec<Vec<Tensor>>>),
}

/// Where a rollout's standard normal numbers come from: [`Noise`], or for an expectation without sampling error the
/// points of a cubature.
pub trait Draws: Send + Sync {
    /// For one agent, use and step, at `place`, row 0 being sample `first`. A function of its arguments.
    fn normal(&self, agent: usize, purpose: Purpose, step: usize, place: &Place, first: u64) -> Result<Tensor>;
}

impl Draws for Noise {
    fn normal(&self, agent: usize, purpose: Purpose, step: usize, place: &Place, first: u64) -> Result<Tensor> {
        let agent = u16::try_from(agent).map_err(|_| Error::argument(format!("agent {agent}: at most 2^16 draw")))?;
        self.agent(agent).normal(purpose, step, place, first)
    }
}

/// One run of the loop.
#[derive(Clone)]
pub struct Rollout {
    /// The times.
    pub grid: Grid,
    /// Where it runs.
    pub device: Device,
    /// Of the states, f32 or f64.
    pub dtype: DType,
    /// What the backward pass may keep.
    pub memory: Memory,
    /// Where it keeps states for that.
    pub store: Store,
    /// The randomness; agents draw their own.
    pub draws: Arc<dyn Draws>,
    /// Row 0 is sample `first`.
    pub first: u64,
    /// Samples.
    pub batch: usize,
    /// See [`Pull`].
    pub pull: Pull,
    /// The agent whose turn it is in a best response: all others are played open loop, no derivative flows through them.
    pub only: Option<usize>,
    /// Whether controls see numbers: no derivative flows through what they see, only through what they do.
    pub lean: bool,
}

impl Rollout {
    /// The run of training update `update`: samples that no other update sees, and times moved within the grid, so that
    /// what is learned does not hold on these times only. A function of (run, noise, update).
    pub fn fresh(&self, noise: &Noise, update: u64) -> Result<Rollout> {
        let grid = self.grid.jittered(noise, update as usize)?;
        Ok(Rollout { grid, first: self.first + update * self.batch as u64, ..self.clone() })
    }
}

/// What a rollout came to; all but the pictures per sample, `[n]`.
#[derive(Clone, Debug)]
pub struct Costs {
    /// Y at the end, `[n, c, h, w]`.
    pub object: Var,
    /// Each agent's own canvas at the end, clean.
    pub canvases: Vec<Var>,
    /// int |u^i|^2 dt of each agent.
    pub energies: Vec<Var>,
    /// int c dt, its weight included.
    pub running: Var,
    /// Psi at the end.
    pub terminal: Var,
    /// J.
    pub objective: Var,
}

/// What a step computes on its way, for those who look on.
pub struct Moment<'a> {
    /// The step.
    pub step: usize,
    /// Its time and coefficients.
    pub row: &'a Row,
    /// Agents' states before it.
    pub states: &'a [Var],
    /// Agents' clean estimates.
    pub clean: &'a [Var],
    /// The gradients the controls saw; those by the states for CDPS.
    pub pulls: &'a [Var],
    /// The controls.
    pub controls: &'a [Option<Var>],
}

impl Problem {
    /// Runs the loop and adds up its costs. Differentiable by the [leaves](Problem::leaves).
    pub fn rollout(&self, steering: &Steering, run: &Rollout) -> Result<Costs> {
        let table = self.table(steering, run)?;
        let steps = table.rows().len() - 1;
        let start = self.start(run, &table)?;
        let how = Scan { memory: run.memory, store: run.store.clone(), steps, with: self.leaves(steering) };
        let (problem, steering, inner, rows) = (self.clone(), steering.clone(), run.clone(), table.clone());
        let state = scan(how, &start, move |state, k| {
            Ok(problem.step(&steering, &inner, &rows.rows()[k], k, state, &mut |_| Ok(()))?)
        })?;
        self.finish(&state, &table)
    }

    /// The same without derivatives, with `look` called at every step; it may stop the run by an error. The same bits. A
    /// step's values are kept until it is over; frozen controls keep less.
    pub fn watch(
        &self,
        steering: &Steering,
        run: &Rollout,
        look: &mut dyn FnMut(&Moment) -> Result<()>,
    ) -> Result<Costs> {
        let table = self.table(steering, run)?;
        let mut state = self.start(run, &table)?;
        for (k, row) in table.rows()[..table.rows().len() - 1].iter().enumerate() {
            state = self.step(steering, run, row, k, &state, look)?.iter().map(Var::detach).collect();
        }
        self.finish(&state, &table)
    }

    /// The coefficients of a run, when everything fits together.
    pub(super) fn table(&self, steering: &Steering, run: &Rollout) -> Result<Table> {
        self.check(steering)?;
        Sampler::EulerMaruyama.table(self.agents[0].process(), &run.grid)
    }

    /// The state of the loop: the agents' states, their energies, the running cost.
    pub(super) fn start(&self, run: &Rollout, table: &Table) -> Result<Vec<Var>> {
        let mut state = Vec::with_capacity(2 * self.count() + 1);
        for i in 0..self.count() {
            state.push(self.draw(run, i, Purpose::Initial, 0)?.scale(table.start())?);
        }
        let zero = Tensor::zeros(&run.device, run.dtype, &[run.batch])?;
        state.resize(2 * self.count() + 1, Var::constant(zero));
        Ok(state)
    }

    fn draw(&self, run: &Rollout, agent: usize, purpose: Purpose, step: usize) -> Result<Var> {
        let [c, h, w] = self.aggregator.canvas(agent, self.object);
        let place = Place { device: &run.device, dtype: run.dtype, shape: &[run.batch, c, h, w] };
        Ok(Var::constant(run.draws.normal(agent, purpose, step, &place, run.first)?))
    }

    /// One update of everything: lines 9 to 27.
    pub(super) fn step(
        &self,
        steering: &Steering,
        run: &Rollout,
        row: &Row,
        k: usize,
        state: &[Var],
        look: &mut dyn FnMut(&Moment) -> Result<()>,
    ) -> Result<Vec<Var>> {
        let (x, sums) = state.split_at(self.count());
        let x = &open_loop(x, run.only)[..];
        let LookAhead { clean, cost, pulls } = self.look_ahead(steering, run, row, k, x)?;
        let controls = self.act(steering, run, (row, k), x, &clean, &pulls)?;
        look(&Moment { step: k, row, states: x, clean: &clean, pulls: &pulls, controls: &controls })?;
        let mut next = Vec::with_capacity(state.len());
        for i in 0..self.count() {
            let noise = self.draw(run, i, Purpose::Step, k)?;
            let mut terms = vec![(row.state, &x[i]), (row.clean, &clean[i]), (row.noise, &noise)];
            terms.extend(controls[i].as_ref().map(|control| (row.g * row.dt, control)));
            next.push(Var::combine(&terms)?);
        }
        for (energy, control) in sums.iter().zip(&controls) {
            next.push(match control {
                None => energy.clone(),
                Some(u) => Var::combine(&[(1.0, energy), (row.dt, &u.square()?.sum_per_sample()?)])?,
            });
        }
        let running = &sums[self.count()];
        next.push(match cost {
            None => running.clone(),
            Some(cost) => Var::combine(&[(1.0, running), (self.running.weight(row) * row.dt, &cost)])?,
        });
        Ok(next)
    }

    /// Everybody's control.
    fn act(
        &self,
        steering: &Steering,
        run: &Rollout,
        (row, step): (&Row, usize),
        x: &[Var],
        clean: &[Var],
        pulls: &[Var],
    ) -> Result<Vec<Option<Var>>> {
        let all = match steering {
            Steering::None => return Ok(vec![None; x.len()]),
            Steering::Cdps { scale } => {
                return pulls.iter().map(|pull| Ok(Some(pull.scale(-scale * row.g)?))).collect();
            }
            Steering::Controls(all) => all,
        };
        let sees = |all: &[Var]| match run.lean {
            true => all.iter().map(Var::detach).collect(),
            false => open_loop(all, run.only),
        };
        let everybodys = |of: &[Var]| Result::Ok(sees(&vec![self.aggregator.aggregate(of)?; of.len()]));
        let (objects, outlooks) = (everybodys(x)?, everybodys(clean)?);
        let (x, clean, pulls) = (sees(x), sees(clean), sees(pulls));
        let act = |i: usize| -> Result<Var> {
            let [aggregate, outlook] = [&objects[i], &outlooks[i]].map(|object| self.aggregator.in_view(i, object));
            let (aggregate, outlook) = (&aggregate?, &outlook?);
            all[i].act(&See { state: &x[i], aggregate, pull: &pulls[i], clean: &clean[i], outlook, row, step })
        };
        let controls = (0..x.len()).map(act).collect::<Result<Vec<Var>>>()?;
        Ok(open_loop(&controls, run.only).into_iter().map(Some).collect())
    }

    /// The last point of time: clean estimates, Psi, and J.
    pub(super) fn finish(&self, state: &[Var], table: &Table) -> Result<Costs> {
        let (x, sums) = state.split_at(self.count());
        let canvases = self.clean(x, table.rows()[table.rows().len() - 1].t)?;
        let object = self.aggregator.aggregate(&canvases)?;
        let terminal = self.cost.per_sample(&object)?;
        let (energies, running) = (sums[..self.count()].to_vec(), sums[self.count()].clone());
        let objective = self.objective(&energies, &running, &terminal)?;
        Ok(Costs { object, canvases, energies, running, terminal, objective })
    }
}

/// All but the one whose turn it is, without derivatives.
fn open_loop(all: &[Var], only: Option<usize>) -> Vec<Var> {
    let open = |i: usize| only.is_some_and(|only| only != i);
    all.iter().enumerate().map(|(i, x)| if open(i) { x.detach() } else { x.clone() }).collect()
}
