//! `consort sample`, `evaluate` and `forward`: what one model does.

use super::{Machine, Models, Out, Output, range};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `consort sample`: samples of one model.
#[derive(Args, Clone, Debug)]
pub struct Sample {
    /// A shipped model by name, or a checkpoint's folder
    pub model: String,
    /// By which rule
    #[arg(long, value_enum, default_value_t = Rule::EulerMaruyama)]
    pub sampler: Rule,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = range::samples)]
    pub samples: usize,
    /// Steps of the sampler
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = range::steps)]
    pub steps: usize,
    /// Samples computed at a time; results do not depend on it
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = range::batch)]
    pub batch: usize,
    /// Where shipped models are.
    #[command(flatten)]
    pub models: Models,
    /// Where the run goes.
    #[command(flatten)]
    pub out: Out,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// Rehearse small parts, predict FLOPs, peak bytes and time, and make nothing
    #[arg(long)]
    pub plan: bool,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// `consort evaluate`: how far one model's samples are from the data, or how good a classifier is.
#[derive(Args, Clone, Debug)]
pub struct Evaluate {
    /// A shipped model by name, or a checkpoint's folder
    pub model: String,
    /// The classifier that judges
    #[arg(long, value_name = "MODEL", default_value = "mnist-judge")]
    pub judge: String,
    /// By which rule samples are drawn
    #[arg(long, value_enum, default_value_t = Rule::Heun)]
    pub sampler: Rule,
    /// How many samples are drawn
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = range::samples)]
    pub samples: usize,
    /// Steps of the sampler
    #[arg(long, value_name = "K", default_value_t = 40, value_parser = range::steps)]
    pub steps: usize,
    /// Samples computed at a time; results do not depend on it
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = range::batch)]
    pub batch: usize,
    /// The folder of the data set [default: $CONSORT_DATA/mnist, or data-cache/mnist]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where shipped models are.
    #[command(flatten)]
    pub models: Models,
    /// Where the run goes.
    #[command(flatten)]
    pub out: Out,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// Rehearse small parts, predict FLOPs, peak bytes and time, and make nothing
    #[arg(long)]
    pub plan: bool,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// Rules of sampling. All end in the clean estimate at the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// The reverse stochastic equation by Euler and Maruyama
    EulerMaruyama,
    /// The probability-flow equation by Euler
    Euler,
    /// The probability-flow equation by Heun, two evaluations a step
    Heun,
    /// Deterministic DDIM
    Ddim,
    /// Karras's Heun without churn, for models of the EDM process
    Edm,
}

/// `consort forward`: one pass of a network on tensors from a file.
#[derive(Args, Clone, Debug)]
pub struct Forward {
    /// A shipped model by name, or a checkpoint's folder
    pub model: String,
    /// A safetensors file with `sample` [n, ...] and, but for classifiers, `timestep` [n] or [1]
    #[arg(long, value_name = "IN.safetensors")]
    pub input: PathBuf,
    /// The safetensors file to write, with `out`
    #[arg(id = "result", long = "output", value_name = "OUT.safetensors")]
    pub result: PathBuf,
    /// Where shipped models are.
    #[command(flatten)]
    pub models: Models,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}
