//! lambda in the conventions it goes by.

use crate::error::{Error, Result};
use std::fmt;

/// The weight of control energy.
///
/// Three names for one number: `per_sample`, on |u|^2 summed over pixels (this crate's); `paper`, on |u|^2 averaged over
/// pixels and agents (Algorithm 3, line 26, and the released code); `tilt` = 1 / (2 per_sample), because the optimal
/// law is proportional to the uncontrolled one times exp(-tilt Psi).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    per_sample: f64,
    pixels: usize,
    agents: usize,
}

impl Weights {
    /// From lambda on the energy of one sample, above 0; `pixels` of an agent's state, `agents` in all.
    pub fn new(per_sample: f64, pixels: usize, agents: usize) -> Result<Weights> {
        if !(per_sample > 0.0 && per_sample.is_finite()) || pixels * agents == 0 {
            return Err(Error::argument(format!(
                "a control's energy of weight {per_sample}, over {pixels} pixels and {agents} agents: all must be above 0"
            )));
        }
        Ok(Weights { per_sample, pixels, agents })
    }

    /// From a tilt, above 0.
    pub fn from_tilt(tilt: f64, pixels: usize, agents: usize) -> Result<Weights> {
        Weights::new(0.5 / tilt, pixels, agents)
    }

    /// From the paper's lambda, above 0.
    pub fn from_paper(lambda: f64, pixels: usize, agents: usize) -> Result<Weights> {
        Weights::new(lambda / (pixels * agents) as f64, pixels, agents)
    }

    /// lambda on the energy of one sample.
    pub fn per_sample(&self) -> f64 {
        self.per_sample
    }

    /// exp(-tilt Psi) is what the optimum multiplies the law with.
    pub fn tilt(&self) -> f64 {
        0.5 / self.per_sample
    }

    /// lambda in the paper's convention.
    pub fn paper(&self) -> f64 {
        self.per_sample * (self.pixels * self.agents) as f64
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Weights { per_sample, pixels, agents } = *self;
        let [paper, per_sample, tilt] = [self.paper(), per_sample, self.tilt()].map(|x| format!("{x:.4e}"));
        write!(
            f,
            "lambda {per_sample} on a sample's energy ({paper} on its mean over {pixels} pixels and {agents} agents), tilt {tilt}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_ten_is_a_steep_tilt() {
        let paper = |agents| Weights::from_paper(10.0, 784, agents).unwrap();
        assert!((paper(2).tilt() - 78.4).abs() < 1e-9 && (paper(3).tilt() - 117.6).abs() < 1e-9);
        let weights = Weights::from_tilt(10.0, 784, 2).unwrap();
        assert!((weights.paper() - 78.4).abs() < 1e-9 && (weights.tilt() - 10.0).abs() < 1e-12);
        assert_eq!(
            paper(2).to_string(),
            "lambda 6.3776e-3 on a sample's energy (1.0000e1 on its mean over 784 pixels and 2 agents), tilt 7.8400e1"
        );
        assert!(Weights::from_tilt(0.0, 784, 2).unwrap_err().is_usage());
    }
}
