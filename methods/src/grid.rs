//! Times at which a sampler evaluates its denoiser: strictly descending, noise first.
//!
//! `K` points are `K` evaluations by a sampler of first order: `K - 1` updates and the clean estimate at the last point.

use crate::discrete::Discrete;
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose};
use crate::process::Process;
use serde::{Deserialize, Serialize};

/// Strictly descending times.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid(Vec<f64>);

/// Which of a discrete process's training steps are visited; as in `diffusers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// i * floor(steps / points) + offset.
    Leading {
        /// Added to every step; 1 for Stable Diffusion.
        offset: usize,
    },
    /// From the last step down by steps / points.
    Trailing,
    /// Evenly from the last step to step 0.
    Linspace,
}

/// The most points.
const MAX_POINTS: usize = 1 << 20;

impl Grid {
    /// Any times, strictly descending, at least one.
    pub fn new(times: Vec<f64>) -> Result<Grid> {
        let descending = times.windows(2).all(|pair| pair[0] > pair[1]);
        let finite = times.iter().all(|t| t.is_finite());
        if times.is_empty() || !descending || !finite {
            return Err(Error::argument("a grid needs at least one time, all finite and strictly descending"));
        }
        Ok(Grid(times))
    }

    /// Evenly over the process's range, both ends included.
    pub fn uniform(process: &Process, points: usize) -> Result<Grid> {
        Grid::power(process, points, 1.0)
    }

    /// Evenly in sqrt(t): finer towards clean.
    pub fn quadratic(process: &Process, points: usize) -> Result<Grid> {
        Grid::power(process, points, 2.0)
    }

    /// Evenly in t^(1/7), for noise levels as times (Karras et al. 2022).
    pub fn karras(process: &Process, points: usize) -> Result<Grid> {
        Grid::power(process, points, 7.0)
    }

    /// Evenly in t^(1/rho) over the process's range, both ends included; at least two points, rho > 0.
    pub fn power(process: &Process, points: usize, rho: f64) -> Result<Grid> {
        let [low, high] = process.range();
        if !((2..=MAX_POINTS).contains(&points) && rho > 0.0 && rho.is_finite()) {
            let what = format!(
                "a grid of {points} points with rho = {rho}: between 2 and {MAX_POINTS} points and rho > 0 are taken"
            );
            return Err(Error::argument(what));
        }
        let [from, to] = [high.powf(1.0 / rho), low.powf(1.0 / rho)];
        let at = |i: usize| (from + (to - from) * i as f64 / (points - 1) as f64).powf(rho);
        let mut times: Vec<f64> = (0..points).map(at).collect();
        // The ends exactly: a power of a root may miss them by an ulp, and t = 1 + ulp is outside the process.
        (times[0], times[points - 1]) = (high, low);
        Grid::new(times)
    }

    /// `points` of a discrete process's training steps.
    pub fn spaced(discrete: &Discrete, points: usize, spacing: Spacing) -> Result<Grid> {
        let steps = discrete.steps();
        if points == 0 || points > steps {
            return Err(Error::argument(format!(
                "a grid of {points} points over {steps} training steps; between 1 and {steps} are taken"
            )));
        }
        let at = |i: usize| match spacing {
            Spacing::Leading { offset } => ((points - 1 - i) * (steps / points) + offset) as f64,
            Spacing::Trailing => (steps as f64 - i as f64 * steps as f64 / points as f64).round_ties_even() - 1.0,
            Spacing::Linspace if points == 1 => 0.0,
            Spacing::Linspace => ((steps - 1) as f64 * (points - 1 - i) as f64 / (points - 1) as f64).round_ties_even(),
        };
        Grid::new((0..points).map(at).collect())
    }

    /// The same ends, each point between moved uniformly within half the way to its neighbours: for training on grids that
    /// are not always the same one. A function of (seed, agent, step).
    pub fn jittered(&self, noise: &Noise, step: usize) -> Result<Grid> {
        let mut times = self.0.clone();
        for (i, near) in self.0.windows(3).enumerate() {
            let [above, below] = [(near[0] + near[1]) / 2.0, (near[1] + near[2]) / 2.0];
            times[i + 1] = below + (above - below) * noise.uniform(Purpose::Grid, step, i as u64)?;
        }
        Grid::new(times)
    }

    /// The times.
    pub fn times(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discrete::Betas;

    #[test]
    fn grids_reach_both_ends_and_karras_is_that_of_the_paper() {
        let process = Process::variance_preserving();
        for rho in [1.0, 2.0, 3.7, 7.0] {
            let grid = Grid::power(&process, 25, rho).unwrap();
            assert_eq!((grid.times()[0], grid.times()[24], grid.times().len()), (1.0, 1e-3, 25));
        }
        // EDM's released sampler, 18 steps: the second noise level.
        let second = Grid::karras(&Process::edm(), 18).unwrap().times()[1];
        assert!((second - 57.586).abs() < 1e-3, "{second}");
    }

    #[test]
    fn spacings_are_those_of_diffusers() {
        let discrete = Discrete::new(Betas::Linear { start: 1e-4, end: 0.02 }, 1000).unwrap();
        let times = |points, spacing| Grid::spaced(&discrete, points, spacing).unwrap().times().to_vec();
        assert_eq!(times(4, Spacing::Leading { offset: 1 }), [751.0, 501.0, 251.0, 1.0]);
        assert_eq!(times(4, Spacing::Trailing), [999.0, 749.0, 499.0, 249.0]);
        assert_eq!(times(4, Spacing::Linspace), [999.0, 666.0, 333.0, 0.0]);
        assert_eq!(times(3, Spacing::Trailing), [999.0, 666.0, 332.0]);
    }

    #[test]
    fn jitter_moves_every_inner_point_and_keeps_the_order() {
        let grid = Grid::uniform(&Process::variance_preserving(), 25).unwrap();
        let moved = grid.jittered(&Noise::new(1), 3).unwrap();
        assert_eq!((moved.times()[0], moved.times()[24]), (1.0, 1e-3));
        assert!((1..24).all(|i| moved.times()[i] != grid.times()[i]));
        assert_ne!(moved, grid.jittered(&Noise::new(1), 4).unwrap());
    }

    #[test]
    fn grids_that_do_not_descend_are_refused() {
        for times in [vec![], vec![0.5, 0.5], vec![0.1, 0.2], vec![f64::NAN]] {
            assert!(Grid::new(times).unwrap_err().is_usage());
        }
    }
}
