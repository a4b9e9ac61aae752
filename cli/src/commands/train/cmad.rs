//! `consort train cmad`: controls that learn by backpropagation through rollouts of frozen denoisers.

mod plan;

use super::MODEL;
use crate::args::{self, Cast, Masks, TrainCmad};
use crate::cmad::ensemble::{Names, aggregator};
use crate::cmad::play::mean;
use crate::cmad::{Controls, ControlsConfig, Ensemble, Play, SIDE, Scores, Terms};
use crate::plot::Plot;
use crate::preset::{self, CmadPreset, Preset};
use crate::report::{Panel, Report, sheet};
use crate::run::{CHECKPOINT, Metrics};
use crate::summary::significant;
use crate::{Error, Progress, Record, Result, RunFolder, Summary, models};
use methods::control::cmad::{Rates, Rollout, Scheme, Steering, Training, Weights};
use methods::{Grid, Noise};
use nn::{Adam, Init, SavedState, State};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tensor::{DType, Device};

/// What the command line asks for beyond the preset.
#[derive(Clone, Serialize, Deserialize)]
struct Asked {
    target: u8,
    agents: usize,
    scheme: args::Scheme,
    mask: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(flatten)]
    names: Names,
}

impl Asked {
    fn of(arguments: &TrainCmad) -> Asked {
        let TrainCmad { target, agents, scheme, from, masks, cast, .. } = arguments.clone();
        // The parser asks for a target unless a run is resumed.
        Asked { target: target.unwrap_or(0), agents, scheme, mask: masks.files, from, names: Names::of(&cast) }
    }
}

/// Refuses to swap a run's models for others; the folder they are in may have moved.
fn expect_same_cast(cast: &Cast, masks: &Masks) -> Result<()> {
    if cast.score.is_empty() && cast.guide.is_none() && cast.judge.is_none() && masks.files.is_empty() {
        return Ok(());
    }
    Err(Error::usage("a run goes on with the models and masks it began with: give `--models` at most with `--resume`"))
}

pub(super) fn run(arguments: &TrainCmad) -> anyhow::Result<Summary> {
    let device = arguments.training.machine.device()?;
    let (folder, record, preset, asked) = match &arguments.training.resume {
        Some(dir) => {
            expect_same_cast(&arguments.cast, &arguments.masks)?;
            let (folder, record) = RunFolder::resume(dir)?;
            record.expect("train", "cmad")?;
            let preset: CmadPreset = record.preset()?;
            preset.check().map_err(|what| Error::usage(format!("{}: {what}", dir.display())))?;
            let mut asked: Asked = record.arguments()?;
            asked.from = asked.from.filter(|_| !folder.has_checkpoint()); // a checkpoint has gone on from it
            asked.names.models = arguments.cast.models.dir.clone().or(asked.names.models);
            (Some(folder), record, preset, asked)
        }
        None => {
            let preset: CmadPreset = preset::load(&arguments.training.preset)?;
            let asked = Asked::of(arguments);
            let record = Record::new("train", "cmad", &device, arguments.training.machine.seed);
            (None, record.with_preset(&preset)?.with_arguments(&asked)?, preset, asked)
        }
    };
    let mut school = School::new(&asked, preset, &record, device)?;
    if arguments.training.plan {
        return school.plan(&record);
    }
    let record = school.terms.derived_in(record)?.with_derived("scheme", school.training.scheme().name());
    let mut folder = match folder {
        Some(mut folder) => school.restore(&mut folder).map(|()| folder)?,
        None => RunFolder::create(arguments.training.out.dir.as_deref(), &record)?,
    };
    let quiet = arguments.training.output.quiet;
    school.train(&mut folder, quiet)?;
    let dtype = arguments.training.export.dtype();
    super::round(&school.controls, dtype)?;
    nn::save(&folder.file(MODEL), &school.controls, dtype)?;
    school.finish(&record, folder, quiet)
}

/// Controls, and all they learn with.
struct School {
    ensemble: Ensemble,
    terms: Terms,
    controls: Controls,
    training: Training,
    preset: CmadPreset,
    agents: usize,
    device: Device,
    seed: u64,
}

