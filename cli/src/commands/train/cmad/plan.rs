//! What a training of controls will take.

use super::School;
use crate::cmad::Scores;
use crate::plan::{Plan, Rehearsal, Updates};
use crate::preset::Memory;
use crate::{Record, Summary};
use methods::Noise;
use methods::control::cmad::Rates;

impl School {
    /// All updates and the trial after them; and an update as each choice of memory would have it.
    pub(super) fn plan(mut self, record: &Record) -> anyhow::Result<Summary> {
        let device = self.device.clone();
        let mut rehearsal = Rehearsal::new(&device);
        let (updates, [before, after]) = self.parts(&mut rehearsal)?;
        let memory = self.choice(&updates, before.then(after).peak)?;
        let plan = before.then(updates.plan(memory).times(self.updates() as f64)).then(after);
        let summary = rehearsal.summary(record, plan).metric("memory", updates.json(memory));
        Ok(summary.told_as("\n").told_as(&updates.table(memory)))
    }

    /// What the preset's budget leaves, where it has one.
    pub(super) fn resolve(mut self) -> anyhow::Result<autograd::Memory> {
        let device = self.device.clone();
        let (updates, [before, after]) = self.parts(&mut Rehearsal::new(&device))?;
        self.choice(&updates, before.then(after).peak)
    }

    /// An update, and what comes before and after all of them.
    fn parts(&mut self, rehearsal: &mut Rehearsal) -> anyhow::Result<(Updates, [Plan; 2])> {
        let teaching = self.plan_of_teaching(rehearsal)?;
        let updates = Updates::rehearse(self.preset.points, |points, memory| self.update(rehearsal, points, memory))?;
        let steering = self.training.steering();
        let trial = self.trial(&steering).rehearse(rehearsal)?;
        let (count, device) = (self.preset.sampling_count as usize, self.device.clone());
        let scores = Scores::rehearse(rehearsal, count, &self.ensemble, &self.terms, &device)?;
        Ok((updates, [teaching, trial.then(scores)]))
    }

    /// One, for real: the school is of no use for anything else afterwards.
    fn update(&mut self, rehearsal: &mut Rehearsal, points: usize, memory: autograd::Memory) -> anyhow::Result<Plan> {
        let run = self.rollout(points, memory)?.fresh(&Noise::new(self.seed), self.training.updates())?;
        let rates = Rates { control: self.preset.lr, aggregator: self.preset.mask_lr };
        Ok(rehearsal.part(|| Ok(self.training.update(&run, rates)?))?.0)
    }

    /// The choice that was asked for; or the fastest within a budget, when all else takes `others` bytes at the most.
    fn choice(&self, updates: &Updates, others: f64) -> anyhow::Result<autograd::Memory> {
        match self.preset.memory {
            Memory::Budget(budget) => Ok(updates.within(budget, others)?),
            memory => Ok(memory.choice().unwrap_or(autograd::Memory::States)),
        }
    }
}
