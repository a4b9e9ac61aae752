//! `consort train cmad`: controls that learn by backpropagation through rollouts of frozen denoisers.

mod plan;
mod teaching;

use self::teaching::WORKS;
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
use methods::control::cmad::{Rates, Rollout, Scheme, Steering, Teaching, Training, Weights};
use methods::{Grid, Noise};
use nn::{Adam, Init, SavedState, State};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tensor::{DType, Device, Tensor};

/// What the command line asks for beyond the preset.
#[derive(Clone, Serialize, Deserialize)]
struct Asked {
    target: u8,
    agents: usize,
    scheme: args::Scheme,
    mask: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    works: Option<PathBuf>,
    #[serde(flatten)]
    names: Names,
}

impl Asked {
    fn of(arguments: &TrainCmad) -> Asked {
        let TrainCmad { target, agents, scheme, from, works, masks, cast, .. } = arguments.clone();
        // The parser asks for a target unless a run is resumed.
        Asked { target: target.unwrap_or(0), agents, scheme, mask: masks.files, from, works, names: Names::of(&cast) }
    }
}

impl Asked {
    /// Whether works are studied before the first update.
    fn is_taught(&self, preset: &CmadPreset) -> bool {
        self.works.is_some() || self.from.is_none() && preset.teaching.works > 0
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
    let (folder, record, mut preset, asked, is_taught) = match &arguments.training.resume {
        Some(dir) => {
            expect_same_cast(&arguments.cast, &arguments.masks)?;
            let (folder, record) = RunFolder::resume(dir)?;
            record.expect("train", "cmad")?;
            let preset: CmadPreset = record.preset()?;
            preset.check().map_err(|what| Error::usage(format!("{}: {what}", dir.display())))?;
            let mut asked: Asked = record.arguments()?;
            let is_taught = asked.is_taught(&preset); // by what was asked for, whatever of it is done
            asked.from = asked.from.filter(|_| !folder.has_checkpoint()); // a checkpoint has gone on from it
            // Nor is another run asked for works that are here.
            asked.works = asked.works.filter(|_| !folder.dir().join(WORKS).is_file());
            asked.names.models = arguments.cast.models.dir.clone().or(asked.names.models);
            (Some(folder), record, preset, asked, is_taught)
        }
        None => {
            let mut preset: CmadPreset = preset::load(&arguments.training.preset)?;
            preset.memory = arguments.memory.unwrap_or(preset.memory);
            preset.estimator = arguments.estimator.map_or(preset.estimator, Into::into);
            let asked = Asked::of(arguments);
            let record = Record::new("train", "cmad", &device, arguments.training.machine.seed);
            let (record, is_taught) = (record.with_preset(&preset)?.with_arguments(&asked)?, asked.is_taught(&preset));
            (None, record, preset, asked, is_taught)
        }
    };
    preset.memory = arguments.memory.unwrap_or(preset.memory);
    let store = arguments.states_in.clone().map_or(autograd::Store::Memory, autograd::Store::Folder);
    let school = |preset| -> anyhow::Result<School> {
        let school = School::new(&asked, preset, is_taught, &record, device.clone())?;
        Ok(School { store: store.clone(), ..school })
    };
    if arguments.training.plan {
        return school(preset)?.plan(&record);
    }
    let memory = match preset.memory.choice() {
        Some(memory) => memory,
        // A rehearsal changes what learns: by a school of its own.
        None => school(preset.clone())?.resolve()?,
    };
    device.pool().reset_peak();
    let mut school = school(preset)?;
    school.memory = memory;
    let record = school.terms.derived_in(record)?.with_derived("scheme", school.training.scheme().name());
    let mut folder = match folder {
        Some(mut folder) => school.restore(&mut folder).map(|()| folder)?,
        None => RunFolder::create(arguments.training.out.dir.as_deref(), &record)?,
    };
    let quiet = arguments.training.output.quiet;
    school.train(&mut folder, quiet)?;
    let dtype = arguments.training.export.dtype();
    super::round(&school.controls, dtype)?;
    folder.make(MODEL, |path| nn::save(path, &school.controls, dtype))?;
    school.finish(&record, folder, quiet)
}

/// Controls, and all they learn with.
struct School {
    ensemble: Ensemble,
    terms: Terms,
    controls: Controls,
    training: Training,
    /// What is before it, unless it is over.
    untaught: Option<Teaching>,
    /// Whether there was anything before it.
    is_taught: bool,
    /// Agents' canvases `[n, 1, 28, 28]`, where another run made them.
    works: Option<Vec<Tensor>>,
    preset: CmadPreset,
    /// What a backward pass keeps.
    memory: autograd::Memory,
    /// Where it keeps states.
    store: autograd::Store,
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

impl School {
    fn new(
        asked: &Asked,
        preset: CmadPreset,
        is_taught: bool,
        record: &Record,
        device: Device,
    ) -> anyhow::Result<School> {
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
            ..ControlsConfig::default()
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
        let training = training.balanced(preset.mask_balance).estimated_by(preset.estimator)?;
        let (seed, untaught, works) = (record.seed, None, None);
        let memory = preset.memory.choice().unwrap_or(autograd::Memory::States);
        let mut school = School {
            ensemble,
            terms,
            controls,
            training,
            untaught,
            is_taught,
            works,
            preset,
            memory,
            store: autograd::Store::Memory,
            agents,
            device,
            seed,
        };
        if is_taught {
            school.untaught = Some(school.teaching()?);
        }
        school.works = asked.works.as_ref().map(|run| school.works_of(run, asked)).transpose()?;
        Ok(school)
    }

