//! Who draws, who steers, and what is asked of the object.

use super::aggregator::Aggregator;
use super::control::Control;
use crate::cost::Cost;
use crate::denoiser::Denoiser;
use crate::error::{Error, Result};
use crate::table::Row;
use autograd::Var;
use nn::Module;
use std::sync::Arc;

/// Agents, their object, and what is asked of it.
#[derive(Clone)]
pub struct Problem {
    /// One pretrained model an agent, frozen. Agents that share one (the same `Arc`) are evaluated in one batch.
    pub agents: Vec<Arc<dyn Denoiser>>,
    /// How the object is put together.
    pub aggregator: Aggregator,
    /// Psi.
    pub cost: Arc<dyn Cost>,
    /// lambda_i on the energy of one sample, an agent each; see [`Weights`](super::Weights).
    pub energy_weights: Vec<f64>,
    /// The running cost.
    pub running: Running,
    /// Shape `[c, h, w]` of the object.
    pub object: [usize; 3],
}

/// c = weight alpha_t Psi(Yhat_0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Running {
    /// alpha_t = 1, as in the paper's experiments.
    Constant(f64),
    /// alpha_t = alpha(t)^2: less where the estimate says little.
    Signal(f64),
}

/// Who steers.
#[derive(Clone)]
pub enum Steering {
    /// Nobody: the agents as they were trained.
    None,
    /// One control an agent.
    Controls(Vec<Arc<dyn Control>>),
    /// u^i = -scale g grad_{x^i} Psi(Yhat_0), through the score networks: eq. 6 with the sign that descends. Scale 1 is the
    /// posterior of likelihood exp(-Psi) as far as Psi(Yhat_0) stands for -log E[exp(-Psi) | x].
    Cdps {
        /// alpha of eq. 6, at least 0.
        scale: f64,
    },
}

impl Problem {
    /// Number of agents.
    pub fn count(&self) -> usize {
        self.agents.len()
    }

    /// What is learned, as leaves: the trainable parameters of the controls and of the aggregator.
    pub fn leaves(&self, steering: &Steering) -> Vec<Var> {
        let own = match steering {
            Steering::Controls(controls) => controls.iter().flat_map(|control| control.trainable()).collect(),
            _ => vec![],
        };
        own.into_iter().chain(self.aggregator.trainable()).map(|(_, param)| param.var()).collect()
    }

    /// Whether everything fits together.
    pub(super) fn check(&self, steering: &Steering) -> Result<()> {
        let agents = self.count();
        let controls = if let Steering::Controls(all) = steering { all.len() } else { agents };
        let (weights, aggregated) = (self.energy_weights.len(), self.aggregator.agents());
        if agents == 0 || [controls, weights, aggregated] != [agents; 3] {
            return Err(Error::argument(format!(
                "{agents} agents with {controls} controls, {weights} energy weights and an aggregator of {aggregated}: all must be as many, and at least 1"
            )));
        }
        if self.agents.iter().any(|agent| agent.process() != self.agents[0].process()) {
            return Err(Error::argument(
                "agents must share one noising process, and these were trained on different ones",
            ));
        }
        self.aggregator.check(self.object)
    }

    /// J from its parts, per sample.
    pub(super) fn objective(&self, energies: &[Var], running: &Var, terminal: &Var) -> Result<Var> {
        let costs = terminal.add(running)?;
        let weighted = |sum: Var, (energy, &weight): (&Var, &f64)| Ok(Var::combine(&[(1.0, &sum), (weight, energy)])?);
        energies.iter().zip(&self.energy_weights).try_fold(costs, weighted)
    }
}

impl Running {
    /// The factor of Psi(Yhat_0) at the time of `row`.
    pub fn weight(&self, row: &Row) -> f64 {
        match *self {
            Running::Constant(weight) => weight,
            Running::Signal(weight) => weight * row.alpha * row.alpha,
        }
    }
}
