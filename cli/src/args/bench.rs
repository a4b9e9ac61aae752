//! `consort bench`: how fast kernels are.

use super::{Machine, Out, Output};
use clap::{Args, Subcommand};

/// `consort bench`: what is measured.
#[derive(Args, Clone, Debug)]
pub struct Bench {
    /// On what
    #[command(subcommand)]
    pub target: BenchTarget,
}

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchTarget {
    /// Kernels and networks on a GPU: time, TFLOP/s, GB/s, percent of the roofs
    Cuda(BenchCuda),
}

/// `consort bench cuda`.
#[derive(Args, Clone, Debug)]
pub struct BenchCuda {
    /// Only what has this text in its name, such as `matmul bf16` or `U-Net A`
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Also which kernels each spends its time in
    #[arg(long)]
    pub profile: bool,
    /// Small sizes, each once: to see that it works, on an emulated GPU say
    #[arg(long)]
    pub rehearse: bool,
    /// Where the run goes.
    #[command(flatten)]
    pub out: Out,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

impl Bench {
    /// How its results are to be told.
    pub fn output(&self) -> &Output {
        let BenchTarget::Cuda(cuda) = &self.target;
        &cuda.output
    }
}
