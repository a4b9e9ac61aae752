//! `consort compose`: several denoisers make one digit, under trained controls or under the cost's gradient.

use crate::args::{Cdps, Cmad, ComposeMethod, Composition};
use crate::cmad::ensemble::{Names, aggregator, shares};
use crate::cmad::pictures::Pictures;
use crate::cmad::play::mean;
use crate::cmad::{Controls, Ensemble, Outcome, Play, SIDE, Scores, Terms, scores};
use crate::plan::Rehearsal;
use crate::preset::{self, CdpsPreset, CostTerms};
use crate::report::Report;
use crate::summary::significant;
use crate::{Error, Progress, Record, RunFolder, Summary, models};
use methods::control::cmad::{Problem, Running, Steering};
use nn::{Architecture, Module, State};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tensor::{Device, Tensor};

pub(super) fn run(method: &ComposeMethod) -> anyhow::Result<Summary> {
    let composition = method.composition();
    let device = composition.machine.device()?;
    match method {
        ComposeMethod::Cmad(arguments) => cmad(arguments, &device),
        ComposeMethod::Cdps(arguments) => cdps(arguments, &device),
    }
}

/// What the command line asks for beyond a preset, and what the cost was.
#[derive(Serialize)]
struct Asked<'a> {
    target: u8,
    agents: usize,
    samples: usize,
    steps: usize,
    batch: usize,
    mask: &'a [PathBuf],
    #[serde(skip_serializing_if = "Option::is_none")]
    owners: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controls: Option<String>,
    #[serde(flatten)]
    names: &'a Names,
    cost: CostTerms,
}

impl<'a> Asked<'a> {
    fn of(composition: &Composition, names: &'a Names, cost: CostTerms) -> Asked<'a> {
        let Composition { target, agents, samples, steps, batch, .. } = *composition;
        Asked { target, agents, samples, steps, batch, mask: &[], owners: None, controls: None, names, cost }
    }
}

fn cmad(arguments: &Cmad, device: &Device) -> anyhow::Result<Summary> {
    let composition = &arguments.composition;
    let &Composition { target, agents, .. } = composition;
    let names = Names::of(&composition.cast);
    let name = arguments.model.clone().unwrap_or_else(|| format!("mnist-cmad-{target}-{agents}"));
    let folder = controls_folder(&name, names.models.as_deref(), composition)?;
    let controls: Controls = nn::load(&folder, device)?;
    controls.set_trainable(false);
    let config = controls.config();
    if (config.target, config.agents) != (target, agents) {
        return Err(Error::usage(format!(
            "{} has controls of {} agents for a {}: ask for `--target {} --agents {}`, or give another `--model`",
            folder.display(),
            config.agents,
            config.target,
            config.target,
            config.agents
        ))
        .into());
    }
    let terms = controls.terms()?;
    let ensemble = Ensemble::load(&names, agents, device)?;
    let problem = ensemble.problem(controls.aggregator()?, &terms)?;
    let owners = shares(&controls.owners()?, agents)?;
    let controls_of = Some(folder.display().to_string());
    let asked = Asked { controls: controls_of, owners, ..Asked::of(composition, &names, terms.cost) };
    let record = Record::new("compose", "cmad", device, composition.machine.seed).with_arguments(&asked)?;
    let steering = Steering::Controls(controls.all().to_vec());
    let lead =
        format!("{agents} models of single digits, each with a part of the canvas, steered by trained controls.");
    Piece { composition, device, ensemble, problem, terms, steering, record, lead }.make()
}

/// The folder of the controls `name`, with the way out where there are none for this digit.
fn controls_folder(name: &str, places: Option<&Path>, asked: &Composition) -> crate::Result<PathBuf> {
    models::find(name, places).map_err(|error| {
        let Composition { target, agents, .. } = asked;
        let way_out = format!(
            "or train some by `consort train cmad --target {target} --agents {agents}`, or steer without training by \
             `consort compose cdps`"
        );
        Error::usage(format!("{error}; {way_out}"))
    })
}

fn cdps(arguments: &Cdps, device: &Device) -> anyhow::Result<Summary> {
    let composition = &arguments.composition;
    let &Composition { target, agents, .. } = composition;
    let mut names = Names::of(&composition.cast);
    names.score = arguments.model.clone().map_or(names.score, |model| vec![model]);
    let preset: CdpsPreset = preset::load(&arguments.preset)?;
    let weights = preset.lambda_as.weights(&preset.lambda, SIDE * SIDE, agents)?;
    let mask = &arguments.masks.files;
    let aggregator = aggregator(mask, agents, device)?;
    let (seams, running) = (aggregator.seams([SIDE; 2])?, Running::Constant(0.0));
    let owners = shares(&aggregator.owners([SIDE; 2])?, agents)?;
    let terms = Terms { target, cost: preset.cost, seams, weights, running };
    let ensemble = Ensemble::load(&names, agents, device)?;
    let problem = ensemble.problem(aggregator, &terms)?;
    let record = Record::new("compose", "cdps", device, composition.machine.seed)
        .with_arguments(&Asked { mask, owners, ..Asked::of(composition, &names, preset.cost) })?
        .with_preset(&preset)?;
    let steering = Steering::Cdps { scale: preset.scale };
    let scale = significant(preset.scale);
    let lead = format!(
        "{agents} models of single digits, each with a part of the canvas, steered by the cost's gradient at scale {scale}."
    );
    Piece { composition, device, ensemble, problem, terms, steering, record, lead }.make()
}

/// Everything that is needed to begin.
struct Piece<'a> {
    composition: &'a Composition,
    device: &'a Device,
    ensemble: Ensemble,
    problem: Problem,
    terms: Terms,
    steering: Steering,
    record: Record,
    /// Of the report.
    lead: String,
}

