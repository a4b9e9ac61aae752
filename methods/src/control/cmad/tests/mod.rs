//! The method against closed forms and against itself.

mod aggregators;
mod cdps;
mod cubature;
mod estimators;
mod gradients;
mod learning;
mod linear_quadratic;
mod play;
mod recursion;
mod resume;
mod runs;
mod teaching;

use super::{Aggregator, Costs, Draws, Pull, Rollout};
use crate::analytic::{Gaussian, GaussianDenoiser};
use crate::denoiser::Denoiser;
use crate::grid::Grid;
use crate::process::Process;
use crate::testing::{device, numbers};
use autograd::{DType, Memory, Store, Var};
use std::sync::Arc;

/// Data of independent pixels.
fn gaussian(mean: &[f64], variance: f64) -> Arc<dyn Denoiser> {
    let data = Gaussian::diagonal(mean.to_vec(), vec![variance; mean.len()]).unwrap();
    Arc::new(GaussianDenoiser::new(Process::variance_preserving(), data))
}

/// One agent of one pixel that is the object.
fn alone() -> Aggregator {
    Aggregator::stripes(device(), 1, [1, 1]).unwrap()
}

/// `steps` updates on an even grid, all tapes kept.
fn run(steps: usize, dtype: DType, draws: impl Draws + 'static, batch: usize) -> Rollout {
    Rollout {
        grid: Grid::uniform(&Process::variance_preserving(), steps + 1).unwrap(),
        device: device().clone(),
        dtype,
        memory: Memory::StoreAll,
        store: Store::Memory,
        draws: Arc::new(draws),
        first: 0,
        batch,
        pull: Pull::Stopped,
        only: None,
        lean: false,
    }
}

fn mean(x: &Var) -> f64 {
    let all = numbers(x);
    all.iter().sum::<f64>() / all.len() as f64
}

/// Mean and variance of an object of one pixel.
fn law(costs: &Costs) -> [f64; 2] {
    let all = numbers(&costs.object);
    let m = mean(&costs.object);
    [m, all.iter().map(|x| (x - m).powi(2)).sum::<f64>() / all.len() as f64]
}
