//! Training runs of any model: updates, metrics, checkpoints, and going on from one bit for bit.
//!
//! A run is a function of its seed and the step: whoever gives the loss draws everything random from those two. So a
//! checkpoint is the weights, their average, the optimiser and the number of steps, and nothing else.

pub mod augment;
pub mod images;
mod order;

pub use order::Order;

use crate::plan::{Plan, Rehearsal};
use crate::run::CHECKPOINT;
use crate::{Progress, RunFolder, summary};
use autograd::{Grad, Var, grad};
use nn::{Adam, Ema, Module, Optimizer, SavedState, Schedule, State};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The figures of a run that every model shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Updates.
    pub steps: u64,
    /// The peak learning rate.
    pub lr: f64,
    /// How the rate goes.
    pub schedule: Schedule,
    /// Moments, and what the weights lose.
    pub adam: Adam,
    /// Largest norm of the gradient.
    pub clip: f64,
    /// What the average of the weights keeps an update.
    pub ema: f64,
    /// Between checkpoints.
    pub checkpoint_every: Duration,
}

/// A model with its optimiser and the average of its weights.
pub struct Trainer<'m> {
    model: &'m dyn Module,
    recipe: Recipe,
    optimizer: Optimizer,
    ema: Ema,
}

/// A line of `metrics.jsonl`.
#[derive(Serialize)]
struct Line {
    step: u64,
    loss: f64,
    lr: f64,
    /// Before clipping.
    grad_norm: f64,
    /// Of this and earlier processes.
    seconds: f64,
}

const MODEL: &str = "model.";

impl<'m> Trainer<'m> {
    /// At step 0, for the trainable parameters of `model`.
    pub fn new(model: &'m dyn Module, recipe: Recipe) -> nn::Result<Trainer<'m>> {
        let optimizer = Optimizer::new(model.trainable(), recipe.adam)?.clip(recipe.clip);
        let ema = Ema::new(model.trainable(), recipe.ema)?.warm_up();
        Ok(Trainer { model, recipe, optimizer, ema })
    }

    /// Takes up what the checkpoint of a folder holds, and cuts its metrics back to there.
    pub fn restore(&mut self, folder: &mut RunFolder) -> anyhow::Result<()> {
        if !folder.has_checkpoint() {
            return Ok(folder.cut_back(0)?);
        }
        let saved = SavedState::read(&folder.dir().join(CHECKPOINT))?;
        saved.restore_module(MODEL, self.model)?;
        self.optimizer.restore(&saved)?;
        self.ema.restore(&saved)?;
        Ok(folder.cut_back(self.optimizer.steps())?)
    }

    /// Updates there will be.
    pub fn steps(&self) -> u64 {
        self.recipe.steps
    }

    /// Updates that were made.
    pub fn done(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Makes the updates that are left, each on `loss(step)`, steps counted from 0. A checkpoint is written every so often
    /// and at the end. The model is left with the average of its weights.
    pub fn run(
        &mut self,
        folder: &mut RunFolder,
        progress: &mut Progress,
        mut loss: impl FnMut(u64) -> anyhow::Result<Var>,
    ) -> anyhow::Result<()> {
        let (begun, mut saved) = (Instant::now(), Instant::now());
        let before = folder.metrics()?.last().and_then(|line| line.get("seconds")?.as_f64()).unwrap_or(0.0);
        while self.done() < self.recipe.steps {
            let mut line = self.step(&mut loss)?;
            line.seconds = before + begun.elapsed().as_secs_f64();
            folder.metric(&line)?;
            progress.step(line.step, || format!("loss {}", summary::significant(line.loss)));
            if saved.elapsed() >= self.recipe.checkpoint_every && self.done() < self.recipe.steps {
                self.save(folder)?;
                saved = Instant::now();
            }
        }
        self.save(folder)?;
        Ok(self.ema.swap()?)
    }

    /// What all updates will take, from the first two of them.
    pub fn rehearse(
        &mut self,
        rehearsal: &mut Rehearsal,
        mut loss: impl FnMut(u64) -> anyhow::Result<Var>,
    ) -> anyhow::Result<Plan> {
        let (first, _) = rehearsal.part(|| self.step(&mut loss))?;
        let (other, _) = rehearsal.part(|| self.step(&mut loss))?;
        Ok(first.then(other.times(self.recipe.steps.saturating_sub(1) as f64)))
    }

    /// The next update; `seconds` are left to others.
    fn step(&mut self, loss: &mut impl FnMut(u64) -> anyhow::Result<Var>) -> anyhow::Result<Line> {
        let step = self.done();
        let lr = self.recipe.lr * self.recipe.schedule.factor(step);
        let loss = loss(step)?;
        let grad_norm = self.update(&loss, lr)?;
        Ok(Line { step: step + 1, loss: loss.value().item()?, lr, grad_norm, seconds: 0.0 })
    }

    /// One update; the norm of the gradient.
    fn update(&mut self, loss: &Var, lr: f64) -> anyhow::Result<f64> {
        let vars = self.optimizer.vars();
        let gradients = grad(loss, &vars.iter().collect::<Vec<_>>(), Grad::default())?;
        let norm = self.optimizer.step(&gradients.into_vars(), lr)?;
        self.ema.update()?;
        Ok(norm)
    }

    fn save(&self, folder: &mut RunFolder) -> anyhow::Result<()> {
        let mut state = State::default();
        state.add_module(MODEL, self.model);
        self.optimizer.add_to(&mut state);
        self.ema.add_to(&mut state);
        Ok(folder.make(CHECKPOINT, |path| state.save(path))?)
    }
}
