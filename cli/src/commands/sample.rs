//! `consort sample`: samples of one denoiser.

use crate::args::{Rule, Sample};
use crate::denoiser::{self, Pretrained};
use crate::plan::{Plan, Rehearsal};
use crate::report::{Panel, Report, sheet};
use crate::{Progress, Record, RunFolder, Summary, models};
use methods::{Churn, Condition, Draw, Grid, Noise, Order, Process, Sampler, Table, sample};
use nn::State;
use serde::Serialize;
use tensor::{Device, Tensor};

/// What the command line asks for.
#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    sampler: String,
    samples: usize,
    steps: usize,
    batch: usize,
}

pub(super) fn run(arguments: &Sample) -> anyhow::Result<Summary> {
    let device = arguments.machine.device()?;
    let Sample { ref model, sampler, samples, steps, batch, .. } = *arguments;
    let pretrained = denoiser::load(&models::find(model, arguments.models.dir.as_deref())?, &device)?;
    let asked = Asked { model, sampler: name(sampler), samples, steps, batch };
    let record = Record::new("sample", model_name(model), &device, arguments.machine.seed).with_arguments(&asked)?;
    let wanted = Wanted { rule: sampler, steps, samples, batch, seed: arguments.machine.seed };
    if arguments.plan {
        let mut rehearsal = Rehearsal::new(&device);
        let plan = wanted.rehearse(&pretrained, &device, &mut rehearsal)?;
        return Ok(rehearsal.summary(&record, plan));
    }
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    let (drawn, evaluations) = wanted.draw(&pretrained, &device, arguments.output.quiet)?;
    let mut state = State::default();
    state.tensors.insert("samples".into(), drawn.clone());
    folder.make("samples.safetensors", |path| state.save(path))?;
    let summary = Summary::of(&record, &device, folder.dir());
    let summary = summary.metric("samples", samples).metric("evaluations", evaluations);
    let [channels, height, width] = pretrained.shape;
    if [1, 3].contains(&channels) {
        let picture = sheet(&drawn.to_vec::<f32>()?, [samples, channels, height, width], 0)?;
        folder.write("samples.png", &picture.encode()?)?;
        let zoom = (2 * 28 / width.max(1)).max(1);
        let lead = format!("By {} in {steps} steps.", asked.sampler);
        let report = Report::new(&format!("{samples} samples of {}", model_name(model)), &lead)
            .figure(&[Panel::new(&picture, zoom, "")?], "")
            .repeat(&record)?;
        folder.write("report.html", report.html().as_bytes())?;
    }
    Ok(summary)
}

/// Which samples are drawn.
pub(super) struct Wanted {
    pub(super) rule: Rule,
    pub(super) steps: usize,
    pub(super) samples: usize,
    pub(super) batch: usize,
    pub(super) seed: u64,
}

impl Wanted {
    /// The samples `[n, channels, height, width]`, f32, and how often the network was evaluated for each.
    pub(super) fn draw(&self, model: &Pretrained, device: &Device, quiet: bool) -> anyhow::Result<(Tensor, usize)> {
        let (process, sampler) = (methods::Denoiser::process(&*model.denoiser), sampler(self.rule));
        let table = sampler.table(process, &grid(process, self.rule, self.steps + 1)?)?;
        let evaluations = evaluations(&table);
        let rows = table.rows().len() as u64;
        let total = self.samples.div_ceil(self.batch) as u64 * rows;
        let mut progress = Progress::new("sample", 0, total, quiet);
        let draw = Draw {
            device,
            dtype: sampler.dtype(),
            shape: &model.shape,
            samples: 0..self.samples as u64,
            batch: self.batch,
            noise: Noise::new(self.seed),
            condition: Condition::None,
        };
        let mut done = 0;
        let drawn = sample(&*model.denoiser, &table, &draw, &mut |_| {
            done += 1;
            progress.step(done, String::new);
            Ok(())
        })?;
        Ok((drawn.cast(tensor::DType::F32)?, evaluations))
    }

    /// What [`Wanted::draw`] will take, from one batch in few steps.
    pub(super) fn rehearse(
        &self,
        model: &Pretrained,
        device: &Device,
        rehearsal: &mut Rehearsal,
    ) -> anyhow::Result<Plan> {
        let count = self.samples.min(self.batch);
        let mut draw = |steps| {
            let wanted = Wanted { steps, samples: count, ..*self };
            anyhow::Ok((steps, rehearsal.part(|| wanted.draw(model, device, true))?.0))
        };
        draw(1)?; // weights are packed the first time, and no more
        let batch = Plan::at(self.steps, [draw(1)?, draw(3)?]);
        let size = (model.shape.iter().product::<usize>() * sampler(self.rule).dtype().size()) as f64;
        // Batches that are done wait for the last; then all are joined.
        let waiting = (self.samples - count) as f64 * size;
        let batches = Plan { peak: batch.peak + waiting, ..batch.times(self.samples as f64 / count as f64) };
        Ok(batches.then(rehearsal.holding(2.0 * self.samples as f64 * size)))
    }
}

/// Evaluations of the network in a run over `table`.
fn evaluations(table: &Table) -> usize {
    table.rows().iter().map(|row| 1 + usize::from(row.correction.is_some())).sum()
}

fn sampler(rule: Rule) -> Sampler {
    match rule {
        Rule::EulerMaruyama => Sampler::EulerMaruyama,
        Rule::Euler => Sampler::ProbabilityFlow { order: Order::Euler },
        Rule::Heun => Sampler::ProbabilityFlow { order: Order::Heun },
        Rule::Ddim => Sampler::Ddim { eta: 0.0 },
        Rule::Edm => Sampler::EdmHeun { churn: Churn::NONE },
    }
}

/// Even in time for stochastic rules; finer towards clean for deterministic ones, which gain by it.
fn grid(process: &Process, rule: Rule, points: usize) -> methods::Result<Grid> {
    match rule {
        _ if matches!(process, Process::Edm { .. }) => Grid::karras(process, points),
        Rule::EulerMaruyama => Grid::uniform(process, points),
        _ => Grid::quadratic(process, points),
    }
}

pub(super) fn name(rule: Rule) -> String {
    clap::ValueEnum::to_possible_value(&rule).map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The last part of a path, for a title.
pub(super) fn model_name(model: &str) -> &str {
    model.trim_end_matches('/').rsplit('/').next().unwrap_or(model)
}
