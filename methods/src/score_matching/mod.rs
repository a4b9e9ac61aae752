//! Denoising score matching (Vincent 2011; Song et al. 2021, eq. 7): a clean batch is noised at a random time for each
//! sample, and the clean estimate is held against what was noised,
//!
//!   loss_i = w(t_i) mean |x_0hat(alpha x_0 + sigma noise, t_i) - x_0|^2.
//!
//! Times and noise are functions of (seed, step, place in the batch), so a batch may be taken in parts.

use crate::error::{Error, Result};
use crate::noise::{Noise, Place, Purpose};
use crate::per_sample::per_sample;
use crate::prediction::Prediction;
use crate::process::{Level, Process};
use crate::quantile::normal_quantile;
use autograd::Var;
use serde::{Deserialize, Serialize};
use tensor::Tensor;

/// How a network learns to denoise.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreMatching {
    /// The noising.
    pub process: Process,
    /// Which times it sees.
    pub times: Times,
    /// What an error is worth at each of them.
    pub weight: Weight,
}

/// The distribution of training times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Times {
    /// Uniform over the process's range; for a discrete process, over its steps.
    Uniform {
        /// Whether sample i of a batch of n draws from the i-th of n equal parts: the same law over a batch in random order,
        /// with less variance.
        stratified: bool,
    },
    /// ln t normal (Karras et al. 2022: mean -1.2, deviation 1.2), within the process's range.
    LogNormal {
        /// Mean of ln t.
        mean: f64,
        /// Standard deviation of ln t.
        std: f64,
    },
}

/// w(t), the worth of a squared error of the clean estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// 1/out^2: every error of a network that makes this prediction counts alike. For `Noise` it is sigma^2 |score error|^2,
    /// the usual weight of denoising score matching.
    Prediction(Prediction),
    /// g^2/2 |score error|^2: the losses add up to a bound of the likelihood in nats (Song et al. 2021b).
    Likelihood,
}

/// A batch, or a part of it, at its times.
#[derive(Clone, Debug)]
pub struct Noised {
    /// The noisy states `[n, ..]`.
    pub x: Tensor,
    /// What they were made from.
    pub clean: Tensor,
    /// The time of each.
    pub times: Vec<f64>,
    /// The weight of each, `[n]`.
    pub weights: Tensor,
    /// Size of the whole batch.
    pub of: usize,
}

/// Which part of which batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The training step.
    pub step: usize,
    /// Place of the part's first sample in the batch.
    pub first: usize,
    /// Size of the batch.
    pub of: usize,
}

impl ScoreMatching {
    /// Noises `clean` `[n, ..]`, f32 or f64.
    pub fn noised(&self, clean: &Tensor, noise: &Noise, part: Part) -> Result<Noised> {
        let Some(&n) = clean.shape().first().filter(|&&n| part.first + n <= part.of && n > 0) else {
            let what = format!(
                "a batch of {} has no part of shape {:?} from sample {} on",
                part.of,
                clean.shape(),
                part.first
            );
            return Err(Error::argument(what));
        };
        let times = (part.first..part.first + n).map(|i| self.time(noise, part, i)).collect::<Result<Vec<_>>>()?;
        let levels = times.iter().map(|&t| self.process.level(t)).collect::<Result<Vec<_>>>()?;
        if let Some(level) = levels.iter().find(|level| !self.weight.at(level).is_finite()) {
            return Err(Error::argument(format!("the weight {:?} is not finite at t = {}", self.weight, level.t)));
        }
        let place = Place { device: clean.device(), dtype: clean.dtype(), shape: clean.shape() };
        let drawn = noise.normal(Purpose::TrainNoise, part.step, &place, part.first as u64)?;
        let signal = clean.mul(&per_sample(clean, &levels, |level| level.alpha)?)?;
        let x = signal.add(&drawn.mul(&per_sample(clean, &levels, |level| level.sigma)?)?)?;
        let weights = per_sample(clean, &levels, |level| self.weight.at(level))?.reshape(&[n])?;
        Ok(Noised { x, clean: clean.clone(), times, weights, of: part.of })
    }

    /// The time of sample `i` of the batch.
    fn time(&self, noise: &Noise, part: Part, i: usize) -> Result<f64> {
        let u = noise.uniform(Purpose::TrainTime, part.step, i as u64)?;
        let [low, high] = self.process.range();
        Ok(match self.times {
            Times::LogNormal { mean, std } => (mean + std * normal_quantile(u)).exp().clamp(low, high),
            Times::Uniform { stratified } => {
                let u = if stratified { (i as f64 + u) / part.of as f64 } else { u };
                match &self.process {
                    Process::Discrete(discrete) => (u * discrete.steps() as f64).floor().min(high),
                    _ => low + (high - low) * u,
                }
            }
        })
    }
}

impl Noised {
    /// The loss of each sample, `[n]`, from the clean estimates of `x` at `times`.
    pub fn losses(&self, estimate: &Var) -> Result<Var> {
        let error = estimate.sub(&Var::constant(self.clean.clone()))?;
        let elements = self.clean.count() / self.weights.count().max(1);
        let means = error.square()?.sum_per_sample()?.scale(1.0 / elements.max(1) as f64)?;
        Ok(means.mul(&Var::constant(self.weights.clone()))?)
    }

    /// This part's share of the batch's mean loss: the shares of all parts add up to it.
    pub fn loss(&self, estimate: &Var) -> Result<Var> {
        Ok(self.losses(estimate)?.sum()?.scale(1.0 / self.of as f64)?)
    }
}

impl Weight {
    /// w at `level`.
    pub fn at(&self, level: &Level) -> f64 {
        match self {
            Weight::Prediction(prediction) => prediction.scaling(level).out.powi(-2),
            Weight::Likelihood => 0.5 * level.diffusion_squared() * (level.alpha / level.sigma.powi(2)).powi(2),
        }
    }
}

#[cfg(test)]
mod tests;
