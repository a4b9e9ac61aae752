//! What controls learn before their first update: cooperative posterior sampling makes works, and they study the best.

use super::{Asked, School};
use crate::cmad::comparison::Entry;
use crate::cmad::ensemble::shares;
use crate::cmad::{Play, SIDE, scores};
use crate::plan::{Plan, Rehearsal};
use crate::preset;
use crate::run::CHECKPOINT;
use crate::summary::significant;
use crate::{Error, Progress, RunFolder};
use methods::control::cmad::{Draws, Lesson, Steering, Teaching};
use methods::{Noise, Place, Purpose};
use nn::{Adam, SavedState, State};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tensor::{DType, Tensor};

/// A line of `metrics.jsonl`.
#[derive(Serialize)]
struct Line {
    /// Studies so far.
    step: u64,
    /// From the controls to the works.
    distance: f64,
    /// From agents that nobody steers.
    distance_free: f64,
    lr: f64,
    seconds: f64,
}

/// Works are made from noise of their own.
const FIRST_WORK: u64 = 1 << 24;

/// Works that are made at a time.
const BATCH: usize = 64;

/// Times of one study.
const TIMES: u64 = 6;

pub(super) const WORKS: &str = "works.safetensors";

impl School {
    /// A start of what the preset asks for.
    pub(super) fn teaching(&self) -> anyhow::Result<Teaching> {
        let controls = self.controls.all().to_vec();
        Ok(Teaching::new(self.training.problem().clone(), controls, Adam::default(), self.preset.clip)?)
    }

    /// The studies that are left of `teaching`.
    pub(super) fn teach(&self, mut teaching: Teaching, folder: &mut RunFolder, quiet: bool) -> anyhow::Result<()> {
        let works = self.works(folder, quiet)?;
        let preset::Teaching { studies, lr, .. } = self.preset.teaching;
        let schedule = self.preset.schedule.over(studies, self.preset.warm_up);
        let (begun, mut saved, before) = (Instant::now(), Instant::now(), folder.seconds()?);
        let mut progress = Progress::new("teach cmad", teaching.studies(), studies, quiet);
        while teaching.studies() < studies {
            let study = teaching.studies();
            let lr = lr * schedule.factor(study);
            let distance = teaching.study(&self.lessons(&works, study)?, lr)?;
            let seconds = before + begun.elapsed().as_secs_f64();
            let (distance, distance_free) = (distance.controlled, distance.free);
            folder.metric(&Line { step: study + 1, distance, distance_free, lr, seconds })?;
            let told =
                || format!("{} nearer, of {}", significant(distance_free - distance), significant(distance_free));
            progress.step(study + 1, told);
            if saved.elapsed().as_secs_f64() >= self.preset.checkpoint_every || study + 1 == studies {
                let mut state = State::default();
                teaching.add_to(&mut state);
                folder.make(CHECKPOINT, |path| state.save(path))?;
                saved = Instant::now();
            }
        }
        Ok(())
    }

    /// What all of this will take.
    pub(super) fn plan_of_teaching(&self, rehearsal: &mut Rehearsal) -> anyhow::Result<Plan> {
        if self.untaught.is_none() {
            return Ok(Plan::default());
        }
        let preset::Teaching { studies, works, .. } = self.preset.teaching;
        let (made, works) = match &self.works {
            Some(works) => (Plan::default(), works.clone()),
            None => {
                let canvas = Tensor::zeros(&self.device, DType::F32, &[works as usize, 1, SIDE, SIDE])?;
                (self.master(&self.teacher()).rehearse(rehearsal)?, vec![canvas; self.agents])
            }
        };
        let mut teaching = self.teaching()?;
        let mut study = || -> anyhow::Result<()> {
            teaching.study(&self.lessons(&works, 0)?, 0.0)?;
            Ok(())
        };
        study()?; // weights are packed the first time
        Ok(made.then(rehearsal.part(study)?.0.times(studies as f64)))
    }

    fn teacher(&self) -> Steering {
        Steering::Cdps { scale: self.preset.teaching.scale }
    }

    fn master<'s>(&'s self, steering: &'s Steering) -> Play<'s> {
        let preset::Teaching { works, points, .. } = self.preset.teaching;
        Play { points, samples: FIRST_WORK..FIRST_WORK + works, batch: BATCH, ..self.trial(steering) }
    }

