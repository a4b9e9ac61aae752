//! Diffusion, and every algorithm on it. Knows nothing of files or terminals.
//!
//! A [`Process`] is the noising, x_t = alpha(t) x_0 + sigma(t) noise. Randomness is a function of (seed, sample, step, purpose): see
//! [`noise`].

pub mod discrete;
pub mod error;
pub mod grid;
pub mod noise;
pub mod process;

pub use discrete::{Betas, Discrete};
pub use error::{Error, Kind, Result};
pub use grid::{Grid, Spacing};
pub use noise::{Noise, Place, Purpose};
pub use process::{Flow, Level, Process};
