//! How the gradient of J by what is learned is found from a run's trajectories. All three add up, over steps,
//!
//!   (du/dphi)' (2 lambda u + g a) dt
//!
//! and differ in the costate a, what J loses per unit of the state's change:
//!
//! - [`Estimator::Bptt`]: the derivative of the loop as it was run, exact for its steps (Algorithm 3 of paper 000).
//! - [`Estimator::Adjoint`]: the costate of the equation that the loop stands for,
//!   -da/dt = (d(b + g u)/dx)' a + d(c + lambda |u|^2)/dx, integrated backwards along the path by Euler steps of its own,
//!   which stand at the far end of each interval. It differs from the first by O(dt).
//! - [`Estimator::Matching`]: adjoint matching (Domingo-Enrich et al. 2024). The lean costate leaves out what u itself does
//!   with the state, -da/dt = (db/dx)' a + dc/dx, and u is regressed on -(g / 2 lambda) a: the same optimum, where what was
//!   left out has mean zero, by other ways. The aggregator cannot be learned by it.

use super::problem::{Problem, Steering};
use super::rollout::{Costs, Rollout};
use crate::error::Result;
use crate::sampler::euler_maruyama;
use autograd::{Grad, Var, accumulate, grad, grad_all};
use serde::{Deserialize, Serialize};

/// How the gradient of J is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// Backpropagation through time.
    #[default]
    Bptt,
    /// The continuous adjoint.
    Adjoint,
    /// Adjoint matching.
    Matching,
}

impl Problem {
    /// A run's costs, and the estimated gradient of the mean of J by each of `wrt`.
    pub fn estimate(
        &self,
        steering: &Steering,
        run: &Rollout,
        estimator: Estimator,
        wrt: &[&Var],
    ) -> Result<(Costs, Vec<Option<Var>>)> {
        let lean = match estimator {
            Estimator::Adjoint => return self.adjoint(steering, run, wrt),
            Estimator::Matching => true,
            Estimator::Bptt => run.lean,
        };
        let costs = self.rollout(steering, &Rollout { lean, ..run.clone() })?;
        let gradients = grad(&costs.objective.mean()?, wrt, Grad::default())?.into_vars();
        Ok((costs, gradients))
    }

    /// By [`Estimator::Adjoint`]. The states along the path are kept, whatever `run.memory` says.
    fn adjoint(&self, steering: &Steering, run: &Rollout, wrt: &[&Var]) -> Result<(Costs, Vec<Option<Var>>)> {
        let table = self.table(steering, run)?;
        let (process, steps) = (self.agents[0].process(), table.rows().len() - 1);
        let mut path = vec![self.start(run, &table)?];
        for (k, row) in table.rows()[..steps].iter().enumerate() {
            path.push(detached(&self.step(steering, run, row, k, &path[k], &mut |_| Ok(()))?));
        }
        let end = leaves(&path[steps]);
        let costs = self.finish(&end, &table)?;
        let all: Vec<&Var> = end.iter().chain(wrt.iter().copied()).collect();
        let mut costate = grad(&costs.objective.mean()?, &all, Grad::default())?.into_vars();
        let mut sums = costate.split_off(end.len());
        for (k, row) in table.rows()[..steps].iter().enumerate().rev() {
            let far = euler_maruyama::row(process, &process.level(table.rows()[k + 1].t)?, row.dt)?;
            let state = leaves(&path[k + 1]);
            let next = self.step(steering, run, &far, k + 1, &state, &mut |_| Ok(()))?;
            let results: Vec<(&Var, Var)> = next.iter().zip(costate).filter_map(|(y, a)| Some((y, a?))).collect();
            let all: Vec<&Var> = state.iter().chain(wrt.iter().copied()).collect();
            costate = grad_all(&results, &all, Grad::default())?.into_vars();
            for (sum, share) in sums.iter_mut().zip(costate.drain(state.len()..)) {
                *sum = accumulate(sum.take(), share)?;
            }
        }
        Ok((costs, sums))
    }
}

fn leaves(state: &[Var]) -> Vec<Var> {
    state.iter().map(|x| Var::leaf(x.value().clone())).collect()
}

fn detached(state: &[Var]) -> Vec<Var> {
    state.iter().map(Var::detach).collect()
}
