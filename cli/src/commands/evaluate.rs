//! `consort evaluate`: how far a denoiser's samples are from the data, in the eyes of a judge; how good a classifier is.

use super::sample::{Wanted, model_name, name};
use crate::args::Evaluate;
use crate::classifier::{self, Classifier, Exam, Seen, unchanged};
use crate::cmad::SIDE;
use crate::plan::Rehearsal;
use crate::plot::Plot;
use crate::report::{Panel, Report, sheet};
use crate::summary::significant;
use crate::{Error, Record, RunFolder, Summary, denoiser, models};
use data::{Mnist, Split, fetch};
use methods::Noise;
use methods::metrics::{self, ChiSquare, Moments};
use nn::{Module, State};
use serde::Serialize;
use std::path::Path;
use tensor::Device;

/// What the command line asks for.
#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    data: &'a Path,
    #[serde(flatten)]
    drawn: Option<Drawn<'a>>,
}

/// How samples of a denoiser are drawn.
#[derive(Serialize)]
struct Drawn<'a> {
    judge: &'a str,
    sampler: String,
    samples: usize,
    steps: usize,
    batch: usize,
}

pub(super) fn run(arguments: &Evaluate) -> anyhow::Result<Summary> {
    let device = arguments.machine.device()?;
    let folder = models::find(&arguments.model, arguments.models.dir.as_deref())?;
    let data = arguments.data.clone().unwrap_or_else(fetch::default_dir);
    if classifier::is_in(&folder) {
        let classifier = Classifier::load(&folder, &device)?;
        return examine(arguments, &classifier, &Mnist::load(&data)?, &data, &device);
    }
    denoiser(arguments, &folder, &data, &device)
}

/// A classifier, on the test set.
fn examine(
    arguments: &Evaluate,
    classifier: &Classifier,
    mnist: &Mnist,
    data: &Path,
    device: &Device,
) -> anyhow::Result<Summary> {
    let (model, seed) = (&arguments.model, arguments.machine.seed);
    let asked = Asked { model, data, drawn: None };
    let record = Record::new("evaluate", model_name(model), device, seed).with_arguments(&asked)?;
    let exam = Exam { classifier, mnist, device, noise: Noise::new(seed) };
    if arguments.plan {
        let mut rehearsal = Rehearsal::new(device);
        let plan = exam.rehearse(&mut rehearsal, 0)?;
        return Ok(rehearsal.summary(&record, plan));
    }
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    let examined = exam.take(classifier.temperature)?;
    let report =
        Report::new(&format!("Evaluation of {}", model_name(model)), "A classifier of digits on the test set.");
    folder.write("report.html", examined.report(report).repeat(&record)?.html().as_bytes())?;
    Ok(examined.metrics(Summary::of(&record, device, folder.dir()).metric("parameters", classifier.network.count())))
}

/// A denoiser, by what it draws.
fn denoiser(arguments: &Evaluate, found: &Path, data: &Path, device: &Device) -> anyhow::Result<Summary> {
    let Evaluate { ref model, ref judge, sampler: rule, samples, steps, batch, .. } = *arguments;
    let pretrained = denoiser::load(found, device)?;
    let judge_folder = models::find(judge, arguments.models.dir.as_deref())?;
    let classifier = Classifier::load(&judge_folder, device)?;
    classifier.expect_digits(&judge_folder)?;
    denoiser::expect_shape(found, pretrained.shape, [1, SIDE, SIDE])?;
    let mnist = Mnist::load(data)?;
    if samples < 2 || samples > mnist.train.len() {
        let most = mnist.train.len();
        return Err(Error::usage(format!("--samples {samples}: give 2 to {most}, as many as there are images")).into());
    }
    let drawn = Drawn { judge, sampler: name(rule), samples, steps, batch };
    let lead = format!("{samples} samples by {} in {steps} steps, beside the test set.", drawn.sampler);
    let seed = arguments.machine.seed;
    let asked = Asked { model, data, drawn: Some(drawn) };
    let record = Record::new("evaluate", model_name(model), device, seed).with_arguments(&asked)?;
    let wanted = Wanted { rule, steps, samples, batch, seed };
    let look = |split: &Split, count: usize| classifier.see_split(device, split, 0..count, unchanged);
    if arguments.plan {
        let mut rehearsal = Rehearsal::new(device);
        let draws = wanted.rehearse(&pretrained, device, &mut rehearsal)?;
        let few = mnist.test.len().min(LOOK);
        let looks = (samples + mnist.train.len() + mnist.test.len()) as f64 / few.max(1) as f64;
        let plan = draws.then(rehearsal.part(|| look(&mnist.test, few))?.0.times(looks));
        return Ok(rehearsal.summary(&record, plan));
    }
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    let (drawn, evaluations) = wanted.draw(&pretrained, device, arguments.output.quiet)?;
    let mut state = State::default();
    state.tensors.insert("samples".into(), drawn.clone());
    folder.make("samples.safetensors", |path| state.save(path))?;
    let picture = sheet(&drawn.to_vec::<f32>()?, [samples, 1, SIDE, SIDE], 0)?;
    folder.write("samples.png", &picture.encode()?)?;
    let (seen, train) = (classifier.see(&drawn)?, look(&mnist.train, mnist.train.len())?);
    let verdict = Verdict::of(&classifier, &seen, &train, &look(&mnist.test, mnist.test.len())?, &mnist)?;
    let few = drawn.narrow(0, 0, samples.min(100))?.to_vec::<f32>()?;
    let few = sheet(&few, [samples.min(100), 1, SIDE, SIDE], 0)?;
    let report = Report::new(&format!("Evaluation of {}", model_name(model)), &lead);
    let report = verdict.report(report).figure(&[Panel::new(&few, 2, "")?], "The first samples.").repeat(&record)?;
    folder.write("report.html", report.html().as_bytes())?;
    let summary = Summary::of(&record, device, folder.dir());
    Ok(verdict.metrics(summary.metric("samples", samples).metric("evaluations", evaluations)))
}