/// A line of `metrics.jsonl`, means over the update's trajectories.
#[derive(Serialize)]
struct Line {
    step: u64,
    /// J: lambda E + the running cost + Psi.
    objective: f64,
    psi: f64,
    running: f64,
    /// Mean square of the controls over pixels and agents, integrated over time.
    energy: f64,
    lr: f64,
    grad_norm: f64,
    seconds: f64,
}

/// Trajectories of the trial at the end, which no update saw.
const TRIAL: u64 = 64;

impl School {
    fn new(asked: &Asked, preset: CmadPreset, record: &Record, device: Device) -> anyhow::Result<School> {
        let Asked { target, agents, .. } = *asked;
        let ensemble = Ensemble::load(&asked.names, agents, &device)?;
        let weights = preset.lambda_as.weights(&preset.lambda, SIDE * SIDE, agents)?;
        let config = ControlsConfig {
            agents,
            target,
            network: preset.network.clone(),
            descent: preset.descent,
            data_variance: ensemble.data_variance(),
            learned_masks: preset.mask_lr > 0.0,
            cost: preset.cost,
            lambda: weights.iter().map(Weights::per_sample).collect(),
            alpha: preset.alpha,
            alpha_schedule: preset.alpha_schedule,
            consort: None,
        };
        let start = aggregator(&asked.mask, agents, &device)?;
        let controls = Controls::new(config, &start, &mut Init::seeded(&device, record.seed))?;
        if let Some(name) = &asked.from {
            controls.start_from(&nn::load(&models::find(name, asked.names.models.as_deref())?, &device)?)?;
        }
        let terms = controls.terms()?;
        let problem = ensemble.problem(controls.aggregator()?, &terms)?;
        let scheme = match asked.scheme {
            args::Scheme::Joint => Scheme::Joint,
            args::Scheme::ControlWise => {
                let CmadPreset { inner, response, order, .. } = preset;
                Scheme::ControlWise { inner: inner as usize, response, order }
            }
        };
        let training = Training::new(problem, controls.all().to_vec(), scheme, Adam::default(), Some(preset.clip))?;
        let training = training.balanced(preset.mask_balance);
        Ok(School { ensemble, terms, controls, training, preset, agents, device, seed: record.seed })
    }

    /// Updates there will be.
    fn updates(&self) -> u64 {
        match self.training.scheme() {
            Scheme::Joint => self.preset.updates,
            scheme => self.preset.outer.saturating_mul(scheme.round(self.agents)),
        }
    }

    fn train(&mut self, folder: &mut RunFolder, quiet: bool) -> anyhow::Result<()> {
        let CmadPreset { warm_up, schedule, lr, mask_lr, points, memory, checkpoint_every, .. } = self.preset;
        let (updates, noise) = (self.updates(), Noise::new(self.seed));
        let schedule = schedule.over(updates, warm_up);
        let run = self.rollout(points, memory)?;
        let (begun, mut saved) = (Instant::now(), Instant::now());
        let before = folder.metrics()?.last().and_then(|line| line.get("seconds")?.as_f64()).unwrap_or(0.0);
        let mut progress = Progress::new("train cmad", self.training.updates(), updates, quiet);
        let round = self.training.scheme().round(self.agents);
        while self.training.updates() < updates {
            let step = self.training.updates();
            let factor = schedule.factor(step);
            let rates = Rates { control: lr * factor, aggregator: mask_lr * factor };
            let report = self.training.update(&run.fresh(&noise, step)?, rates)?;
            let energy = report.energies.iter().sum::<f64>() / (SIDE * SIDE * self.agents) as f64;
            let line = Line {
                step: step + 1,
                objective: report.objective,
                psi: report.terminal,
                running: report.running,
                energy,
                lr: rates.control,
                grad_norm: report.gradient_norm,
                seconds: before + begun.elapsed().as_secs_f64(),
            };
            folder.metric(&line)?;
            let told = || format!("objective {}, psi {}", significant(report.objective), significant(report.terminal));
            progress.step(step + 1, told);
            // Jacobi play has two sets of parameters within a round.
            let due = saved.elapsed().as_secs_f64() >= checkpoint_every;
            if due && (step + 1).is_multiple_of(round) {
                self.save(folder)?;
                saved = Instant::now();
            }
        }
        self.save(folder)
    }

