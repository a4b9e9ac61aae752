//! Controls that learn (Algorithm 1 of paper 000): backpropagation through rollouts, and one optimiser a player.

use super::control::Control;
use super::estimator::Estimator;
use super::problem::{Problem, Steering};
use super::rollout::{Costs, Rollout};
use super::scheme::{Order, Response, Scheme};
use crate::error::{Error, Result};
use autograd::{Grad, Tensor, Var, accumulate, grad};
use nn::{Adam, Module, Optimizer, Param, SavedState, State};
use std::sync::Arc;

/// Controls while they learn. Every agent's control has an optimiser of its own, so that each is clipped by itself, and
/// the aggregator has one if it learns.
pub struct Training {
    problem: Problem,
    controls: Vec<Arc<dyn Control>>,
    scheme: Scheme,
    estimator: Estimator,
    balance: f64,
    /// Of the agents, then of the aggregator.
    optimizers: Vec<Optimizer>,
    updates: u64,
    jacobi: Jacobi,
}

/// What Jacobi play keeps from the other players' eyes.
#[derive(Default)]
struct Jacobi {
    /// The moving player's parameters before its turn.
    shown: Vec<(Param, Tensor)>,
    /// What those who moved in this round have learned.
    learned: Vec<(Param, Tensor)>,
}

/// Step sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// eta, of the controls.
    pub control: f64,
    /// eta_theta, of the aggregator.
    pub aggregator: f64,
}

/// What an update saw, averaged over its batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// J.
    pub objective: f64,
    /// Psi at the end.
    pub terminal: f64,
    /// int c dt.
    pub running: f64,
    /// int |u^i|^2 dt of each agent.
    pub energies: Vec<f64>,
    /// The largest norm of a player's gradient before clipping.
    pub gradient_norm: f64,
}

impl Training {
    /// A start. Each agent's control must be its own. `max_norm` clips the gradient of each.
    pub fn new(
        problem: Problem,
        controls: Vec<Arc<dyn Control>>,
        scheme: Scheme,
        adam: Adam,
        max_norm: Option<f64>,
    ) -> Result<Training> {
        problem.check(&Steering::Controls(controls.clone()))?;
        if matches!(scheme, Scheme::ControlWise { inner: 0, .. }) {
            return Err(Error::argument("control-wise play needs at least one update in a turn"));
        }
        if (1..controls.len()).any(|i| controls[..i].iter().any(|other| Arc::ptr_eq(other, &controls[i]))) {
            return Err(Error::argument("two agents share one control; give each agent its own"));
        }
        let optimizer = |name: String, learned: Vec<(String, Param)>| -> Result<Optimizer> {
            let optimizer = Optimizer::new(learned, adam)?.named(&name);
            Ok(if let Some(max_norm) = max_norm { optimizer.clip(max_norm) } else { optimizer })
        };
        let named = |i: usize, control: &Arc<dyn Control>| optimizer(format!("optimizers.{i}"), control.trainable());
        let mut optimizers = controls.iter().enumerate().map(|(i, c)| named(i, c)).collect::<Result<Vec<_>>>()?;
        let theta = problem.aggregator.trainable();
        if !theta.is_empty() {
            optimizers.push(optimizer("optimizers.aggregator".into(), theta)?);
        }
        let (estimator, jacobi) = (Estimator::default(), Jacobi::default());
        Ok(Training { problem, controls, scheme, estimator, balance: 0.0, optimizers, updates: 0, jacobi })
    }

    /// The same with `weight` times the imbalance of learned masks added to J.
    pub fn balanced(self, weight: f64) -> Training {
        Training { balance: weight, ..self }
    }

    /// The same with gradients found in another way. An error if that leaves something without any.
    pub fn estimated_by(self, estimator: Estimator) -> Result<Training> {
        if estimator == Estimator::Matching && !self.problem.aggregator.trainable().is_empty() {
            return Err(Error::argument(
                "adjoint matching has no gradient for the aggregator; fix its masks, or take another estimator",
            ));
        }
        Ok(Training { estimator, ..self })
    }

    /// The agents, their object and its cost.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The controls as they steer now.
    pub fn steering(&self) -> Steering {
        Steering::Controls(self.controls.clone())
    }

    /// Who is optimised when.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// One update on the samples of `run`, whose `only` is set here.
    pub fn update(&mut self, run: &Rollout, rates: Rates) -> Result<Report> {
        let agents = self.problem.count();
        let player = self.scheme.player(self.updates, agents);
        let (turn, best, jacobi) = match self.scheme {
            Scheme::Joint => (1, false, false),
            Scheme::ControlWise { inner, response, order } => {
                (inner as u64, response == Response::Best, order == Order::Jacobi)
            }
        };
        // The aggregator moves with every player (line 10).
        let moving = |i: usize| i >= agents || player.is_none_or(|player| player == i);
        let moving: Vec<usize> = (0..self.optimizers.len()).filter(|&i| moving(i)).collect();
        self.thaw(&moving);
        if let Some(player) = player.filter(|_| jacobi && self.updates.is_multiple_of(turn)) {
            self.jacobi.begin_turn(&self.optimizers[player])?;
        }
        let run = Rollout { only: player.filter(|_| best), ..run.clone() };
        let (costs, gradient_norm) = self.descend(&run, &moving, rates)?;
        self.updates += 1;
        if jacobi && self.updates.is_multiple_of(turn) {
            self.jacobi.end_turn(self.updates.is_multiple_of(self.scheme.round(agents)))?;
        }
        Report::of(&costs, gradient_norm)
    }

