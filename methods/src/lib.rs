//! Diffusion, and every algorithm on it. Knows nothing of files or terminals.
//!
//! A [`Process`] is the noising, x_t = alpha(t) x_0 + sigma(t) noise. Randomness is a function of (seed, sample, step, purpose): see
//! [`noise`].

pub mod analytic;
pub mod denoiser;
pub mod discrete;
pub mod error;
pub mod grid;
pub mod noise;
pub mod process;
#[cfg(test)]
mod testing;

pub use analytic::{Gaussian, GaussianDenoiser, MixtureDenoiser};
pub use denoiser::{Condition, Denoiser, Estimate};
pub use discrete::{Betas, Discrete};
pub use error::{Error, Kind, Result};
pub use grid::{Grid, Spacing};
pub use noise::{Noise, Place, Purpose};
pub use process::{Flow, Level, Process};
