//! `consort bench`: how fast kernels, networks and gradients through time are.

use super::{Estimator, Machine, Out, Output, range};
use crate::preset::Memory;
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
    /// Kernels and networks on the processor: time, GFLOP/s, percent of the roofs, and a peer's time beside them
    Cpu(BenchCpu),
    /// A gradient of controls by backpropagation through time: seconds, and memory as predicted and as measured
    Bptt(BenchBptt),
}

/// `consort bench cpu`.
#[derive(Args, Clone, Debug)]
pub struct BenchCpu {
    /// Only what has this text in its name, such as `conv` or `U-Net A`
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// A peer's times: lines of `name,ms`, as `bench/cpu.py --peer` writes them
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Measure even while other programs keep the processor busy
    #[arg(long)]
    pub busy: bool,
    /// Small sizes, each once: to see that it works
    #[arg(long)]
    pub rehearse: bool,
    /// Threads, 0 for one on each core
    #[arg(long, value_name = "T", default_value_t = 0, value_parser = range::threads)]
    pub threads: usize,
    /// Where the run goes.
    #[command(flatten)]
    pub out: Out,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// `consort bench bptt`.
#[derive(Args, Clone, Debug)]
pub struct BenchBptt {
    /// Agents that share one network of scores, each with a control of its own; `1,2,4` for several measurements
    #[arg(long, value_name = "N", default_value = "2", value_delimiter = ',', value_parser = range::agents)]
    pub agents: Vec<usize>,
    /// Points of time; the steps that are differentiated are one fewer. `25,50,100` for several measurements
    #[arg(long, value_name = "K", default_value = "100", value_delimiter = ',', value_parser = range::points)]
    pub points: Vec<usize>,
    /// Trajectories
    #[arg(long, value_name = "B", default_value_t = 8, value_parser = range::batch)]
    pub batch: usize,
    /// What a backward pass keeps: `store-all`, `states`, `revolve-20`, or a budget such as 256MiB for all that tensors ask
    /// for at one time; `store-all,states` for several measurements
    #[arg(long, value_name = "CHOICE", default_value = "states", value_delimiter = ',')]
    pub memory: Vec<Memory>,
    /// Keep the states among that in a file in this folder, which is gone at the end, and not in memory
    #[arg(long, value_name = "DIR")]
    pub states_in: Option<PathBuf>,
    /// How the gradient is found
    #[arg(long, value_enum, default_value_t = Estimator::Bptt)]
    pub estimator: Estimator,
    /// Gradients, each of its own trajectories: the time is the median, and from two on their spread is told
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = range::draws)]
    pub draws: u64,
    /// Small networks: to see that it works
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
        match &self.target {
            BenchTarget::Cuda(cuda) => &cuda.output,
            BenchTarget::Cpu(cpu) => &cpu.output,
            BenchTarget::Bptt(bptt) => &bptt.output,
        }
    }
}
