//! `consort bench bptt`: gradients by backpropagation through time, and their memory as predicted and as measured; for
//! several lengths, agents or choices of memory, how they grow.

use super::spread::Spread;
use crate::args::BenchBptt;
use crate::bench::{Controls, reset_resident_peak, resident_peak};
use crate::commands::say;
use crate::plan::{Rehearsal, Updates, bytes, table};
use crate::plot::Plot;
use crate::preset::Memory;
use crate::progress::span;
use crate::summary::short;
use crate::{Record, RunFolder, Summary};
use autograd::Store;
use methods::control::cmad::Estimator;
use serde_json::json;
use std::fmt::Write;
use std::time::Instant;
use tensor::Device;

pub(super) fn run(arguments: &BenchBptt) -> anyhow::Result<Summary> {
    let (device, seed) = (arguments.machine.device()?, arguments.machine.seed);
    let record = Record::new("bench", "bptt", &device, seed);
    let cases = cases(arguments);
    if let [case] = cases[..] {
        let made = measure(arguments, &device, case)?;
        let summary = Summary::new(&record.command, &record.method, None).on(&device, seed);
        return Ok(told(&made, summary));
    }
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    let mut all = vec![];
    for case in cases {
        let made = measure(arguments, &device, case)?;
        say(&arguments.output, &line(&made))?;
        all.push(made);
    }
    folder.write("bptt.csv", csv(&all).as_bytes())?;
    for (name, plot) in plots(&all) {
        folder.write(name, plot.svg().as_bytes())?;
    }
    let rows: Vec<_> = all.iter().map(described).collect();
    Ok(Summary::of(&record, &device, folder.dir()).metric("rows", rows).told_as(""))
}

/// What is measured.
#[derive(Clone, Copy)]
struct Case {
    agents: usize,
    points: usize,
    memory: Memory,
}

/// What it came to.
struct Made {
    case: Case,
    choice: autograd::Memory,
    updates: Updates,
    seconds: f64,
    /// The most bytes that tensors asked for at one time.
    peak: usize,
    objective: f64,
    spread: Spread,
}

fn cases(arguments: &BenchBptt) -> Vec<Case> {
    let BenchBptt { agents, points, memory, .. } = arguments;
    let over = |&agents: &usize| points.iter().map(move |&points| (agents, points));
    let lengths = agents.iter().flat_map(over);
    lengths.flat_map(|(agents, points)| memory.iter().map(move |&memory| Case { agents, points, memory })).collect()
}

fn measure(arguments: &BenchBptt, device: &Device, case: Case) -> anyhow::Result<Made> {
    let Case { agents, points, memory } = case;
    let estimator = Estimator::from(arguments.estimator);
    let store = arguments.states_in.clone().map_or(Store::Memory, Store::Folder);
    let controls = Controls::new(device, agents, arguments.batch, arguments.rehearse, arguments.machine.seed)?;
    let controls = controls.stored(store);
    let mut rehearsal = Rehearsal::new(device);
    let updates = Updates::rehearse(points, |points, memory| {
        Ok(rehearsal.part(|| Ok(controls.gradient(points, memory, estimator, 0).map(drop)?))?.0)
    })?;
    let choice = match memory {
        Memory::Budget(budget) => updates.within(budget, 0.0)?,
        memory => memory.choice().unwrap_or(autograd::Memory::States),
    };
    device.pool().trim(); // of what the rehearsal left
    device.pool().reset_peak();
    reset_resident_peak();
    let (mut seconds, mut spread, mut objective) = (vec![], Spread::default(), 0.0);
    for draw in 0..arguments.draws {
        let begun = Instant::now();
        let (costs, gradients) = controls.gradient(points, choice, estimator, draw)?;
        device.wait()?;
        seconds.push(begun.elapsed().as_secs_f64());
        objective += costs.objective.detach().mean()?.value().item()? / arguments.draws as f64;
        spread.add(&gradients)?;
    }
    seconds.sort_by(f64::total_cmp);
    let (seconds, peak) = (seconds[seconds.len() / 2], device.pool().account().requested_peak);
    Ok(Made { case, choice, updates, seconds, peak, objective, spread })
}

impl Made {
    fn predicted(&self) -> u64 {
        self.updates.plan(self.choice).peak.round() as u64
    }
}

/// One measurement, in full.
fn told(made: &Made, summary: Summary) -> Summary {
    let summary = summary
        .metric("seconds_per_gradient", made.seconds)
        .metric("predicted_seconds", made.updates.plan(made.choice).seconds)
        .metric("predicted_peak_bytes", made.predicted())
        .metric("peak_bytes", made.peak)
        .metric("resident_peak_bytes", resident_peak())
        .metric("objective", made.objective)
        .metric("gradient_norm", made.spread.norm());
    let summary = match made.spread.relative() {
        Some(relative) => summary.metric("gradient_spread", relative),
        None => summary,
    };
    let rows: Vec<Vec<String>> = summary.metrics.iter().map(|(name, value)| vec![name.clone(), short(value)]).collect();
    let text = table(&rows) + "\n" + &made.updates.table(made.choice);
    summary.metric("memory", made.updates.json(made.choice)).told_as(&text)
}

/// `2 agents  100 points  states  21 s  310.2 MiB, 310.2 MiB predicted`.
fn line(made: &Made) -> String {
    let Case { agents, points, memory } = made.case;
    let (seconds, peak, predicted) = (span(made.seconds), bytes(made.peak as f64), bytes(made.predicted() as f64));
    format!("{agents} agents  {points:5} points  {memory:12}  {seconds:>8}  {peak}, {predicted} predicted")
}

fn described(made: &Made) -> serde_json::Value {
    let Case { agents, points, memory } = made.case;
    json!({
        "agents": agents,
        "points": points,
        "memory": memory.to_string(),
        "seconds_per_gradient": made.seconds,
        "predicted_peak_bytes": made.predicted(),
        "peak_bytes": made.peak,
    })
}

fn csv(all: &[Made]) -> String {
    let mut text = String::from("agents,points,memory,seconds,peak_bytes,predicted_peak_bytes\n");
    for made in all {
        let (Case { agents, points, memory }, predicted) = (made.case, made.predicted());
        // Writing to a string does not fail.
        let _ = writeln!(text, "{agents},{points},{memory},{:.4},{},{predicted}", made.seconds, made.peak);
    }
    text
}

/// Time and peak over points, or over agents where there is one number of points.
fn plots(all: &[Made]) -> [(&'static str, Plot); 2] {
    let is_of_points = all.iter().any(|made| made.case.points != all[0].case.points);
    let x = |made: &Made| if is_of_points { made.case.points } else { made.case.agents } as f64;
    let name = |made: &Made| match is_of_points {
        true => format!("{}, {} agents", made.case.memory, made.case.agents),
        false => made.case.memory.to_string(),
    };
    let mut names: Vec<String> = vec![];
    for made in all {
        if !names.contains(&name(made)) {
            names.push(name(made));
        }
    }
    let label = if is_of_points { "points of time" } else { "agents" };
    let over = |y: &str, of: fn(&Made) -> f64| {
        names.iter().fold(Plot::new(label, y), |plot, series| {
            let own = all.iter().filter(|made| name(made) == *series);
            plot.line_with_points(series, own.map(|made| (x(made), of(made))).collect::<Vec<_>>())
        })
    };
    [
        ("time.svg", over("seconds a gradient", |made| made.seconds)),
        ("memory.svg", over("peak of memory, MB", |made| made.peak as f64 / 1e6).log_y()),
    ]
}
