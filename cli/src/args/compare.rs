//! `consort compare`: runs of `consort compose`, sample by sample.

use super::{Out, Output, range};
use clap::Args;
use std::path::PathBuf;

/// `consort compare`.
#[derive(Args, Clone, Debug)]
pub struct Compare {
    /// Folders of runs for one digit, with the same agents, seed and samples; others are compared with the first
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Price energy in every run's objective so that the optimum tilts by it, 1/(2 lambda) [default: each run's own]
    #[arg(long, value_name = "X", value_parser = range::tilt)]
    pub tilt: Option<f64>,
    /// Where the comparison goes.
    #[command(flatten)]
    pub out: Out,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}
