//! `consort train`: a new run or one to go on with, its data, and what it leaves behind.

mod classifier;
mod cmad;
mod score;

use crate::args::{Job, Training};
use crate::plot::Plot;
use crate::preset::{self, MnistGuide, MnistJudge, Preset};
use crate::report::Report;
use crate::run::Metrics;
use crate::summary::significant;
use crate::training::{Objective, Trainer};
use crate::{Error, Progress, Record, Result, RunFolder, Summary};
use data::{Mnist, fetch};
use nn::Module;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tensor::{DType, Device};

/// Where the finished model goes, within the run's folder.
const MODEL: &str = "model";

pub(super) fn run(job: &Job) -> anyhow::Result<Summary> {
    match job {
        Job::MnistScore(arguments) => score::run(arguments),
        Job::MnistGuide(arguments) => classifier::run::<MnistGuide>("mnist-guide", 0, arguments),
        // Streams of its own, so that it shares neither weights nor images with the guide of the same seed.
        Job::MnistJudge(arguments) => classifier::run::<MnistJudge>("mnist-judge", 1 << 40, arguments),
        Job::Cmad(arguments) => cmad::run(arguments),
    }
}

/// A run on digits that is about to begin or to go on.
struct Run<P> {
    preset: P,
    mnist: Arc<Mnist>,
    device: Device,
    record: Record,
    /// The folder of the run that is gone on with.
    resumed: Option<RunFolder>,
    /// Where a new one goes.
    out: Option<PathBuf>,
    quiet: bool,
    /// The model whose weights it begins with, unless a checkpoint has gone on from them.
    from: Option<String>,
}

/// What the command line asks for beyond the preset.
#[derive(Serialize, Deserialize)]
struct Asked {
    /// The folder of the data set.
    data: PathBuf,
    /// The model to begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl<P: Preset> Run<P> {
    /// As `training` asks. The data set is in `data`, in the folder of the run that is resumed, or in the default one.
    fn open(method: &str, training: &Training, data: Option<&Path>, from: Option<&str>) -> anyhow::Result<Run<P>> {
        let device = training.machine.device()?;
        let (out, quiet) = (training.out.dir.clone(), training.output.quiet);
        if let Some(dir) = &training.resume {
            let (folder, record) = RunFolder::resume(dir)?;
            record.expect("train", method)?;
            let preset: P = record.preset()?;
            preset.check().map_err(|what| Error::usage(format!("{}: {what}", dir.display())))?;
            let asked: Asked = record.arguments()?;
            let mnist = Arc::new(Mnist::load(data.unwrap_or(&asked.data))?);
            let from = asked.from.filter(|_| !folder.has_checkpoint());
            return Ok(Run { preset, mnist, device, record, resumed: Some(folder), out, quiet, from });
        }
        let preset: P = preset::load(&training.preset)?;
        let data = data.map_or_else(fetch::default_dir, Path::to_owned);
        let mnist = Arc::new(Mnist::load(&data)?);
        if mnist.train.is_empty() || mnist.test.is_empty() {
            return Err(
                Error::usage(format!("{} has no images to train on: give another `--data`", data.display())).into()
            );
        }
        let record = Record::new("train", method, &device, training.machine.seed);
        let from = from.map(str::to_owned);
        let record = record.with_preset(&preset)?.with_arguments(&Asked { data, from: from.clone() })?;
        Ok(Run { preset, mnist, device, record, resumed: None, out, quiet, from })
    }

    /// Trains to the end, from the checkpoint if the run is resumed, and answers the run's folder.
    fn train(&mut self, trainer: &mut Trainer, objective: &mut dyn Objective) -> anyhow::Result<RunFolder> {
        let mut folder = match self.resumed.take() {
            None => RunFolder::create(self.out.as_deref(), &self.record)?,
            Some(mut folder) => {
                trainer.restore(&mut folder)?;
                folder
            }
        };
        let what = format!("train {}", self.record.method);
        let mut progress = Progress::new(&what, trainer.done(), trainer.steps(), self.quiet);
        trainer.run(&mut folder, &mut progress, objective)?;
        Ok(folder)
    }

    /// Draws the losses, writes the report with what `add` adds to it, and sums up.
    fn finish(
        self,
        mut folder: RunFolder,
        lead: &str,
        add: impl FnOnce(Report) -> anyhow::Result<Report>,
    ) -> anyhow::Result<Summary> {
        let lines = folder.metrics()?;
        let losses = Metrics::series(&lines, "loss");
        let last = &losses[losses.len().saturating_sub(AVERAGED)..];
        let mean = last.iter().map(|(_, loss)| loss).sum::<f64>() / last.len() as f64;
        let plot = Plot::new("update", "loss").log_y().line("loss", losses.iter().copied());
        folder.write("loss.svg", plot.svg().as_bytes())?;
        let norms = Plot::new("update", "norm").log_y().line("norm", Metrics::series(&lines, "grad_norm"));
        let method = &self.record.method;
        let report = Report::new(&format!("Training of {method}"), lead)
            .number("updates", &losses.len().to_string())
            .number(&format!("mean loss of the last {}", last.len()), &significant(mean));
        let report = add(report)?
            .section("How it went")
            .plot(&plot, "The loss of each update, averaged to the width of a screen.")
            .plot(&norms, "The norm of the gradient, before it was clipped.")
            .repeat(&self.record)?;
        folder.write("report.html", report.html().as_bytes())?;
        let summary = Summary::of(&self.record, &self.device, folder.dir());
        Ok(summary.metric("updates", losses.len()).metric("loss", mean))
    }
}

/// What a model's `config.json` says of it under `consort`.
fn object(what: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(what) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(Error::usage(format!("{other} cannot be said of a model"))),
        Err(error) => Err(Error::usage(format!("the model cannot be described: {error}"))),
    }
}

/// Rounds parameters to what a file of `dtype` holds, so that what is examined is what is written.
fn round(module: &dyn Module, dtype: DType) -> nn::Result<()> {
    module.parameters().iter().try_for_each(|param| {
        let value = param.value();
        param.set(value.cast(dtype)?.cast(value.dtype())?)
    })
}

/// Updates at the end over which the loss is averaged.
const AVERAGED: usize = 500;
