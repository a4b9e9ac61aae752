//! What can be typed. One file per command; the parts that several share are here.
//!
//! Ranges are checked while parsing, by `range`, so that a command never sees a number it would have to refuse.

// The comments on arguments are what a terminal shows, not markup.
#![allow(rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]

mod bench;
mod compare;
mod compose;
mod data;
mod evaluate;
mod kernels;
mod range;
mod train;

pub use bench::{Bench, BenchBptt, BenchCpu, BenchCuda, BenchTarget};
pub use compare::Compare;
pub use compose::{Cast, Cdps, Cmad, Compose, ComposeMethod, Composition, Masks};
pub use data::{Data, DataSet};
pub use evaluate::{Evaluate, Forward, Rule, Sample};
pub use kernels::{KernelChoice, KernelVersion, Kernels, KernelsAction, KernelsBench, KernelsList, KernelsVerify};
pub use train::{Estimator, Export, Job, Scheme, Train, TrainClassifier, TrainCmad, TrainScore, Training};

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Pretrained diffusion models that work together: controlled, composed, coordinated.
#[derive(Clone, Debug, Parser)]
#[command(name = "consort", version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands there are.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// How fast kernels are
    Bench(Bench),
    /// What differs between runs of `compose`
    Compare(Compare),
    /// Let several copies of one model make one picture
    Compose(Compose),
    /// Get a data set
    Data(Data),
    /// How good a model is: a denoiser's samples beside the data, a classifier on the test set
    Evaluate(Evaluate),
    /// Run a network once, on tensors from a file
    Forward(Forward),
    /// Every kernel and each of its versions: read, check, time
    Kernels(Kernels),
    /// Draw samples of a model
    Sample(Sample),
    /// Train a model
    Train(Train),
}

impl Command {
    /// How its results are to be told.
    pub fn output(&self) -> &Output {
        match self {
            Command::Bench(bench) => bench.output(),
            Command::Compare(compare) => &compare.output,
            Command::Compose(compose) => &compose.method.composition().output,
            Command::Data(data) => data.output(),
            Command::Evaluate(evaluate) => &evaluate.output,
            Command::Forward(forward) => &forward.output,
            Command::Kernels(kernels) => kernels.output(),
            Command::Sample(sample) => &sample.output,
            Command::Train(train) => &train.job.training().output,
        }
    }
}

/// How results are told.
#[derive(Args, Clone, Debug, Default)]
pub struct Output {
    /// Print one JSON object as the last line of standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// Where a new run folder goes.
#[derive(Args, Clone, Debug, Default)]
pub struct Out {
    /// The folder to write, new or empty [default: runs/<command>-<time>]
    #[arg(id = "out", long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// What to compute on, and the seed.
#[derive(Args, Clone, Debug)]
pub struct Machine {
    /// What to compute on: `cpu`, `cuda:0` for a GPU, or `auto` for the best there is
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Let products of 32 bits round what they multiply to tf32, 10 bits of mantissa, on a GPU
    #[arg(long)]
    pub tf32: bool,
    /// Threads of the processor, 0 for one on each core; results do not depend on it
    #[arg(long, value_name = "T", default_value_t = 0, value_parser = range::threads)]
    pub threads: usize,
    /// Of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = range::seed)]
    pub seed: u64,
}

impl Machine {
    /// The device, ready to compute.
    pub fn device(&self) -> tensor::Result<tensor::Device> {
        let device = tensor::Device::parse(&self.device, self.threads, |line| eprintln!("{line}"))?;
        device.allow_tf32(self.tf32);
        Ok(device)
    }
}

/// Which preset, with which changes.
#[derive(Args, Clone, Debug, Default)]
pub struct PresetChoice {
    /// A preset by its name, or a TOML file of what differs from the first [default: small]
    #[arg(long, value_name = "NAME|FILE")]
    pub preset: Option<String>,
    /// Change one key of the preset; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Where shipped models are.
#[derive(Args, Clone, Debug, Default)]
pub struct Models {
    /// The folder of shipped models [default: looked for as `$CONSORT_MODELS`, then beside the program]
    #[arg(id = "models", long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The arguments of this process; help, the version and errors are told here, and `Err` is the status to exit with.
pub fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        match sentence(&error) {
            Some(sentence) => eprintln!("error: {sentence}"),
            None => drop(error.print()), // there is nobody to tell that nobody can be told
        }
        ExitCode::from(if error.use_stderr() { 2 } else { 0 })
    })
}

/// A refused value in one sentence: what our own parsers say, after the argument it is about.
fn sentence(error: &clap::Error) -> Option<String> {
    let own = std::error::Error::source(error)?;
    let (argument, value) = (error.get(ContextKind::InvalidArg)?, error.get(ContextKind::InvalidValue)?);
    let argument = argument.to_string();
    let argument = argument.split(" <").next().unwrap_or_default();
    (error.kind() == ErrorKind::ValueValidation).then(|| format!("{argument} {value}: {own}"))
}

/// This process's command line, to be typed again in a shell.
pub fn command_line() -> String {
    let mut words = std::env::args_os().skip(1).map(|word| quote(&word.to_string_lossy()));
    words.by_ref().fold("consort".into(), |line, word| line + " " + &word)
}

fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_argument_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_refused_number_is_one_sentence() {
        let told = |words: &[&str]| {
            let command = TrainCmad::augment_args(clap::Command::new("train"));
            sentence(&command.try_get_matches_from([&["train"], words].concat()).unwrap_err())
        };
        let digit = "--target 12: give a whole number from 0 to 9 for the digit to make";
        assert_eq!(told(&["--target", "12"]).as_deref(), Some(digit));
        let stripes = "--agents 0: give a whole number from 1 to 28 agents, as each owns at least one of the 28 rows";
        assert_eq!(told(&["--target", "3", "--agents=0"]).as_deref(), Some(stripes));
        for words in
            [&["--target", "3", "--scheme", "both"][..], &[], &["--target", "3", "--resume", "a", "--seed", "1"]]
        {
            assert_eq!(told(words), None); // in clap's words
        }
    }

    #[test]
    fn devices() {
        let machine = |device: &str| Machine { device: device.into(), tf32: false, threads: 2, seed: 0 };
        assert_eq!(machine("auto").device().unwrap().threads(), 2);
        let missing = machine("tpu").device().unwrap_err();
        assert!(missing.is_usage() && missing.to_string().contains("use `--device cpu`"), "{missing}");
    }

    #[test]
    fn words_for_a_shell() {
        for (word, quoted) in [("--target", "--target"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quote(word), quoted);
        }
    }
}