/// Samples that are also drawn without control, for the report.
const FREE: usize = 4;

impl Piece<'_> {
    fn make(self) -> anyhow::Result<Summary> {
        if self.composition.plan {
            return self.plan();
        }
        let record = self.terms.derived_in(self.record.clone())?;
        let mut folder = RunFolder::create(self.composition.out.dir.as_deref(), &record)?;
        let samples = self.composition.samples as u64;
        let free = Steering::None;
        let (steered, free) = (self.play(&self.steering, samples), self.play(&free, samples.min(FREE as u64)));
        let what = format!("compose {}", record.method);
        let ticks = steered.ticks();
        let mut progress = Progress::new(&what, 0, ticks, self.composition.output.quiet);
        let outcome = steered.run(&mut progress)?.shown();
        drop(progress);
        let mut progress = Progress::new("without control", 0, free.ticks(), self.composition.output.quiet);
        let free = free.run(&mut progress)?.shown();
        drop(progress);
        self.write_samples(&outcome, &mut folder)?;
        let scores = Scores::of(&outcome, &self.ensemble, &self.terms, self.device)?;
        scores.write(&outcome, &mut folder)?;
        let owners = self.problem.aggregator.owners([SIDE; 2])?;
        let pictures = Pictures { outcome: &outcome, free: &free, owners: &owners, terms: &self.terms };
        folder.write("samples.png", &pictures.samples()?.encode()?)?;
        folder.write("before-after.png", &pictures.before_and_after()?.encode()?)?;
        let report = self.report(&scores, &outcome, &record, &pictures)?;
        folder.write("report.html", report.html().as_bytes())?;
        Ok(scores.metrics(&outcome, &self.terms, Summary::of(&record, self.device, folder.dir())))
    }

    /// What it will take to make it.
    fn plan(&self) -> anyhow::Result<Summary> {
        let Composition { samples, agents, .. } = *self.composition;
        let mut rehearsal = Rehearsal::new(self.device);
        let steered = self.play(&self.steering, samples as u64).rehearse(&mut rehearsal)?;
        let free = self.play(&Steering::None, samples.min(FREE) as u64).rehearse(&mut rehearsal)?;
        let scores = Scores::rehearse(&mut rehearsal, samples, &self.ensemble, &self.terms, self.device)?;
        let written = rehearsal.holding(((1 + agents) * samples * SIDE * SIDE * size_of::<f32>()) as f64);
        Ok(rehearsal.summary(&self.record, steered.then(free).then(scores).then(written)))
    }

    fn play<'p>(&'p self, steering: &'p Steering, samples: u64) -> Play<'p> {
        Play {
            problem: &self.problem,
            terms: &self.terms,
            steering,
            device: self.device,
            points: self.composition.steps + 1,
            samples: 0..samples,
            batch: self.composition.batch,
            seed: self.composition.machine.seed,
        }
    }

    fn write_samples(&self, outcome: &Outcome, folder: &mut RunFolder) -> anyhow::Result<()> {
        let mut state = State::default();
        state.tensors.insert("samples".into(), scores::tensor(self.device, &outcome.objects)?);
        let agents = outcome.canvases.concat();
        let shape = [outcome.canvases.len(), outcome.count(), 1, SIDE, SIDE];
        state.tensors.insert("agents".into(), Tensor::from_slice(self.device, &shape, &agents)?);
        Ok(folder.make("samples.safetensors", |path| state.save(path))?)
    }

    fn report(
        &self,
        scores: &Scores,
        outcome: &Outcome,
        record: &Record,
        pictures: &Pictures,
    ) -> anyhow::Result<Report> {
        let Composition { target, agents, .. } = self.composition;
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let report = Report::new(&format!("{agents} agents draw a {target}"), &self.lead)
            .number("judge sees it in", &percent(scores.judge_accuracy()))
            .number("guide sees it in", &percent(scores.guide_accuracy()))
            .number("cost", &significant(mean(&outcome.psi)))
            .number("control energy", &significant(mean(&scores::energies(outcome))));
        let report = pictures.add_to(report)?.section("Figures");
        let rows: Vec<_> = (0..outcome.canvases.len()).map(|i| self.row(scores, outcome, i)).collect();
        let columns = ["", "energy a pixel", "nats", "lambda (paper)", "judge's confidence", "judged a digit as asked"];
        let caption = "Of each agent: its control's energy, as a mean over pixels and as the distance from what it does by \
                       itself; what the judge says of its own canvas.";
        let report = report.table(&columns, &rows, caption);
        let frechet = scores.frechet.map_or("-".into(), significant);
        let judged = format!(
            "The judge, which never steers, sees a {target} in {} of {} objects. Their squared Frechet distance to the test \
             set's images of that digit, in the judge's features, is {frechet}; two of them are {} apart on average.",
            percent(scores.judge_accuracy()),
            outcome.count(),
            scores.diversity.map_or("-".into(), significant),
        );
        Ok(report.prose(&judged).repeat(record)?)
    }

    fn row(&self, scores: &Scores, outcome: &Outcome, i: usize) -> Vec<String> {
        let energy = mean(&outcome.energies[i]);
        let numbers = [energy / (SIDE * SIDE) as f64, energy / 2.0, self.terms.weights[i].paper()].map(significant);
        let shares = [scores.own_confidence(i), scores.own_target(i)].map(|share| format!("{:.1} %", 100.0 * share));
        [format!("agent {}", i + 1)].into_iter().chain(numbers).chain(shares).collect()
    }
}