    /// Updates there will be.
    fn updates(&self) -> u64 {
        match self.training.scheme() {
            Scheme::Joint => self.preset.updates,
            scheme => self.preset.outer.saturating_mul(scheme.round(self.agents)),
        }
    }

    /// Studies before the first update.
    fn studies(&self) -> u64 {
        if self.is_taught { self.preset.teaching.studies } else { 0 }
    }

    fn train(&mut self, folder: &mut RunFolder, quiet: bool) -> anyhow::Result<()> {
        if let Some(teaching) = self.untaught.take() {
            self.teach(teaching, folder, quiet)?;
        }
        let CmadPreset { warm_up, schedule, lr, mask_lr, points, checkpoint_every, .. } = self.preset;
        let (updates, noise) = (self.updates(), Noise::new(self.seed));
        let schedule = schedule.over(updates, warm_up);
        let run = self.rollout(points, self.memory)?;
        let (begun, mut saved) = (Instant::now(), Instant::now());
        let before = folder.seconds()?;
        let studies = self.studies();
        let mut progress = Progress::new("train cmad", self.training.updates(), updates, quiet);
        let round = self.training.scheme().round(self.agents);
        while self.training.updates() < updates {
            let step = self.training.updates();
            let factor = schedule.factor(step);
            let rates = Rates { control: lr * factor, aggregator: mask_lr * factor };
            let report = self.training.update(&run.fresh(&noise, step)?, rates)?;
            let energy = report.energies.iter().sum::<f64>() / (SIDE * SIDE * self.agents) as f64;
            let line = Line {
                step: studies + step + 1,
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
    fn rollout(&self, points: usize, memory: autograd::Memory) -> anyhow::Result<Rollout> {
        Ok(Rollout {
            grid: Grid::uniform(self.training.problem().agents[0].process(), points)?,
            device: self.device.clone(),
            dtype: DType::F32,
            memory,
            store: self.store.clone(),
            draws: Arc::new(Noise::new(self.seed)),
            first: FIRST_OF_TRAINING,
            batch: self.preset.batch(self.agents),
            pull: self.preset.pull.into(),
            only: None,
            lean: false,
        })
    }

    fn save(&self, folder: &mut RunFolder) -> anyhow::Result<()> {
        let mut state = State::default();
        self.training.add_to(&mut state)?;
        Ok(folder.make(CHECKPOINT, |path| state.save(path))?)
    }

    fn restore(&mut self, folder: &mut RunFolder) -> anyhow::Result<()> {
        if !folder.has_checkpoint() {
            return Ok(folder.cut_back(0)?);
        }
        let state = SavedState::read(&folder.dir().join(CHECKPOINT))?;
        if let Some(teaching) = self.untaught.as_mut().filter(|_| Teaching::is_in(&state)) {
            teaching.restore(&state)?;
            return Ok(folder.cut_back(teaching.studies())?);
        }
        self.untaught = None;
        self.training.restore(&state)?;
        Ok(folder.cut_back(self.studies() + self.training.updates())?)
    }

    /// The controls on noise they have not seen.
    fn trial<'s>(&'s self, steering: &'s Steering) -> Play<'s> {
        Play {
            problem: self.training.problem(),
            terms: &self.terms,
            steering,
            device: &self.device,
            points: self.preset.sampling_points,
            samples: 0..self.preset.sampling_count,
            batch: 32,
            seed: self.seed,
        }
    }

    /// Tries the controls, and writes the report.
    fn finish(self, record: &Record, mut folder: RunFolder, quiet: bool) -> anyhow::Result<Summary> {
        let steering = self.training.steering();
        let play = self.trial(&steering);
        let mut progress = Progress::new("trial", 0, play.ticks(), quiet);
        let outcome = play.run(&mut progress)?.shown();
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
        let taught = Plot::new("study", "distance")
            .line("controls", series("distance"))
            .line("nobody steers", series("distance_free"));
        let report = Report::new("Training of controls", &lead)
            .number("updates", &self.training.updates().to_string())
            .number("objective", &significant(mean(&outcome.objective)))
            .number("cost", &significant(mean(&outcome.psi)))
            .number("judge sees the digit in", &percent(scores.judge_accuracy()))
            .section("How it went")
            .plot(&costs, "Of each update's trajectories, averaged to the width of a screen.")
            .plot(&energy, "The energy of the controls, as a mean over pixels and agents.")
            .prose(&format!("{}.", self.terms.weights[0]));
        let report = match self.is_taught {
            false => report,
            true => {
                let what = "The studies of finished works before the first update: the squared distance, weighed by time, \
                            from a control to what would lead there.";
                report.plot(&taught, what)
            }
        };
        let report = report
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
