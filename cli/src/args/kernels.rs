//! `consort kernels`: every family of kernels, to read, to check, to time.

use super::{Machine, Out, Output};
use clap::{Args, Subcommand, ValueEnum};

/// `consort kernels`.
#[derive(Args, Clone, Debug)]
pub struct Kernels {
    /// What to do with them
    #[command(subcommand)]
    pub action: KernelsAction,
}

/// What can be done with kernels.
#[derive(Clone, Debug, Subcommand)]
pub enum KernelsAction {
    /// Families, their versions with the idea of each, and where to read them
    List(KernelsList),
    /// Every version beside the reference in f64, at small sizes
    #[command(disable_version_flag = true)]
    Verify(KernelsVerify),
    /// Checked, then timed, beside the roofs measured in the same run: a table and a roofline picture
    #[command(disable_version_flag = true)]
    Bench(KernelsBench),
}

/// `consort kernels list`.
#[derive(Args, Clone, Debug)]
pub struct KernelsList {
    /// Only this family, or those with this text in a case's name
    #[arg(long, value_name = "K")]
    pub kernel: Option<String>,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// `consort kernels verify`.
#[derive(Args, Clone, Debug)]
pub struct KernelsVerify {
    /// Which of them.
    #[command(flatten)]
    pub choice: KernelChoice,
    /// On what.
    #[command(flatten)]
    pub machine: Machine,
    /// How results are told.
    #[command(flatten)]
    pub output: Output,
}

/// `consort kernels bench`.
#[derive(Args, Clone, Debug)]
pub struct KernelsBench {
    /// Which of them.
    #[command(flatten)]
    pub choice: KernelChoice,
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

/// Which kernels.
#[derive(Args, Clone, Debug, Default)]
pub struct KernelChoice {
    /// Only this family, or the cases with this text in their names, such as `matmul f32`
    #[arg(long, value_name = "K")]
    pub kernel: Option<String>,
    /// Only this version of a GPU's kernels [default: every one that the device runs]
    #[arg(long, value_name = "V")]
    pub version: Option<KernelVersion>,
}

/// A version of a GPU's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KernelVersion {
    /// Plain
    V1,
    /// The tensor cores, or fewer passes over memory
    V2,
    /// Hopper's tensor cores
    V3,
}

impl KernelVersion {
    /// 1, 2, 3.
    pub fn number(self) -> u8 {
        match self {
            KernelVersion::V1 => 1,
            KernelVersion::V2 => 2,
            KernelVersion::V3 => 3,
        }
    }
}

impl Kernels {
    /// How its results are to be told.
    pub fn output(&self) -> &Output {
        match &self.action {
            KernelsAction::List(list) => &list.output,
            KernelsAction::Verify(verify) => &verify.output,
            KernelsAction::Bench(bench) => &bench.output,
        }
    }
}