    /// The agents' canvases `[n, 1, 28, 28]` of the works: the folder's, those of the run that was named, or made now.
    fn works(&self, folder: &mut RunFolder, quiet: bool) -> anyhow::Result<Vec<Tensor>> {
        let name = |agent: usize| format!("canvases.{agent}");
        if !folder.dir().join(WORKS).is_file() {
            let works = match &self.works {
                Some(works) => works.clone(),
                None => self.make_works(quiet)?,
            };
            let tensors = works.into_iter().enumerate().map(|(agent, canvases)| (name(agent), canvases)).collect();
            folder.make(WORKS, |path| State { tensors, ..State::default() }.save(path))?;
        }
        let path = folder.dir().join(WORKS);
        let state = SavedState::read(&path)?;
        let canvases = |agent| Ok(state.tensor(&name(agent), &self.device)?.cast(DType::F32)?);
        let works = (0..self.agents).map(canvases).collect::<anyhow::Result<Vec<Tensor>>>()?;
        let count = works[0].shape().first().copied().unwrap_or(0);
        match works.iter().find(|works| count == 0 || works.shape() != [count, 1, SIDE, SIDE]) {
            None => Ok(works),
            Some(odd) => {
                let (path, odd) = (path.display(), odd.shape());
                let what =
                    format!("{path}: an agent's canvases are {odd:?}, where `[works, 1, {SIDE}, {SIDE}]` was written");
                Err(Error::usage(format!("{what}: remove it, and works are made again")).into())
            }
        }
    }

    fn make_works(&self, quiet: bool) -> anyhow::Result<Vec<Tensor>> {
        let teacher = self.teacher();
        let play = self.master(&teacher);
        let mut progress = Progress::new("works", 0, play.ticks(), quiet);
        let made = play.run(&mut progress)?;
        let canvases = made.canvases.iter().map(|canvases| scores::tensor(&self.device, canvases));
        self.best(&canvases.collect::<tensor::Result<Vec<_>>>()?, &made.psi)
    }

    /// The works of another run.
    pub(super) fn works_of(&self, run: &Path, asked: &Asked) -> anyhow::Result<Vec<Tensor>> {
        let entry = Entry::read(run)?;
        let [given, wanted] = [(entry.asked.target, entry.asked.agents), (asked.target, asked.agents)];
        let owners = shares(&self.training.problem().aggregator.owners([SIDE; 2])?, asked.agents)?;
        if given != wanted || entry.asked.owners != owners {
            let [given, wanted] = [given, wanted].map(|(target, agents)| format!("a {target} by {agents} agents"));
            let what = format!("--works: {} made {given}, and controls for {wanted}", run.display());
            return Err(Error::usage(format!("{what} are asked for, under the same masks: name another run")).into());
        }
        let path = run.join("samples.safetensors");
        let all = SavedState::read(&path)?.tensor("agents", &self.device)?.cast(DType::F32)?;
        let expected = [asked.agents, entry.asked.samples, 1, SIDE, SIDE];
        if all.shape() != expected {
            let (path, got) = (path.display(), all.shape());
            return Err(Error::usage(format!("{path}: `agents` is {got:?}, where its run has {expected:?}")).into());
        }
        let canvases = (0..asked.agents).map(|agent| all.narrow(0, agent, 1)?.reshape(&expected[1..]));
        self.best(&canvases.collect::<tensor::Result<Vec<_>>>()?, &entry.costs())
    }

    /// The share that is studied, those of least cost.
    fn best(&self, canvases: &[Tensor], costs: &[f64]) -> anyhow::Result<Vec<Tensor>> {
        let mut best: Vec<usize> = (0..costs.len()).collect();
        best.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        best.truncate((self.preset.teaching.keep * costs.len() as f64).ceil() as usize);
        let best: Vec<i64> = best.into_iter().map(|work| work as i64).collect();
        let best = Tensor::from_slice(&self.device, &[best.len()], &best)?;
        canvases.iter().map(|canvases| Ok(canvases.gather(0, &best)?)).collect()
    }

    /// What is studied at once: any of the works, at times from all over the process.
    fn lessons(&self, works: &[Tensor], study: u64) -> anyhow::Result<Vec<Lesson>> {
        let noise = Noise::new(self.seed);
        let [low, high] = self.training.problem().agents[0].process().range();
        let batch = self.preset.batch(self.agents) as u64;
        let shape = [batch as usize, 1, SIDE, SIDE];
        let lesson = |part: u64| -> anyhow::Result<Lesson> {
            let drawn = noise.uniform(Purpose::TrainTime, study as usize, part)?;
            let t = low + (high - low) * (part as f64 + drawn) / TIMES as f64;
            let first = part * batch;
            let choice = |sample| -> anyhow::Result<i64> {
                let drawn = noise.uniform(Purpose::Shuffle, study as usize, sample)?;
                Ok((drawn * works[0].shape()[0] as f64) as i64) // what is drawn is below 1
            };
            let chosen = (first..first + batch).map(choice).collect::<anyhow::Result<Vec<i64>>>()?;
            let chosen = Tensor::from_slice(&self.device, &[chosen.len()], &chosen)?;
            let canvases = works.iter().map(|works| works.gather(0, &chosen)).collect::<tensor::Result<Vec<_>>>()?;
            let place = Place { device: &self.device, dtype: DType::F32, shape: &shape };
            let noise = |agent| Draws::normal(&noise, agent, Purpose::TrainNoise, study as usize, &place, first);
            let noise = (0..self.agents).map(noise).collect::<methods::Result<Vec<_>>>()?;
            Ok(self.training.problem().lesson(&canvases, &noise, t)?)
        };
        (0..TIMES).map(lesson).collect()
    }
}
