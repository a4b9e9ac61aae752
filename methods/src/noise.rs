//! All randomness of the methods: a function of (seed, sample, step, purpose), and of the agent where there are several.
//!
//! Every use has its own [`Purpose`], listed here and nowhere else, so that no two uses share numbers. A sample is counted
//! from the start of the run, not of its batch: neither batch size nor threads nor recomputation change its numbers.
//! A stream's purpose is the use in its low byte and the agent in the next two; 2^31 and above are first weights of networks.

use crate::error::{Error, Result};
use tensor::ops::random::{Stream, words};
use tensor::{DType, Device, Tensor};

/// What numbers are drawn for. The values are part of what a seed means: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The noisy state a sampler starts from.
    Initial = 1,
    /// The noise of a sampler's step.
    Step = 2,
    /// Training: the times of a batch.
    TrainTime = 3,
    /// Training: the noise added to a batch.
    TrainNoise = 4,
    /// Training: times moved inside a grid.
    Grid = 5,
    /// The order in which an epoch visits its data.
    Shuffle = 6,
    /// Random changes to the data.
    Augment = 7,
    /// Samples drawn again from a sample.
    Bootstrap = 8,
}

/// One agent's source of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The user's seed.
    pub seed: u64,
    /// The agent; 0 where there is one.
    pub agent: u16,
}

impl Noise {
    /// The source of a single agent.
    pub fn new(seed: u64) -> Noise {
        Noise { seed, agent: 0 }
    }

    /// The same seed for agent `agent`.
    pub fn agent(self, agent: u16) -> Noise {
        Noise { agent, ..self }
    }

    /// The stream of one use at one step (steps are counted modulo 2^32).
    pub fn stream(&self, purpose: Purpose, step: usize) -> Stream {
        Stream { seed: self.seed, purpose: u32::from(self.agent) << 8 | purpose as u32, step: step as u32 }
    }

    /// Standard normal numbers `[n, ..]`; row 0 is sample `first`.
    pub fn normal(&self, purpose: Purpose, step: usize, place: &Place, first: u64) -> Result<Tensor> {
        Ok(Tensor::normal(place.device, place.dtype, place.shape, &self.stream(purpose, step), first)?)
    }

    /// One uniform number in (0, 1) for a sample, to 2^-53.
    pub fn uniform(&self, purpose: Purpose, step: usize, sample: u64) -> Result<f64> {
        let sample =
            u32::try_from(sample).map_err(|_| Error::argument(format!("sample {sample}: at most 2^32 are counted")))?;
        let [high, low, ..] = words(&self.stream(purpose, step), sample, 0);
        let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
        Ok((bits as f64 + 0.5) / (1u64 << 53) as f64)
    }
}

/// Where and in which form numbers are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The device.
    pub device: &'a Device,
    /// f32 or f64; f64 holds the same numbers, widened.
    pub dtype: DType,
    /// `[n, ..]`.
    pub shape: &'a [usize],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_steps_samples_and_agents_share_no_numbers() {
        let noise = Noise::new(7);
        let mut drawn = vec![noise.uniform(Purpose::Step, 3, 5).unwrap()];
        drawn.push(noise.uniform(Purpose::Initial, 3, 5).unwrap());
        drawn.push(noise.uniform(Purpose::Step, 4, 5).unwrap());
        drawn.push(noise.uniform(Purpose::Step, 3, 6).unwrap());
        drawn.push(noise.agent(1).uniform(Purpose::Step, 3, 5).unwrap());
        drawn.push(Noise::new(8).uniform(Purpose::Step, 3, 5).unwrap());
        for (i, a) in drawn.iter().enumerate() {
            assert!(*a > 0.0 && *a < 1.0 && !drawn[..i].contains(a), "{drawn:?}");
        }
        assert!(noise.uniform(Purpose::Step, 0, 1 << 32).unwrap_err().is_usage());
    }
}