    /// Only what moves has derivatives.
    fn thaw(&self, moving: &[usize]) {
        for (i, optimizer) in self.optimizers.iter().enumerate() {
            optimizer.params().for_each(|param| param.set_trainable(moving.contains(&i)));
        }
    }

    fn descend(&mut self, run: &Rollout, moving: &[usize], rates: Rates) -> Result<(Costs, f64)> {
        let vars: Vec<Vec<Var>> = moving.iter().map(|&i| self.optimizers[i].vars()).collect();
        let wrt: Vec<&Var> = vars.iter().flatten().collect();
        let (costs, mut gradients) = self.problem.estimate(&self.steering(), run, self.estimator, &wrt)?;
        if let Some(imbalance) = self.problem.aggregator.imbalance()?.filter(|_| self.balance != 0.0) {
            let balance = grad(&imbalance.scale(self.balance)?, &wrt, Grad::default())?.into_vars();
            for (gradient, more) in gradients.iter_mut().zip(balance) {
                *gradient = accumulate(gradient.take(), more)?;
            }
        }
        let mut gradients = gradients.into_iter();
        let mut largest = 0.0f64;
        for (&i, vars) in moving.iter().zip(&vars) {
            let own: Vec<Option<Var>> = gradients.by_ref().take(vars.len()).collect();
            let rate = if i < self.problem.count() { rates.control } else { rates.aggregator };
            largest = largest.max(self.optimizers[i].step(&own, rate)?);
        }
        Ok((costs, largest))
    }

    /// Adds everything that is needed to go on with the same bits: parameters, moments, counters. An error in the middle of
    /// a Jacobi round, in which players have two sets of parameters.
    pub fn add_to(&self, state: &mut State) -> Result<()> {
        let round = self.scheme.round(self.problem.count());
        if !(self.jacobi.shown.is_empty() && self.jacobi.learned.is_empty()) {
            return Err(Error::argument(format!(
                "Jacobi play can be saved at the ends of its rounds of {round} updates, not after {}",
                self.updates
            )));
        }
        for (i, control) in self.controls.iter().enumerate() {
            state.add_module(&format!("controls.{i}."), control);
        }
        state.add_module("aggregator.", &self.problem.aggregator);
        self.optimizers.iter().for_each(|optimizer| optimizer.add_to(state));
        state.metadata.insert(UPDATES.into(), self.updates.to_string());
        Ok(())
    }

    /// Goes on from what [`Training::add_to`] saved of a training made with the same arguments.
    pub fn restore(&mut self, state: &SavedState) -> Result<()> {
        let updates = state.number(UPDATES)?;
        for (i, control) in self.controls.iter().enumerate() {
            state.restore_module(&format!("controls.{i}."), control)?;
        }
        state.restore_module("aggregator.", &self.problem.aggregator)?;
        for optimizer in &mut self.optimizers {
            optimizer.restore(state)?;
        }
        (self.updates, self.jacobi) = (updates, Jacobi::default());
        Ok(())
    }
}

const UPDATES: &str = "cmad.updates";

impl Jacobi {
    fn begin_turn(&mut self, player: &Optimizer) -> Result<()> {
        let copy = |param: &Param| Ok((param.clone(), param.value().copy()?));
        self.shown = player.params().map(copy).collect::<Result<_>>()?;
        Ok(())
    }

    /// Puts what was learned aside and shows the others what the player was; at the end of the round, everything learned.
    fn end_turn(&mut self, round_is_over: bool) -> Result<()> {
        for (param, before) in std::mem::take(&mut self.shown) {
            self.learned.push((param.clone(), param.value()));
            param.set(before)?;
        }
        if round_is_over {
            std::mem::take(&mut self.learned).into_iter().try_for_each(|(param, value)| param.set(value))?;
        }
        Ok(())
    }
}

impl Report {
    fn of(costs: &Costs, gradient_norm: f64) -> Result<Report> {
        let mean = |x: &Var| -> Result<f64> { Ok(x.detach().mean()?.value().item()?) };
        let energies = costs.energies.iter().map(mean).collect::<Result<_>>()?;
        let (objective, terminal) = (mean(&costs.objective)?, mean(&costs.terminal)?);
        Ok(Report { objective, terminal, running: mean(&costs.running)?, energies, gradient_norm })
    }
}
