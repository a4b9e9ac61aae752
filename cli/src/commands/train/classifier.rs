//! `consort train mnist-guide` and `mnist-judge`: classifiers of digits by cross-entropy on changed images.
//!
//! Both go through the same steps. Their presets differ: the guide sees noise, strokes, bars and what is not one digit, so
//! that its gradient leads to digits; the judge sees digits alone, and its confidence is what is reported.

use super::{MODEL, Run};
use crate::args::TrainClassifier;
use crate::classifier::{self, Described, Seen, unchanged};
use crate::preset::{self, Preset};
use crate::summary::significant;
use crate::training::augment::{Augmentation, NONE};
use crate::training::{Order, Trainer};
use crate::{Error, Summary};
use autograd::Var;
use data::{Mnist, Split};
use methods::metrics::{self, Calibration};
use methods::{Noise, Place, Purpose};
use nn::{Architecture, Cnn, Init, Module};
use tensor::{DType, Device};

/// `streams` is added to the seed.
pub(super) fn run<P>(method: &str, streams: u64, arguments: &TrainClassifier) -> anyhow::Result<Summary>
where
    P: Preset + Clone + Into<preset::Classifier>,
{
    let mut run = Run::<P>::open(method, &arguments.training, arguments.data.as_deref())?;
    let preset: preset::Classifier = run.preset.clone().into();
    let seed = run.record.seed.wrapping_add(streams);
    let count = run.mnist.train.len();
    let used = 0..count.checked_sub(preset.held_out).filter(|&used| used > 0).ok_or_else(|| {
        Error::usage(format!(
            "preset: `held_out` is {} of {count} images: give fewer, so that some are left to train on",
            preset.held_out
        ))
    })?;
    let mut network = Cnn::new(preset.config(), &mut Init::seeded(&run.device, seed))?;
    let mut order = Order::new(seed, used.len(), preset.batch);
    let (noise, how) = (Noise::new(seed), preset.augment);
    let mut trainer = Trainer::new(&network, preset.recipe())?;
    run.train(&mut trainer, |mnist, device, step| {
        let augmentation = Augmentation { split: &mnist.train, used: used.clone(), how, noise };
        let (images, classes) = augmentation.batch(device, &order.batch(step), step)?;
        Ok(network.logits(&Var::constant(images))?.cross_entropy(&classes)?.mean()?)
    })?;
    let classifier = classifier::Classifier::new(network, 1.0);
    let with_none = how.none > 0.0;
    let examined =
        Exam { classifier: &classifier, mnist: &run.mnist, device: &run.device, noise }.take(used.end, with_none)?;
    network = classifier.network;
    network.describe(super::object(&examined.described)?);
    nn::save(&run.folder.file(MODEL), &network, arguments.training.export.dtype())?;
    if !with_none {
        let (folder, classes) = (run.folder.file(MODEL), network.config().classes);
        classifier::write_moments(&folder, &examined.seen, &run.mnist.test.labels, classes, &run.device)?;
    }
    let Examined { described, before, after, found, .. } = examined;
    let lead = "A network learns to tell digits apart, whatever happens to their images.";
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let summary = run.finish(lead, |report| {
        let report = report
            .number("test accuracy", &percent(described.accuracy))
            .number("with noise of .3", &percent(described.noisy_accuracy))
            .number("temperature", &significant(described.temperature));
        let row = |name: &str, at: Calibration| vec![name.into(), percent(at.error), significant(at.loss)];
        let rows = [row("as trained", before), row("at the temperature", after)];
        let caption =
            "Confidence against accuracy on the test set; the temperature was fitted on training images held out.";
        let report = report.section("Confidence").table(&["", "calibration error", "mean loss"], &rows, caption);
        let said =
            |share: f64| format!("Of stripes of different test digits, {} are told to be no digit.", percent(share));
        Ok(found.map_or(report.clone(), |share| report.prose(&said(share))))
    })?;
    let summary = summary
        .metric("parameters", network.count())
        .metric("accuracy", described.accuracy)
        .metric("noisy_accuracy", described.noisy_accuracy)
        .metric("temperature", described.temperature)
        .metric("calibration_error", after.error);
    Ok(found.map_or(summary.clone(), |share| summary.metric("patchwork_found", share)))
}

/// A classifier and what it is examined on.
struct Exam<'a> {
    classifier: &'a classifier::Classifier,
    mnist: &'a Mnist,
    device: &'a Device,
    noise: Noise,
}

struct Examined {
    described: Described,
    /// As trained.
    before: Calibration,
    /// At the temperature.
    after: Calibration,
    /// The share of patchworks that are told to be no digit.
    found: Option<f64>,
    /// The test set.
    seen: Seen,
}

/// Of the noise in [`Described::noisy_accuracy`].
const NOISE: f64 = 0.3;

impl Exam<'_> {
    /// `held_out` is the first training image that was not trained on; `none`: whether there is a class of no digit.
    fn take(&self, held_out: usize, none: bool) -> anyhow::Result<Examined> {
        let (classes, train, test) = (self.classifier.classes(), &self.mnist.train, &self.mnist.test);
        let held = self.see(train, held_out..train.len(), 0.0)?;
        let temperature = metrics::fit_temperature(&held.logits, classes, &train.labels[held_out..])?;
        let clean = self.see(test, 0..test.len(), 0.0)?;
        let noisy = self.see(test, 0..test.len(), NOISE)?;
        let calibration = |seen: &Seen, at: f64| metrics::calibration_error(&seen.logits, classes, &test.labels, at);
        let (before, after) = (calibration(&clean, 1.0)?, calibration(&clean, temperature)?);
        let noisy_accuracy = calibration(&noisy, 1.0)?.accuracy;
        let described = Described { temperature, accuracy: before.accuracy, noisy_accuracy };
        let found = none.then(|| self.patchworks_found()).transpose()?;
        Ok(Examined { described, before, after, found, seen: clean })
    }

    fn see(&self, split: &Split, range: std::ops::Range<usize>, deviation: f64) -> anyhow::Result<Seen> {
        self.classifier.see_split(self.device, split, range, |images, first| {
            if deviation == 0.0 {
                return unchanged(images, first);
            }
            let place = Place { device: self.device, dtype: DType::F32, shape: images.shape() };
            let drawn = self.noise.normal(Purpose::TrainNoise, EXAM, &place, first as u64)?;
            Ok(tensor::Tensor::combine(&[(1.0, &images), (deviation, &drawn)])?)
        })
    }

    fn patchworks_found(&self) -> anyhow::Result<f64> {
        const COUNT: usize = 1000;
        let split = &self.mnist.test;
        let how =
            preset::Augment { shift: 1.0, rotate: 0.0, scale: 0.0, strokes: 0.0, bars: 0.0, noise: 0.0, none: 1.0 };
        let patchworks = Augmentation { split, used: 0..split.len(), how, noise: self.noise };
        let seen = self.classifier.see(&patchworks.patchworks(self.device, COUNT, EXAM as u64)?)?;
        let told = metrics::confidences(&seen.logits, self.classifier.classes(), 1.0);
        Ok(told.iter().filter(|(class, _)| *class == usize::from(NONE)).count() as f64 / COUNT as f64)
    }
}

/// A step that no training reaches.
const EXAM: usize = u32::MAX as usize;