    /// The run of every update, before it is made its own.
    fn rollout(&self, points: usize, memory: preset::Memory) -> anyhow::Result<Rollout> {
        Ok(Rollout {
            grid: Grid::uniform(self.training.problem().agents[0].process(), points)?,
            device: self.device.clone(),
            dtype: DType::F32,
            memory: memory.into(),
            draws: Arc::new(Noise::new(self.seed)),
            first: FIRST_OF_TRAINING,
            batch: self.preset.batch(self.agents),
            pull: self.preset.pull.into(),
            only: None,
        })
    }

    fn save(&self, folder: &mut RunFolder) -> anyhow::Result<()> {
        let mut state = State::default();
        self.training.add_to(&mut state)?;
        Ok(state.save(&folder.file(CHECKPOINT))?)
    }

    fn restore(&mut self, folder: &mut RunFolder) -> anyhow::Result<()> {
        if folder.has_checkpoint() {
            self.training.restore(&SavedState::read(&folder.dir().join(CHECKPOINT))?)?;
        }
        Ok(folder.cut_back(self.training.updates())?)
    }

    /// The controls on noise they have not seen.
    fn trial<'s>(&'s self, steering: &'s Steering) -> Play<'s> {
        Play {
            problem: self.training.problem(),
            terms: &self.terms,
            steering,
            device: &self.device,
            points: self.preset.sampling_points,
            samples: 0..TRIAL,
            batch: 32,
            seed: self.seed,
        }
    }

    /// Tries the controls, and writes the report.
    fn finish(self, record: &Record, mut folder: RunFolder, quiet: bool) -> anyhow::Result<Summary> {
        let steering = self.training.steering();
        let play = self.trial(&steering);
        let mut progress = Progress::new("trial", 0, play.ticks(), quiet);
        let outcome = play.run(&mut progress)?;
        drop(progress);
        let scores = Scores::of(&outcome, &self.ensemble, &self.terms, &self.device)?;
        let lines = folder.metrics()?;
        let series = |key: &str| Metrics::series(&lines, key);
        let costs = Plot::new("update", "cost").line("objective", series("objective")).line("psi", series("psi"));
        folder.write("loss.svg", costs.svg().as_bytes())?;
        let energy = Plot::new("update", "mean square of u").line("energy", series("energy"));
        let picture = sheet(&outcome.objects, [outcome.count(), 1, SIDE, SIDE], 0)?;
        folder.write("samples.png", &picture.encode()?)?;
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let lead = format!(
            "Controls under which {} agents make one {}; scheme: {}.",
            self.agents,
            self.terms.target,
            self.training.scheme().name()
        );
        let report = Report::new("Training of controls", &lead)
            .number("updates", &self.training.updates().to_string())
            .number("objective", &significant(mean(&outcome.objective)))
            .number("cost", &significant(mean(&outcome.psi)))
            .number("judge sees the digit in", &percent(scores.judge_accuracy()))
            .section("How it went")
            .plot(&costs, "Of each update's trajectories, averaged to the width of a screen.")
            .plot(&energy, "The energy of the controls, as a mean over pixels and agents.")
            .prose(&format!("{}.", self.terms.weights[0]))
            .section("What they make")
            .figure(&[Panel::new(&picture, 2, "")?], "The digits of the trial, from noise that no update saw.")
            .repeat(record)?;
        folder.write("report.html", report.html().as_bytes())?;
        let summary = Summary::of(record, &self.device, folder.dir()).metric("updates", self.training.updates());
        Ok(scores.metrics(&outcome, &self.terms, summary))
    }
}

/// Samples below it are for those who try what was learned.
const FIRST_OF_TRAINING: u64 = 1 << 20;
