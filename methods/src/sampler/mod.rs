//! Rules that turn a grid of times into a [`Table`]. All of them end in the clean estimate at the last time.

mod ddim;
mod draw;
mod edm;
pub(crate) mod euler_maruyama;
mod probability_flow;
mod recorded;
#[cfg(test)]
mod tests;

pub use draw::{Draw, Moment, sample};
pub use edm::Churn;
pub use probability_flow::Order;

use crate::error::Result;
use crate::grid::Grid;
use crate::process::Process;
use crate::table::Table;
use serde::{Deserialize, Serialize};
use tensor::DType;

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sampler {
    /// The reverse SDE by Euler and Maruyama.
    EulerMaruyama,
    /// The probability-flow ODE.
    ProbabilityFlow {
        /// Euler or Heun.
        order: Order,
    },
    /// Song et al. 2021, "Denoising diffusion implicit models": 0 is deterministic, 1 the ancestral sampler of DDPM.
    Ddim {
        /// Scale of the fresh noise, in [0, 1].
        eta: f64,
    },
    /// Karras et al. 2022, algorithm 2.
    EdmHeun {
        /// How much fresh noise, and where.
        churn: Churn,
    },
}

impl Sampler {
    /// The coefficients of a run over `grid`.
    pub fn table(&self, process: &Process, grid: &Grid) -> Result<Table> {
        match *self {
            Sampler::EulerMaruyama => euler_maruyama::table(process, grid),
            Sampler::ProbabilityFlow { order } => probability_flow::table(process, grid, order),
            Sampler::Ddim { eta } => ddim::table(process, grid, eta),
            Sampler::EdmHeun { churn } => edm::table(process, grid, churn),
        }
    }

    /// The dtype its state is usually kept in: f64 for EDM, whose levels span five decades, f32 for the others.
    pub fn dtype(&self) -> DType {
        if matches!(self, Sampler::EdmHeun { .. }) { DType::F64 } else { DType::F32 }
    }
}
