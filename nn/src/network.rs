//! What a diffusion model is to the methods that run it.

use crate::error::{Error, Result};
use crate::module::Module;
use autograd::{Tensor, Var};

/// A network that takes a noisy sample and a time, and answers something of the sample's height and width.
pub trait Network: Module + Send + Sync {
    /// `sample [n, ..]` and `timestep` `[n]`, or `[1]` for all samples: times as they are, of any dtype, not scaled here.
    fn forward(&self, sample: &Var, timestep: &Tensor) -> Result<Var>;
}

/// An error unless there is one time, or one for each sample.
pub(crate) fn check_times(sample: &Var, timestep: &Tensor) -> Result<()> {
    let samples = sample.shape().first().copied().unwrap_or(1);
    if timestep.count() == 1 || timestep.shape() == [samples] {
        return Ok(());
    }
    let shape = timestep.shape();
    Err(Error::argument(format!("timesteps {shape:?} for {samples} samples: give one for each, or one for all")))
}
