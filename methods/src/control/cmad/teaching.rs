//! Controls that learn from finished works before they learn from what becomes of their own moves.
//!
//! Works are objects that please Psi, with the canvas that every agent drew for them: CDPS makes some, at any expense of
//! energy. Of all controls under which the agents' canvases have the law Q of the works, the cheapest follow the reversed
//! noising of Q (exactly where the process forgets its start, traps A2), and spend 2 KL(Q | agents):
//!
//!   u^i = g (grad_i log q_t - score^i) = E [ g alpha / sigma^2 (x_0^i - x_0hat^i(x_t^i)) | x_t ],   x_t = alpha x_0 + sigma xi.
//!
//! So they are learned as scores are, by a regression on noised works, without rollouts and without differentiating an
//! agent: the h-transform by denoising score matching (Denker et al. 2024, "DEFT"), of several agents at once.

use super::control::{Control, See};
use super::problem::{Problem, Steering};
use crate::error::{Error, Result};
use crate::table::Row;
use autograd::{Grad, Tensor, Var, grad};
use nn::{Adam, Module, Optimizer, SavedState, State};
use std::sync::Arc;

/// Noised works at one time: what controls see there, and what is left between the agents' clean estimates and the works.
pub struct Lesson {
    row: Row,
    /// Each agent's `[n, c, h, w]`, as are the others.
    states: Vec<Var>,
    clean: Vec<Var>,
    pulls: Vec<Var>,
    answers: Vec<Var>,
}

/// sigma^2 / 2 times the squared distance to the answers, summed over agents and pixels, a mean over works. The weight
/// sigma^2 evens out how much of it no control can know, which grows like 1 / sigma^2 where there is little noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    /// Of the controls.
    pub controlled: f64,
    /// Of agents that nobody steers.
    pub free: f64,
}

impl Problem {
    /// The agents' canvases of some works, noised by `noise` to the time `t`; of each agent `[n, c, h, w]` both.
    pub fn lesson(&self, canvases: &[Tensor], noise: &[Tensor], t: f64) -> Result<Lesson> {
        if [canvases.len(), noise.len()] != [self.count(); 2] {
            let (canvases, noise, agents) = (canvases.len(), noise.len(), self.count());
            return Err(Error::argument(format!("{canvases} canvases and {noise} of noise for {agents} agents")));
        }
        let row = Row::mean(&self.agents[0].process().level(t)?);
        let works: Vec<Var> = canvases.iter().cloned().map(Var::constant).collect();
        let noised = |(work, noise): (&Var, &Tensor)| {
            Ok(Var::combine(&[(row.alpha, work), (row.sigma, &Var::constant(noise.clone()))])?)
        };
        let states = works.iter().zip(noise).map(noised).collect::<Result<Vec<Var>>>()?;
        let clean = self.clean(&states, t)?;
        let factor = row.g * row.alpha / (row.sigma * row.sigma);
        let answer = |(work, clean): (&Var, &Var)| Ok(Var::combine(&[(factor, work), (-factor, clean)])?);
        let answers = works.iter().zip(&clean).map(answer).collect::<Result<_>>()?;
        Ok(Lesson { row, states, pulls: self.shown(&clean)?, clean, answers })
    }
}

/// Controls while they learn from lessons, each with an optimiser of its own.
pub struct Teaching {
    problem: Problem,
    controls: Vec<Arc<dyn Control>>,
    optimizers: Vec<Optimizer>,
    studies: u64,
}

impl Teaching {
    /// A start. `max_norm` clips the gradient of each control. Controls must not depend on the number of a step.
    pub fn new(problem: Problem, controls: Vec<Arc<dyn Control>>, adam: Adam, max_norm: f64) -> Result<Teaching> {
        problem.check(&Steering::Controls(controls.clone()))?;
        let optimizer = |(i, control): (usize, &Arc<dyn Control>)| -> Result<Optimizer> {
            let optimizer = Optimizer::new(control.trainable(), adam)?;
            Ok(optimizer.named(&format!("teaching.{i}")).clip(max_norm))
        };
        let optimizers = controls.iter().enumerate().map(optimizer).collect::<Result<_>>()?;
        Ok(Teaching { problem, controls, optimizers, studies: 0 })
    }

    /// Updates made.
    pub fn studies(&self) -> u64 {
        self.studies
    }

    /// One update on some lessons, at the learning rate `rate`; how far off the controls were before it.
    pub fn study(&mut self, lessons: &[Lesson], rate: f64) -> Result<Distance> {
        let mut distance = Distance::default();
        let mut losses: Option<Var> = None;
        for lesson in lessons {
            let weight = 0.5 * lesson.row.sigma * lesson.row.sigma / lessons.len() as f64;
            let aggregator = &self.problem.aggregator;
            let object = aggregator.aggregate(&lesson.states)?.detach();
            let outlook = aggregator.aggregate(&lesson.clean)?.detach();
            for (i, control) in self.controls.iter().enumerate() {
                let (state, pull, clean) = (&lesson.states[i], &lesson.pulls[i], &lesson.clean[i]);
                let (aggregate, outlook) = (&aggregator.in_view(i, &object)?, &aggregator.in_view(i, &outlook)?);
                let action =
                    control.recall(&See { state, aggregate, pull, clean, outlook, row: &lesson.row, step: 0 })?;
                let answer = &lesson.answers[i];
                let apart = |x: &Var| -> Result<Var> { Ok(x.square()?.sum_per_sample()?.mean()?.scale(weight)?) };
                let loss = apart(&action.sub(answer)?)?;
                distance.controlled += loss.value().item()?;
                distance.free += apart(answer)?.value().item()?;
                losses = Some(match losses {
                    None => loss,
                    Some(sum) => sum.add(&loss)?,
                });
            }
        }
        let losses = losses.ok_or_else(|| Error::argument("there is nothing to learn from no lessons"))?;
        let vars: Vec<Vec<Var>> = self.optimizers.iter().map(Optimizer::vars).collect();
        let wrt: Vec<&Var> = vars.iter().flatten().collect();
        let mut gradients = grad(&losses, &wrt, Grad::default())?.into_vars().into_iter();
        for (optimizer, vars) in self.optimizers.iter_mut().zip(&vars) {
            let own: Vec<Option<Var>> = gradients.by_ref().take(vars.len()).collect();
            optimizer.step(&own, rate)?;
        }
        self.studies += 1;
        Ok(distance)
    }

    /// Adds everything that is needed to go on with the same bits.
    pub fn add_to(&self, state: &mut State) {
        for (i, control) in self.controls.iter().enumerate() {
            state.add_module(&format!("controls.{i}."), control);
        }
        self.optimizers.iter().for_each(|optimizer| optimizer.add_to(state));
        state.metadata.insert(STUDIES.into(), self.studies.to_string());
    }

    /// Whether a saved state is of teaching, and not of what comes after it.
    pub fn is_in(state: &SavedState) -> bool {
        state.number::<u64>(STUDIES).is_ok()
    }

    /// Goes on from what [`Teaching::add_to`] saved of one made with the same arguments.
    pub fn restore(&mut self, state: &SavedState) -> Result<()> {
        let studies = state.number(STUDIES)?;
        for (i, control) in self.controls.iter().enumerate() {
            state.restore_module(&format!("controls.{i}."), control)?;
        }
        for optimizer in &mut self.optimizers {
            optimizer.restore(state)?;
        }
        self.studies = studies;
        Ok(())
    }
}

const STUDIES: &str = "cmad.studies";
