//! Diffusion, and every algorithm on it. Knows nothing of files or terminals.
//!
//! The nouns: a [`Process`] is the noising, x_t = alpha(t) x_0 + sigma(t) noise. A [`Denoiser`] gives the clean estimate of a
//! noisy state, convertible to noise, score and velocity. A [`Grid`] is the times at which a sampler evaluates it, a
//! [`Sampler`] the rule that turns a grid into a [`Table`] of coefficients, and [`sample`] runs a table. Randomness is a
//! function of (seed, sample, step, purpose): see [`noise`].

pub mod analytic;
pub mod control;
pub mod cost;
pub mod denoiser;
pub mod discrete;
pub mod error;
pub mod grid;
pub mod metrics;
pub mod network;
pub mod noise;
mod per_sample;
pub mod prediction;
pub mod process;
mod quantile;
pub mod sampler;
pub mod score_matching;
pub mod table;
#[cfg(test)]
mod testing;

pub use analytic::{Gaussian, GaussianDenoiser, MixtureDenoiser};
pub use denoiser::{Condition, Denoiser, Estimate, Tabulated};
pub use discrete::{Betas, Discrete};
pub use error::{Error, Kind, Result};
pub use grid::{Grid, Spacing};
pub use network::{NetworkDenoiser, RowTimes, Training};
pub use noise::{Noise, Place, Purpose};
pub use prediction::{Prediction, Scaling};
pub use process::{Flow, Level, Process};
pub use sampler::{Churn, Draw, Moment, Order, Sampler, sample};
pub use score_matching::{Noised, Part, ScoreMatching, Times, Weight};
pub use table::{Correction, Row, Step, Table};
