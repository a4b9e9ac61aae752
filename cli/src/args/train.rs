//! `consort train`.

use super::{Cast, Machine, Masks, Out, Output, PresetChoice, range};
use crate::preset::Memory;
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tensor::DType;

/// `consort train`.
#[derive(Args, Clone, Debug)]
pub struct Train {
    /// Which model.
    #[command(subcommand)]
    pub job: Job,
}

/// What can be trained.
#[derive(Clone, Debug, Subcommand)]
pub enum Job {
    /// A denoiser of handwritten digits, by denoising score matching
    MnistScore(TrainScore),
    /// The classifier that steers: hard to fool, and it knows what is not one digit
    MnistGuide(TrainClassifier),
    /// The classifier that judges: trained apart from the guide, with calibrated confidence
    MnistJudge(TrainClassifier),
    /// Controls under which several copies of one denoiser make one digit
    ///
    /// In two stages, whose lengths the preset has: they study works that CDPS makes (`teaching`), then they learn by
    /// backpropagation through runs of their own (`updates`, or `outer` and `inner` control-wise). Controls that begin `--from`
    /// others study nothing unless `--works` names a run.
    Cmad(TrainCmad),
}

impl Job {
    /// What every training takes.
    pub fn training(&self) -> &Training {
        match self {
            Job::MnistScore(score) => &score.training,
            Job::MnistGuide(classifier) | Job::MnistJudge(classifier) => &classifier.training,
            Job::Cmad(cmad) => &cmad.training,
        }
    }
}

/// What every training takes.
#[derive(Args, Clone, Debug)]
pub struct Training {
    /// Go on with an earlier run in its folder, bit for bit, as it was asked for then
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "preset", "set", "seed"])]
    pub resume: Option<PathBuf>,
    /// Where the run goes.
    #[command(flatten)]
    pub out: Out,
    /// With which figures.
    #[command(flatten)]
    pub preset: PresetChoice,
    /// In which form the weights of the finished model are written
    #[arg(long, value_enum, default_value_t = Export::F32)]
    pub export: Export,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// Rehearse small parts, predict FLOPs, peak bytes and time, and make nothing
    #[arg(long, conflicts_with = "resume")]
    pub plan: bool,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Export {
    /// As they are
    F32,
    /// Rounded to half the size
    Bf16,
}

impl Export {
    /// The type of the numbers.
    pub fn dtype(self) -> DType {
        match self {
            Export::F32 => DType::F32,
            Export::Bf16 => DType::BF16,
        }
    }
}

/// `consort train mnist-score`: a denoiser of digits.
#[derive(Args, Clone, Debug)]
pub struct TrainScore {
    /// Begin with the weights of a trained model of the same configuration, for more updates or others
    #[arg(long, value_name = "MODEL", conflicts_with = "resume")]
    pub from: Option<String>,
    /// The folder of the data set [default: $CONSORT_DATA/mnist, or data-cache/mnist]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What every training takes.
    #[command(flatten)]
    pub training: Training,
}

/// `consort train mnist-guide` and `mnist-judge`: the classifier that steers, and another that judges.
#[derive(Args, Clone, Debug)]
pub struct TrainClassifier {
    /// The folder of the data set [default: $CONSORT_DATA/mnist, or data-cache/mnist]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What every training takes.
    #[command(flatten)]
    pub training: Training,
}

/// `consort train cmad`: controls under which several copies of one denoiser make one digit.
#[derive(Args, Clone, Debug)]
pub struct TrainCmad {
    /// The digit to make
    #[arg(long, value_name = "D", value_parser = range::target, required_unless_present = "resume", conflicts_with = "resume")]
    pub target: Option<u8>,
    /// Agents, each with a stripe of rows
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = range::agents, conflicts_with = "resume")]
    pub agents: usize,
    /// Which controls an update changes
    #[arg(long, value_enum, default_value_t = Scheme::Joint, conflicts_with = "resume")]
    pub scheme: Scheme,
    /// How the gradient is found, in place of the preset's
    #[arg(long, value_enum, conflicts_with = "resume")]
    pub estimator: Option<Estimator>,
    /// Begin with trained controls of the same form, made for another digit or at another tilt
    #[arg(long, value_name = "MODEL", conflicts_with = "resume")]
    pub from: Option<String>,
    /// Study the digits of a run of `consort compose` before the first update, in place of the preset's `teaching.works`
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub works: Option<PathBuf>,
    /// What a backward pass keeps, in place of the preset's: `store-all`, `states`, `revolve-20`, or a budget such as 256MiB
    /// for all that tensors ask for at one time; controls have the same bits under each
    #[arg(long, value_name = "CHOICE")]
    pub memory: Option<Memory>,
    /// Keep the states among that in a file in this folder, which is gone at the end, and not in memory
    #[arg(long, value_name = "DIR")]
    pub states_in: Option<PathBuf>,
    /// Whose pixels are whose.
    #[command(flatten)]
    pub masks: Masks,
    /// Who takes part.
    #[command(flatten)]
    pub cast: Cast,
    /// What every training takes.
    #[command(flatten)]
    pub training: Training,
}

/// How the gradient of the objective is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Estimator {
    /// Backpropagation through the trajectories
    Bptt,
    /// The continuous adjoint equation, integrated backwards along them
    Adjoint,
    /// Adjoint matching: regression on the lean adjoint, which leaves out what controls do with the state
    Matching,
}

/// Which controls an update changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// All agents' at once
    Joint,
    /// One agent's for some updates, the others' parameters fixed; then the next's
    ControlWise,
}

impl From<Estimator> for methods::control::cmad::Estimator {
    fn from(estimator: Estimator) -> methods::control::cmad::Estimator {
        match estimator {
            Estimator::Bptt => methods::control::cmad::Estimator::Bptt,
            Estimator::Adjoint => methods::control::cmad::Estimator::Adjoint,
            Estimator::Matching => methods::control::cmad::Estimator::Matching,
        }
    }
}
