//! What a training of controls will take, under each choice of memory.

use super::School;
use crate::cmad::Scores;
use crate::plan::{Plan, Rehearsal, bytes, flops, table};
use crate::preset::Memory;
use crate::progress::span;
use crate::{Record, Summary};
use methods::Noise;
use methods::control::cmad::Rates;
use serde_json::{Map, Value, json};

const CHOICES: [(&str, Memory); 2] = [("store-all", Memory::StoreAll), ("states", Memory::States)];

/// Points of time of the updates that are rehearsed. From two steps on, a step adds what every step adds.
const POINTS: [usize; 2] = [3, 5];

impl School {
    /// All updates and the trial after them; and an update as each choice of memory would have it.
    pub(super) fn plan(mut self, record: &Record) -> anyhow::Result<Summary> {
        let device = self.device.clone();
        let mut rehearsal = Rehearsal::new(&device);
        let teaching = self.plan_of_teaching(&mut rehearsal)?;
        self.rehearse(&mut rehearsal, POINTS[0], Memory::States)?; // weights are packed the first time
        let mut updates = Vec::with_capacity(CHOICES.len());
        for (name, memory) in CHOICES {
            let [short, long] = POINTS.map(|points| self.rehearse(&mut rehearsal, points, memory));
            let update = Plan::at(self.preset.points, [(POINTS[0], short?), (POINTS[1], long?)]);
            updates.push((name, memory == self.preset.memory, update));
        }
        let chosen = updates.iter().find(|(_, chosen, _)| *chosen).map(|(_, _, update)| *update).unwrap_or_default();
        let steering = self.training.steering();
        let trial = self.trial(&steering).rehearse(&mut rehearsal)?;
        let scores = Scores::rehearse(
            &mut rehearsal,
            self.preset.sampling_count as usize,
            &self.ensemble,
            &self.terms,
            &device,
        )?;
        let plan = teaching.then(chosen.times(self.updates() as f64)).then(trial).then(scores);
        let summary = rehearsal.summary(record, plan).metric("memory", choices(&updates));
        Ok(summary.told_as("\n").told_as(&for_people(&updates)))
    }

    /// An update over a grid of so many points.
    fn rehearse(&mut self, rehearsal: &mut Rehearsal, points: usize, memory: Memory) -> anyhow::Result<Plan> {
        let run = self.rollout(points, memory)?.fresh(&Noise::new(self.seed), self.training.updates())?;
        let rates = Rates { control: self.preset.lr, aggregator: self.preset.mask_lr };
        Ok(rehearsal.part(|| Ok(self.training.update(&run, rates)?))?.0)
    }
}

/// By name, whether it is the preset's, and what an update takes.
type Update = (&'static str, bool, Plan);

fn choices(updates: &[Update]) -> Map<String, Value> {
    let figures = |&(name, chosen, update): &Update| {
        let (peak, flops) = (update.peak.round() as u64, update.flops.round() as u64);
        let figures =
            json!({"chosen": chosen, "peak_bytes": peak, "update_flops": flops, "update_seconds": update.seconds});
        (name.into(), figures)
    };
    updates.iter().map(figures).collect()
}

fn for_people(updates: &[Update]) -> String {
    let titles = ["memory", "predicted peak", "work an update", "time an update", ""];
    let row = |&(name, chosen, update): &Update| {
        let mark = if chosen { "<- the preset's" } else { "" };
        vec![name.into(), bytes(update.peak), flops(update.flops), span(update.seconds), mark.into()]
    };
    let titles = titles.map(str::to_owned).to_vec();
    table(&std::iter::once(titles).chain(updates.iter().map(row)).collect::<Vec<_>>())
}