/// What a judge says of samples, and of the data in the same way.
struct Verdict {
    /// Squared Frechet distance of samples and test images, in features.
    frechet: f64,
    /// Of as many training images as there are samples and the test images: what perfect samples would come to.
    floor: f64,
    /// Of all training images: a large set is nearer.
    floor_of_all: f64,
    /// Samples of each class.
    classes: Vec<u64>,
    /// Shares of the classes in the training images.
    shares: Vec<f64>,
    chi_square: ChiSquare,
    /// Share of samples with a confidence above .9.
    confident: f64,
    /// Share of test images.
    confident_data: f64,
    /// Mean distance of two samples, in features.
    diversity: f64,
    /// Of as many training images.
    diversity_data: f64,
}

/// Images that the judge looks at in a rehearsal.
const LOOK: usize = 512;

/// What counts as confident.
const CONFIDENT: f64 = 0.9;

impl Verdict {
    fn of(judge: &Classifier, samples: &Seen, train: &Seen, test: &Seen, mnist: &Mnist) -> anyhow::Result<Verdict> {
        let width = judge.width();
        let reference = Moments::of(&test.features, width)?;
        let distance = |features: &[f32]| Moments::of(features, width)?.frechet(&reference);
        let as_many = &train.features[..samples.features.len()];
        let told = |seen: &Seen| metrics::confidences(&seen.logits, judge.classes(), judge.temperature);
        let confident = |seen: &Seen| {
            let told = told(seen);
            told.iter().filter(|(_, confidence)| *confidence > CONFIDENT).count() as f64 / told.len().max(1) as f64
        };
        let mut classes = vec![0; judge.classes()];
        told(samples).iter().for_each(|(class, _)| classes[*class] += 1);
        let mut shares = vec![0.0; judge.classes()];
        mnist.train.labels.iter().for_each(|&label| shares[usize::from(label)] += 1.0 / mnist.train.len() as f64);
        Ok(Verdict {
            frechet: distance(&samples.features)?,
            floor: distance(as_many)?,
            floor_of_all: distance(&train.features)?,
            chi_square: metrics::chi_square(&classes, &shares)?,
            classes,
            shares,
            confident: confident(samples),
            confident_data: confident(test),
            diversity: metrics::mean_distance(&samples.features, width)?,
            diversity_data: metrics::mean_distance(as_many, width)?,
        })
    }

    fn metrics(&self, summary: Summary) -> Summary {
        summary
            .metric("frechet", self.frechet)
            .metric("frechet_floor", self.floor)
            .metric("frechet_floor_of_all", self.floor_of_all)
            .metric("frechet_ratio", self.frechet / self.floor)
            .metric("frechet_ratio_of_all", self.frechet / self.floor_of_all)
            .metric("chi_square", self.chi_square.statistic)
            .metric("chi_square_p", self.chi_square.p)
            .metric("classes", self.classes.clone())
            .metric("confident", self.confident)
            .metric("confident_data", self.confident_data)
            .metric("confident_ratio", self.confident / self.confident_data)
            .metric("diversity", self.diversity)
            .metric("diversity_data", self.diversity_data)
    }

    fn report(&self, report: Report) -> Report {
        let total = self.classes.iter().sum::<u64>().max(1) as f64;
        let names: Vec<String> = (0..self.classes.len()).map(|class| class.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let plot = Plot::new("class, as judged", "share")
            .bars("samples", &names, self.classes.iter().map(|&count| (count as f64 / total, None)))
            .bars("training images", &names, self.shares.iter().map(|&share| (share, None)));
        let row = |name: &str, samples: f64, data: f64| vec![name.into(), significant(samples), significant(data)];
        let rows = [
            row("squared Frechet distance to the test set", self.frechet, self.floor),
            row("share with confidence above .9", self.confident, self.confident_data),
            row("mean distance of two", self.diversity, self.diversity_data),
        ];
        let caption = "Distances are between the judge's features. The data's column has as many training images as there \
                       are samples; confidence is that on the test set.";
        let all = format!(
            "All training images together are at a squared Frechet distance of {} from the test set: a small set is further off.",
            significant(self.floor_of_all)
        );
        let floor = format!("Frechet, of the {} of as many training images", significant(self.floor));
        let p = format!(
            "If samples had the shares of the data, classes would differ as much with a chance of {} (chi-square).",
            significant(self.chi_square.p)
        );
        report
            .number(&floor, &format!("{:.1} x", self.frechet / self.floor))
            .number("confidence, of the data's", &format!("{:.1} %", 100.0 * self.confident / self.confident_data))
            .table(&["", "samples", "data"], &rows, caption)
            .prose(&all)
            .plot(&plot, &p)
    }
}
