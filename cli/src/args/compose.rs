//! `consort compose`: several copies of one denoiser make one digit together.

use super::{Machine, Models, Out, Output, PresetChoice, range};
use clap::{Args, Subcommand};

/// By which method.
#[derive(Clone, Debug, Subcommand)]
pub enum ComposeMethod {
    /// Under trained controls (cooperative multi-agent diffusion)
    Cmad(Cmad),
    /// Under the gradient of the cost at the look-ahead, without training (cooperative posterior sampling)
    Cdps(Cdps),
}

/// What both methods take.
#[derive(Args, Clone, Debug)]
pub struct Composition {
    /// The digit to make
    #[arg(long, value_name = "D", value_parser = range::target)]
    pub target: u8,
    /// Agents, each with a stripe of rows
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = range::agents)]
    pub agents: usize,
    /// How many samples
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = range::samples)]
    pub samples: usize,
    /// Steps of the sampler
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = range::steps)]
    pub steps: usize,
    /// Samples computed at a time; results do not depend on it
    #[arg(long, value_name = "B", default_value_t = 36, value_parser = range::batch)]
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
    /// Print the cost in FLOPs, bytes and time, and do nothing
    #[arg(long)]
    pub plan: bool,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// `consort compose cmad`.
#[derive(Args, Clone, Debug)]
pub struct Cmad {
    /// The trained controls: a shipped model by name, or a run's folder [default: those shipped for this digit and
    /// number of agents]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// What both methods take.
    #[command(flatten)]
    pub composition: Composition,
}

/// `consort compose cdps`.
#[derive(Args, Clone, Debug)]
pub struct Cdps {
    /// With which figures.
    #[command(flatten)]
    pub preset: PresetChoice,
    /// What both methods take.
    #[command(flatten)]
    pub composition: Composition,
}
