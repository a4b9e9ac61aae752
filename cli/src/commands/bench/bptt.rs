//! `consort bench bptt`: a gradient by backpropagation through time, and its memory as predicted and as measured.

use crate::args::BenchBptt;
use crate::bench::{Controls, resident_peak};
use crate::plan::{Rehearsal, Updates, table};
use crate::preset::Memory;
use crate::summary::short;
use crate::{Record, Summary};
use autograd::{Store, Var};
use methods::control::cmad::Estimator;
use std::time::Instant;

pub(super) fn run(arguments: &BenchBptt) -> anyhow::Result<Summary> {
    let BenchBptt { agents, points, batch, rehearse, .. } = *arguments;
    let (device, seed) = (arguments.machine.device()?, arguments.machine.seed);
    let estimator = Estimator::from(arguments.estimator);
    let store = arguments.states_in.clone().map_or(Store::Memory, Store::Folder);
    let controls = Controls::new(&device, agents, batch, rehearse, seed)?.stored(store);
    let mut rehearsal = Rehearsal::new(&device);
    let updates = Updates::rehearse(points, |points, memory| {
        Ok(rehearsal.part(|| Ok(controls.gradient(points, memory, estimator, 0).map(drop)?))?.0)
    })?;
    let memory = match arguments.memory {
        Memory::Budget(budget) => updates.within(budget, 0.0)?,
        memory => memory.choice().unwrap_or(autograd::Memory::States),
    };
    let predicted = updates.plan(memory);

    device.pool().reset_peak();
    let (mut seconds, mut spread, mut objective) = (vec![], Spread::default(), 0.0);
    for draw in 0..arguments.draws {
        let begun = Instant::now();
        let (costs, gradients) = controls.gradient(points, memory, estimator, draw)?;
        device.wait()?;
        seconds.push(begun.elapsed().as_secs_f64());
        objective += costs.objective.detach().mean()?.value().item()? / arguments.draws as f64;
        spread.add(&gradients)?;
    }
    let peak = device.pool().account().requested_peak;
    seconds.sort_by(f64::total_cmp);
    let record = Record::new("bench", "bptt", &device, seed);
    let summary = Summary::new(&record.command, &record.method, None)
        .on(&device, seed)
        .metric("seconds_per_gradient", seconds[seconds.len() / 2])
        .metric("predicted_seconds", predicted.seconds)
        .metric("predicted_peak_bytes", predicted.peak.round() as u64)
        .metric("peak_bytes", peak)
        .metric("resident_peak_bytes", resident_peak())
        .metric("objective", objective)
        .metric("gradient_norm", spread.norm());
    let summary = match spread.relative() {
        Some(relative) => summary.metric("gradient_spread", relative),
        None => summary,
    };
    let told: Vec<Vec<String>> = summary.metrics.iter().map(|(name, value)| vec![name.clone(), short(value)]).collect();
    let told = table(&told) + "\n" + &updates.table(memory);
    Ok(summary.metric("memory", updates.json(memory)).told_as(&told))
}

/// Moments of gradients that estimate the same one.
#[derive(Default)]
struct Spread {
    count: f64,
    sums: Vec<f64>,
    /// Of all squares of all entries.
    squares: f64,
}

impl Spread {
    fn add(&mut self, gradients: &[Option<Var>]) -> anyhow::Result<()> {
        let mut all = Vec::with_capacity(self.sums.len());
        for gradient in gradients.iter().flatten() {
            all.extend(gradient.value().to_f64()?);
        }
        self.sums.resize(all.len(), 0.0);
        self.sums.iter_mut().zip(&all).for_each(|(sum, x)| *sum += x);
        self.squares += all.iter().map(|x| x * x).sum::<f64>();
        self.count += 1.0;
        Ok(())
    }

    /// |mean|^2
    fn mean_squared(&self) -> f64 {
        self.sums.iter().map(|sum| (sum / self.count).powi(2)).sum()
    }

    fn norm(&self) -> f64 {
        self.mean_squared().sqrt()
    }

    /// The standard deviation of one gradient, as a vector, in units of the norm of their mean. Of two or more.
    fn relative(&self) -> Option<f64> {
        let variance = (self.squares - self.count * self.mean_squared()) / (self.count - 1.0);
        // The mean of few is longer than the expectation by the variance that is left in it.
        let mean = (self.mean_squared() - variance / self.count).max(0.0);
        (self.count > 1.0).then(|| (variance / mean).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::{Device, Tensor};

    #[test]
    fn the_spread_of_two_gradients() {
        let device = Device::cpu(1);
        let mut spread = Spread::default();
        for numbers in [[3.0, 1.0], [3.0, -1.0]] {
            let gradient = Var::constant(Tensor::from_slice(&device, &[2], &numbers).unwrap());
            spread.add(&[Some(gradient), None]).unwrap();
        }
        // Mean (3, 0), variance (0, 2); |mean|^2 without what is left of the variance is 9 - 1.
        assert_eq!((spread.norm(), spread.relative()), (3.0, Some(0.5)));
    }
}
