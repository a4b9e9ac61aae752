//! The discrete schedules of DDPM and DDIM, as in `diffusers`.
//!
//! Between training steps ln alpha_bar is interpolated linearly, from ln alpha_bar(-1) = 0 on: the continuous process whose
//! beta is constant within a step and which agrees with the chain at every integer time.

use crate::error::{Error, Result};
use crate::process::Level;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How beta_i runs over the training steps; the names in files are those of `diffusers`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "beta_schedule", rename_all = "snake_case")]
pub enum Betas {
    /// beta_i evenly from start to end (Ho et al. 2020: 1e-4 to 0.02).
    Linear {
        /// First.
        #[serde(rename = "beta_start")]
        start: f64,
        /// Last.
        #[serde(rename = "beta_end")]
        end: f64,
    },
    /// sqrt(beta_i) evenly (latent diffusion: 0.00085 to 0.012).
    ScaledLinear {
        /// First.
        #[serde(rename = "beta_start")]
        start: f64,
        /// Last.
        #[serde(rename = "beta_end")]
        end: f64,
    },
    /// alpha_bar(u) = cos^2((u + 0.008) / 1.008 pi / 2), beta at most 0.999 (Nichol and Dhariwal 2021).
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
}

/// A chain of noising steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Definition", into = "Definition")]
pub struct Discrete {
    definition: Definition,
    /// ln alpha_bar after each step.
    log_bars: Arc<[f64]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Definition {
    #[serde(flatten)]
    betas: Betas,
    #[serde(rename = "num_train_timesteps")]
    steps: usize,
}

/// The most training steps.
const MAX_STEPS: usize = 1 << 20;

impl Discrete {
    /// `steps` >= 2 training steps; every beta must lie in (0, 1).
    pub fn new(betas: Betas, steps: usize) -> Result<Discrete> {
        if !(2..=MAX_STEPS).contains(&steps) {
            return Err(Error::argument(format!(
                "a discrete process of {steps} steps; between 2 and {MAX_STEPS} are taken"
            )));
        }
        let mut log_bars = Vec::with_capacity(steps);
        let mut log_bar = 0.0;
        for i in 0..steps {
            let beta = betas.beta(i, steps);
            if !(beta > 0.0 && beta < 1.0) {
                return Err(Error::argument(format!("beta {beta} of step {i} must lie in (0, 1)")));
            }
            log_bar += (-beta).ln_1p();
            log_bars.push(log_bar);
        }
        Ok(Discrete { definition: Definition { betas, steps }, log_bars: log_bars.into() })
    }

    /// Number of training steps.
    pub fn steps(&self) -> usize {
        self.definition.steps
    }

    /// How beta runs.
    pub fn betas(&self) -> Betas {
        self.definition.betas
    }

    /// At any t in [0, steps - 1]; alpha = NaN elsewhere. The rates are those of the step that ends at or after `t`.
    pub(crate) fn level(&self, t: f64) -> Level {
        let to = t.ceil();
        if !(t >= 0.0 && to < self.steps() as f64) {
            return Level { t, alpha: f64::NAN, sigma: f64::NAN, alpha_rate: f64::NAN, sigma_rate: f64::NAN };
        }
        let index = to as usize;
        let before = index.checked_sub(1).map_or(0.0, |i| self.log_bars[i]);
        let rate = self.log_bars[index] - before;
        let log_bar = self.log_bars[index] - (to - t) * rate;
        Level::variance_preserving(t, log_bar / 2.0, rate / 2.0)
    }
}

impl Betas {
    fn beta(&self, i: usize, steps: usize) -> f64 {
        let evenly = |start: f64, end: f64| start + (end - start) * i as f64 / (steps - 1) as f64;
        match *self {
            Betas::Linear { start, end } => evenly(start, end),
            Betas::ScaledLinear { start, end } => evenly(start.sqrt(), end.sqrt()).powi(2),
            Betas::SquaredCosine => {
                let bar =
                    |i: usize| ((i as f64 / steps as f64 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
                (1.0 - bar(i + 1) / bar(i)).min(0.999)
            }
        }
    }
}

impl TryFrom<Definition> for Discrete {
    type Error = Error;
    fn try_from(definition: Definition) -> Result<Discrete> {
        Discrete::new(definition.betas, definition.steps)
    }
}

impl From<Discrete> for Definition {
    fn from(discrete: Discrete) -> Definition {
        discrete.definition
    }
}
