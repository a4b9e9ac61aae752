//! Training runs of any model: updates, metrics, checkpoints, and going on from one bit for bit.
//!
//! A run is a function of its seed and the step: whoever gives the loss draws everything random from those two. So a
//! checkpoint is the weights, their average, the optimiser and the number of steps, and nothing else.

pub mod augment;
pub mod images;
mod order;
mod recorded;

pub use order::Order;
use recorded::Recorded;

use crate::plan::{Plan, Rehearsal};
use crate::run::CHECKPOINT;
use crate::{Progress, RunFolder, summary};
use autograd::{Grad, Var, grad};
use nn::{Adam, Ema, Module, Optimizer, SavedState, Schedule, State};
use serde::Serialize;
use std::time::{Duration, Instant};
use tensor::Tensor;

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

/// What is learned.
pub trait Objective {
    /// What update `step`, counted from 0, is made from: data and everything random, a function of the seed and the step.
    fn inputs(&mut self, step: u64) -> anyhow::Result<Vec<Tensor>>;

    /// The loss, from the numbers of `inputs` alone: on a GPU it is recorded once, for the numbers of every step.
    fn loss(&self, inputs: &[Tensor]) -> anyhow::Result<Var>;
}

/// A model with its optimiser and the average of its weights.
pub struct Trainer<'m> {
    model: &'m dyn Module,
    recipe: Recipe,
    optimizer: Optimizer,
    ema: Ema,
    recorded: Option<Recorded>,
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
        Ok(Trainer { model, recipe, optimizer, ema, recorded: None })
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

    /// Makes the updates that are left. A checkpoint is written every so often
    /// and at the end. The model is left with the average of its weights.
    pub fn run(
        &mut self,
        folder: &mut RunFolder,
        progress: &mut Progress,
        objective: &mut dyn Objective,
    ) -> anyhow::Result<()> {
        let (begun, mut saved) = (Instant::now(), Instant::now());
        let before = folder.metrics()?.last().and_then(|line| line.get("seconds")?.as_f64()).unwrap_or(0.0);
        while self.done() < self.recipe.steps {
            let mut line = self.step(objective)?;
            line.seconds = before + begun.elapsed().as_secs_f64();
            folder.metric(&line)?;
            progress.step(line.step, || format!("loss {}", summary::significant(line.loss)));
            if saved.elapsed() >= self.recipe.checkpoint_every && self.done() < self.recipe.steps {
                self.save(folder)?;
                saved = Instant::now();
            }
        }
        self.save(folder)?;
        self.recorded = None; // it writes where the weights were
        Ok(self.ema.swap()?)
    }

    /// What all updates will take, from the first two of them.
    pub fn rehearse(&mut self, rehearsal: &mut Rehearsal, objective: &mut dyn Objective) -> anyhow::Result<Plan> {
        let (first, _) = rehearsal.part(|| self.step(objective))?;
        let (other, _) = rehearsal.part(|| self.step(objective))?;
        Ok(first.then(other.times(self.recipe.steps.saturating_sub(1) as f64)))
    }

    /// The next update; `seconds` are left to others.
    fn step(&mut self, objective: &mut dyn Objective) -> anyhow::Result<Line> {
        let step = self.done();
        let lr = self.recipe.lr * self.recipe.schedule.factor(step);
        let inputs = objective.inputs(step)?;
        if !self.recorded.as_ref().is_some_and(|recorded| recorded.suits(&inputs)) {
            self.recorded = Recorded::new(&inputs)?;
        }
        let (loss, grad_norm) = match &mut self.recorded {
            Some(recorded) => recorded.update(objective, &mut self.optimizer, &mut self.ema, &inputs, lr)?,
            None => self.update(&objective.loss(&inputs)?, lr)?,
        };
        Ok(Line { step: step + 1, loss, lr, grad_norm, seconds: 0.0 })
    }

    /// One update; the loss, and the norm of the gradient.
    fn update(&mut self, loss: &Var, lr: f64) -> anyhow::Result<(f64, f64)> {
        let vars = self.optimizer.vars();
        let gradients = grad(loss, &vars.iter().collect::<Vec<_>>(), Grad::default())?;
        let norm = self.optimizer.step(&gradients.into_vars(), lr)?;
        self.ema.update()?;
        Ok((loss.value().item()?, norm))
    }

    fn save(&self, folder: &mut RunFolder) -> anyhow::Result<()> {
        let mut state = State::default();
        state.add_module(MODEL, self.model);
        self.optimizer.add_to(&mut state);
        self.ema.add_to(&mut state);
        Ok(folder.make(CHECKPOINT, |path| state.save(path))?)
    }
}
