//! What a gradient of controls takes under each choice of memory, from four short ones that were run; and the choice that
//! a budget leaves.
//!
//! With all values kept, a step runs once; otherwise once more for its derivative, and as often as the schedule of the kept
//! states says to reach it. So what a step adds, kept and not, says what it is to run one again.

use super::{Plan, bytes, flops, table};
use crate::preset::Memory;
use crate::progress::span;
use crate::{Error, Result};
use autograd::schedule::advances;
use serde_json::{Map, Value, json};

/// Points of time of the updates that are rehearsed. From two steps on, a step adds what every step adds.
const POINTS: [usize; 2] = [3, 5];
/// States kept in the choices that are told beside the preset's.
const SLOTS: [usize; 3] = [20, 5, 1];

/// Updates of two lengths, with all values kept and with states.
pub struct Updates {
    store_all: [(usize, Plan); 2],
    states: [(usize, Plan); 2],
    points: usize,
}

impl Updates {
    /// Runs them: `update` is one over so many points of time. What is said will be of those over `points`.
    pub fn rehearse(
        points: usize,
        mut update: impl FnMut(usize, autograd::Memory) -> anyhow::Result<Plan>,
    ) -> anyhow::Result<Updates> {
        let [short, long] = POINTS;
        update(short, autograd::Memory::States)?; // weights are packed the first time
        let mut both = |memory| anyhow::Ok([(short, update(short, memory)?), (long, update(long, memory)?)]);
        let (store_all, states) = (both(autograd::Memory::StoreAll)?, both(autograd::Memory::States)?);
        Ok(Updates { store_all, states, points })
    }

    /// Steps of an update.
    fn steps(&self) -> usize {
        self.points - 1
    }

    /// An update of the preset's length.
    pub fn plan(&self, memory: autograd::Memory) -> Plan {
        let (all, states) = (Plan::at(self.points, self.store_all), Plan::at(self.points, self.states));
        let slots = match memory {
            autograd::Memory::StoreAll => return all,
            autograd::Memory::States | autograd::Memory::Budget(_) => return states,
            autograd::Memory::Revolve { slots } => slots.min(self.steps()),
        };
        // With states every step runs once more than with all values, and once is told by the formula.
        let again = (advances(self.steps(), slots) + 1) as f64 / self.steps() as f64;
        let between = |of: fn(&Plan) -> f64| of(&all) + again * (of(&states) - of(&all));
        let flops = between(|plan| plan.flops);
        // One more is at hand; and where states are given up as steps are reversed, a cotangent takes the first one's place.
        let given_up = self.steps().saturating_sub(slots + 2);
        Plan {
            flops,
            bytes: between(|plan| plan.bytes),
            // As fast as with states: of a difference of two times little would be left but their errors.
            seconds: states.seconds * flops / states.flops.max(1.0),
            peak: states.peak - given_up as f64 * self.state(),
        }
    }

    /// Bytes of the state between steps.
    fn state(&self) -> f64 {
        let [(a, short), (b, long)] = self.states;
        (long.peak - short.peak) / (b - a) as f64
    }

    /// The fastest choice that stays below a budget in bytes, where everything else takes `others` at the most. An error
    /// with the smallest budget that would do.
    pub fn within(&self, budget: u64, others: f64) -> Result<autograd::Memory> {
        let fits = |memory: &autograd::Memory| self.plan(*memory).peak.max(others) <= budget as f64;
        let revolve = |slots| autograd::Memory::Revolve { slots };
        let kept = [autograd::Memory::StoreAll, autograd::Memory::States].into_iter();
        kept.chain((1..self.steps()).rev().map(revolve)).find(fits).ok_or_else(|| {
            let least = self.plan(revolve(1)).peak.max(others);
            let (least, budget) = ((least / f64::from(1 << 20)).ceil(), bytes(budget as f64));
            Error::usage(format!("{budget} of memory are too few for these controls: give {least}MiB or more"))
        })
    }

    /// The choices to tell of, with whether each is the one that was made.
    fn choices(&self, made: autograd::Memory) -> Vec<(Memory, bool, Plan)> {
        let slots = SLOTS.into_iter().filter(|&slots| slots < self.steps()).map(Memory::Revolve);
        let mut all: Vec<Memory> = [Memory::StoreAll, Memory::States].into_iter().chain(slots).collect();
        if let autograd::Memory::Revolve { slots } = made
            && !all.contains(&Memory::Revolve(slots))
        {
            all.push(Memory::Revolve(slots));
        }
        let told = |memory: Memory| {
            let choice = memory.choice()?;
            Some((memory, choice == made, self.plan(choice)))
        };
        all.into_iter().filter_map(told).collect()
    }

    /// For programs.
    pub fn json(&self, made: autograd::Memory) -> Map<String, Value> {
        let figures = |(memory, chosen, update): (Memory, bool, Plan)| {
            let (peak, flops) = (update.peak.round() as u64, update.flops.round() as u64);
            let figures =
                json!({"chosen": chosen, "peak_bytes": peak, "update_flops": flops, "update_seconds": update.seconds});
            (memory.to_string(), figures)
        };
        self.choices(made).into_iter().map(figures).collect()
    }

    /// For people.
    pub fn table(&self, made: autograd::Memory) -> String {
        let titles = ["memory", "predicted peak", "steps again", "work an update", "time an update", ""];
        let row = |(memory, chosen, update): (Memory, bool, Plan)| {
            let again = match memory {
                Memory::StoreAll => 0,
                Memory::States => self.steps() as u64,
                Memory::Revolve(slots) => advances(self.steps(), slots) + 1,
                Memory::Budget(_) => 0,
            };
            let mark = if chosen { "<- chosen" } else { "" };
            let (peak, work, time) = (bytes(update.peak), flops(update.flops), span(update.seconds));
            vec![memory.to_string(), peak, again.to_string(), work, time, mark.into()]
        };
        let titles = titles.map(str::to_owned).to_vec();
        table(&std::iter::once(titles).chain(self.choices(made).into_iter().map(row)).collect::<Vec<_>>())
    }
}
