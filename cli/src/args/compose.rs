//! `consort compose`: several copies of one denoiser make one digit together.

use super::{Machine, Models, Out, Output, PresetChoice, range};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `consort compose`.
#[derive(Args, Clone, Debug)]
pub struct Compose {
    /// By which method.
    #[command(subcommand)]
    pub method: ComposeMethod,
}

/// By which method.
#[derive(Clone, Debug, Subcommand)]
pub enum ComposeMethod {
    /// Under trained controls (cooperative multi-agent diffusion)
    Cmad(Cmad),
    /// Under the gradient of the cost at the look-ahead, without training (cooperative posterior sampling)
    Cdps(Cdps),
}

impl ComposeMethod {
    /// What both methods take.
    pub fn composition(&self) -> &Composition {
        match self {
            ComposeMethod::Cmad(cmad) => &cmad.composition,
            ComposeMethod::Cdps(cdps) => &cdps.composition,
        }
    }
}

/// Who takes part.
#[derive(Args, Clone, Debug)]
pub struct Cast {
    /// The agents' denoiser: a shipped model by name, or a checkpoint's folder; given again, one for each agent [default:
    /// mnist-score]
    #[arg(long, value_name = "MODEL")]
    pub score: Vec<String>,
    /// The classifier whose gradient steers [default: mnist-guide]
    #[arg(long, value_name = "MODEL")]
    pub guide: Option<String>,
    /// The classifier that judges what came out [default: mnist-judge]
    #[arg(long, value_name = "MODEL")]
    pub judge: Option<String>,
    /// Where shipped models are.
    #[command(flatten)]
    pub models: Models,
}

/// Whose pixels are whose.
#[derive(Args, Clone, Debug, Default)]
pub struct Masks {
    /// A PNG of 28 x 28 that is white where an agent draws, given once for each agent [default: stripes of rows]
    #[arg(id = "mask", long = "mask", value_name = "FILE")]
    pub files: Vec<PathBuf>,
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
    /// Who takes part.
    #[command(flatten)]
    pub cast: Cast,
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

/// `consort compose cmad`.
#[derive(Args, Clone, Debug)]
pub struct Cmad {
    /// The trained controls: a shipped model by name, or the folder of a run or of its model [default: those shipped for
    /// this digit and number of agents]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// What both methods take.
    #[command(flatten)]
    pub composition: Composition,
}

/// `consort compose cdps`.
#[derive(Args, Clone, Debug)]
pub struct Cdps {
    /// The agents' denoiser, as by `--score`
    #[arg(long, value_name = "MODEL", conflicts_with = "score")]
    pub model: Option<String>,
    /// With which figures.
    #[command(flatten)]
    pub preset: PresetChoice,
    /// Whose pixels are whose.
    #[command(flatten)]
    pub masks: Masks,
    /// What both methods take.
    #[command(flatten)]
    pub composition: Composition,
}
