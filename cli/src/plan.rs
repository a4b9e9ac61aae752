//! What a command will take, told before it is run.
//!
//! The smallest parts that stand for the rest are run for real: an update, a batch over a few points of time. Work and
//! requested bytes are functions of shapes, so what is said of them holds as far as the parts are alike; the time is that
//! of a few parts on a machine as busy as it was then, and without the reading and writing of files.

mod updates;

pub use updates::Updates;

use crate::progress::span;
use crate::summary::significant;
use crate::{Record, Summary};
use std::time::Instant;
use tensor::Device;

/// What a stretch of a command takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plan {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes that its ops move.
    pub bytes: f64,
    /// By the wall clock.
    pub seconds: f64,
    /// The most bytes that live tensors ask for at one time.
    pub peak: f64,
}

impl Plan {
    /// This, and `next` after it.
    pub fn then(self, next: Plan) -> Plan {
        Plan {
            flops: self.flops + next.flops,
            bytes: self.bytes + next.bytes,
            seconds: self.seconds + next.seconds,
            peak: self.peak.max(next.peak),
        }
    }

    /// This, so many times one after the other. A fraction is a part of the batch.
    pub fn times(self, times: f64) -> Plan {
        Plan { flops: self.flops * times, bytes: self.bytes * times, seconds: self.seconds * times, ..self }
    }

    /// A loop of `length` steps, from two shorter ones with their lengths: what a step adds, each adds.
    pub fn at(length: usize, [(a, short), (b, long)]: [(usize, Plan); 2]) -> Plan {
        let steps = (length as f64 - a as f64) / (b as f64 - a as f64);
        let along = |of: fn(&Plan) -> f64| of(&short) + steps * (of(&long) - of(&short));
        Plan {
            flops: along(|plan| plan.flops),
            bytes: along(|plan| plan.bytes),
            // Of all four, time alone is measured with errors.
            seconds: along(|plan| plan.seconds).max(0.0),
            peak: along(|plan| plan.peak),
        }
    }
}

/// Parts of a command being run.
pub struct Rehearsal<'d> {
    device: &'d Device,
    /// What the device had done before: models read and made.
    before: Plan,
    /// The highest peak of all parts.
    highest: usize,
}

impl<'d> Rehearsal<'d> {
    /// On a device that did for this command whatever comes before the parts.
    pub fn new(device: &'d Device) -> Rehearsal<'d> {
        let (work, highest) = (device.work(), device.pool().account().requested_peak);
        let before = Plan { flops: work.flops as f64, bytes: work.bytes as f64, seconds: 0.0, peak: highest as f64 };
        Rehearsal { device, before, highest }
    }

    /// Runs a part: what it took, and what it came to.
    pub fn part<T>(&mut self, part: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Plan, T)> {
        self.device.pool().reset_peak();
        let (before, begun) = (self.device.work(), Instant::now());
        let result = part()?;
        let (after, seconds) = (self.device.work(), begun.elapsed().as_secs_f64());
        let peak = self.device.pool().account().requested_peak;
        self.highest = self.highest.max(peak);
        let (flops, bytes) = ((after.flops - before.flops) as f64, (after.bytes - before.bytes) as f64);
        Ok((Plan { flops, bytes, seconds, peak: peak as f64 }, result))
    }

    /// Having `bytes` more than there are now, at no other cost.
    pub fn holding(&self, bytes: f64) -> Plan {
        Plan { peak: self.device.pool().account().requested as f64 + bytes, ..Plan::default() }
    }

    /// What comes before the parts, and then `plan`, as the result of the command that `record` asks for.
    pub fn summary(&self, record: &Record, plan: Plan) -> Summary {
        let plan = self.before.then(plan);
        let mut summary = Summary::new(&record.command, &record.method, None).on(self.device, record.seed);
        summary.peak_bytes = self.highest as u64;
        let summary = summary
            .metric("flops", plan.flops.round() as u64)
            .metric("bytes", plan.bytes.round() as u64)
            .metric("peak_bytes_predicted", plan.peak.round() as u64)
            .metric("seconds_predicted", plan.seconds);
        let rows = [
            ["work", &flops(plan.flops)],
            ["bytes moved", &bytes(plan.bytes)],
            ["peak of memory", &bytes(plan.peak)],
            ["time, about", &span(plan.seconds)],
        ];
        summary.told_as(&table(&rows.map(|row| row.map(str::to_owned).to_vec())))
    }
}

/// Rows of words in columns, all but the first flush right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let words = row.iter().zip(&widths).enumerate();
        let cells = words
            .map(|(i, (word, &width))| if i == 0 { format!("{word:width$}") } else { format!("  {word:>width$}") });
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Operations for people: `380.0 MFLOP`.
pub fn flops(count: f64) -> String {
    scaled(count, 1e3, &["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"])
}

/// Bytes for people: `310.2 MiB`.
pub fn bytes(count: f64) -> String {
    scaled(count, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// In the largest of `units`, each `step` times the one before, of which there is one or more.
fn scaled(count: f64, step: f64, units: &[&str]) -> String {
    let order = (1..units.len()).take_while(|&order| count >= step.powi(order as i32)).count();
    format!("{} {}", significant(count / step.powi(order as i32)), units[order])
}

#[cfg(test)]
mod tests;
