//! What is known at one step before anybody acts: clean estimates, their cost, and its gradients (Algorithm 3, lines 12-20).

use super::problem::{Problem, Steering};
use super::rollout::{Pull, Rollout};
use crate::denoiser::Condition;
use crate::error::{Error, Result};
use crate::table::Row;
use autograd::{Grad, Var, grad};
use std::sync::Arc;

/// The look-ahead of one step.
pub(super) struct LookAhead {
    /// Agents' clean estimates.
    pub(super) clean: Vec<Var>,
    /// Psi(Yhat_0) per sample, where the running cost asks for it.
    pub(super) cost: Option<Var>,
    /// The gradient of Psi(Yhat_0) that agent i is shown; none where nobody steers.
    pub(super) pulls: Vec<Var>,
}

impl Problem {
    /// At the states `x`, in step `k`.
    pub(super) fn look_ahead(
        &self,
        steering: &Steering,
        run: &Rollout,
        row: &Row,
        k: usize,
        x: &[Var],
    ) -> Result<LookAhead> {
        let priced = self.running.weight(row) != 0.0;
        match (steering, &run.pull) {
            (Steering::None, _) => {
                let clean = self.clean(x, row.t)?;
                let cost = priced.then(|| self.price(&clean)).transpose()?;
                Ok(LookAhead { clean, cost, pulls: vec![] })
            }
            (Steering::Cdps { .. }, _) => self.through_the_agents(x, row, priced),
            (Steering::Controls(_), Pull::Replayed(recorded)) => {
                let clean = self.clean(x, row.t)?;
                let cost = priced.then(|| self.price(&clean)).transpose()?;
                let pulls = recorded.get(k).filter(|pulls| pulls.len() == x.len()).ok_or_else(|| {
                    Error::argument(format!("no gradients were recorded for step {k} and {} agents", x.len()))
                })?;
                Ok(LookAhead { clean, cost, pulls: pulls.iter().cloned().map(Var::constant).collect() })
            }
            (Steering::Controls(_), pull) => self.informed(x, row, matches!(pull, Pull::Through), priced),
        }
    }

    /// `M_i' grad Psi(Yhat_0)`, the gradient by agent i's clean estimate. It is of the sum over the batch, so that a sample
    /// does not know its batch.
    fn informed(&self, x: &[Var], row: &Row, through: bool, priced: bool) -> Result<LookAhead> {
        let clean = self.clean(x, row.t)?;
        let object = self.aggregator.aggregate(&clean)?;
        let past = object.is_active();
        let object = if past { object } else { Var::leaf(object.value().clone()) };
        let (cost, pulls) = self.pulls(&object, through && past)?;
        // Stopped, nothing flows back through what a control is shown, not even to the aggregator's masks.
        let pulls = if through { pulls } else { pulls.iter().map(Var::detach).collect() };
        let cost = priced.then(|| if past { cost } else { cost.detach() });
        Ok(LookAhead { clean, cost, pulls })
    }

    /// What a control of each agent is shown at these clean estimates, no more than numbers.
    pub(super) fn shown(&self, clean: &[Var]) -> Result<Vec<Var>> {
        let object = Var::leaf(self.aggregator.aggregate(clean)?.value().clone());
        Ok(self.pulls(&object, false)?.1.iter().map(Var::detach).collect())
    }

    /// Psi of an object, and everybody's share of its gradient.
    fn pulls(&self, object: &Var, create_graph: bool) -> Result<(Var, Vec<Var>)> {
        let cost = self.cost.per_sample(object)?;
        let how = Grad { create_graph, retain: true, ..Grad::default() };
        let gradient = grad(&cost.sum()?, &[object], how)?.get(0)?.clone();
        Ok((cost, self.aggregator.shares(&gradient)?))
    }

    /// The gradient by agent i's noisy state, through all score networks.
    fn through_the_agents(&self, x: &[Var], row: &Row, priced: bool) -> Result<LookAhead> {
        let x: Vec<Var> = x.iter().map(|x| Var::leaf(x.value().clone())).collect();
        let clean = self.clean(&x, row.t)?;
        let cost = self.price(&clean)?;
        let gradients = grad(&cost.sum()?, &x.iter().collect::<Vec<_>>(), Grad::default())?;
        let pulls = (0..x.len()).map(|i| Ok(gradients.get(i)?.clone())).collect::<Result<_>>()?;
        let cost = priced.then(|| cost.detach());
        Ok(LookAhead { clean: clean.iter().map(Var::detach).collect(), cost, pulls })
    }

    /// Psi of the aggregate, per sample.
    fn price(&self, clean: &[Var]) -> Result<Var> {
        self.cost.per_sample(&self.aggregator.aggregate(clean)?)
    }

    /// Everybody's clean estimate at time `t`. Agents go through a model that they share in one batch; where some of them
    /// have derivatives and some have none, in two.
    pub(super) fn clean(&self, x: &[Var], t: f64) -> Result<Vec<Var>> {
        let mut clean: Vec<Option<Var>> = vec![None; x.len()];
        for i in 0..x.len() {
            if clean[i].is_some() {
                continue;
            }
            let alike = |j: &usize| {
                Arc::ptr_eq(&self.agents[*j], &self.agents[i])
                    && x[*j].shape() == x[i].shape()
                    && x[*j].is_active() == x[i].is_active()
            };
            let together: Vec<usize> = (i..x.len()).filter(alike).collect();
            let batch = match together[..] {
                [only] => x[only].clone(),
                _ => Var::concat(&together.iter().map(|&j| &x[j]).collect::<Vec<_>>(), 0)?,
            };
            let estimate = self.agents[i].denoise(&batch, t, &Condition::None)?;
            let n = x[i].shape()[0];
            for (place, &j) in together.iter().enumerate() {
                clean[j] = Some(estimate.narrow(0, place * n, n)?);
            }
        }
        Ok(clean.into_iter().flatten().collect())
    }
}
