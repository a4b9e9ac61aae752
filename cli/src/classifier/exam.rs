//! How good a classifier of digits is: on the test set, on noisy images, on what is no digit, and whether its confidence
//! means what it says.

use super::{BATCH, Classifier, Described, Seen, unchanged};
use crate::plan::{Plan, Rehearsal};
use crate::preset::Augment;
use crate::report::Report;
use crate::summary::significant;
use crate::training::augment::{Augmentation, NONE};
use data::{Mnist, Split};
use methods::metrics::{self, Calibration};
use methods::{Noise, Place, Purpose};
use std::ops::Range;
use tensor::{DType, Device, Tensor};

/// A classifier and what it is examined on.
pub struct Exam<'a> {
    /// Examined.
    pub classifier: &'a Classifier,
    /// The data.
    pub mnist: &'a Mnist,
    /// Where.
    pub device: &'a Device,
    /// Of the noise in images.
    pub noise: Noise,
}

/// What came out.
pub struct Examined {
    /// For `config.json`.
    pub described: Described,
    /// As trained.
    pub before: Calibration,
    /// At the temperature.
    pub after: Calibration,
    /// The share of patchworks that are told to be no digit, where there is a class for it.
    pub found: Option<f64>,
    /// The test set.
    pub seen: Seen,
}

/// Of the noise in [`Described::noisy_accuracy`].
const NOISE: f64 = 0.3;

/// A step that no training reaches.
const STEP: usize = u32::MAX as usize;

impl Exam<'_> {
    /// The temperature at which confidence fits best on training images that were not trained on.
    pub fn fit_temperature(&self, held_out: Range<usize>) -> anyhow::Result<f64> {
        let (train, classes) = (&self.mnist.train, self.classifier.classes());
        let held = self.see(train, held_out.clone(), 0.0)?;
        Ok(metrics::fit_temperature(&held.logits, classes, &train.labels[held_out])?)
    }

    /// On the test set.
    pub fn take(&self, temperature: f64) -> anyhow::Result<Examined> {
        let (classes, test) = (self.classifier.classes(), &self.mnist.test);
        let clean = self.see(test, 0..test.len(), 0.0)?;
        let noisy = self.see(test, 0..test.len(), NOISE)?;
        let calibration = |seen: &Seen, at: f64| metrics::calibration_error(&seen.logits, classes, &test.labels, at);
        let (before, after) = (calibration(&clean, 1.0)?, calibration(&clean, temperature)?);
        let noisy_accuracy = calibration(&noisy, 1.0)?.accuracy;
        let described = Described { temperature, accuracy: before.accuracy, noisy_accuracy };
        let found = self.with_none().then(|| self.patchworks_found()).transpose()?;
        Ok(Examined { described, before, after, found, seen: clean })
    }

    /// What all of this will take, `held_out` images included, from a batch of each kind.
    pub fn rehearse(&self, rehearsal: &mut Rehearsal, held_out: usize) -> anyhow::Result<Plan> {
        let test = &self.mnist.test;
        let count = test.len().min(BATCH);
        let mut batch = |deviation| anyhow::Ok(rehearsal.part(|| self.see(test, 0..count, deviation))?.0);
        let (clean, noisy) = (batch(0.0)?, batch(NOISE)?);
        let batches = |images: usize| images as f64 / count as f64;
        let plan = clean.times(batches(held_out + test.len())).then(noisy.times(batches(test.len())));
        if !self.with_none() {
            return Ok(plan);
        }
        Ok(plan.then(rehearsal.part(|| self.patchworks_found())?.0))
    }

    /// Whether there is a class of what is no digit.
    fn with_none(&self) -> bool {
        self.classifier.classes() > usize::from(NONE)
    }

    fn see(&self, split: &Split, range: Range<usize>, deviation: f64) -> anyhow::Result<Seen> {
        self.classifier.see_split(self.device, split, range, |images, first| {
            if deviation == 0.0 {
                return unchanged(images, first);
            }
            let place = Place { device: self.device, dtype: DType::F32, shape: images.shape() };
            let drawn = self.noise.normal(Purpose::TrainNoise, STEP, &place, first as u64)?;
            Ok(Tensor::combine(&[(1.0, &images), (deviation, &drawn)])?)
        })
    }

    fn patchworks_found(&self) -> anyhow::Result<f64> {
        const COUNT: usize = 1000;
        let split = &self.mnist.test;
        let how = Augment { shift: 1.0, rotate: 0.0, scale: 0.0, strokes: 0.0, bars: 0.0, noise: 0.0, none: 1.0 };
        let patchworks = Augmentation { split, used: 0..split.len(), how, noise: self.noise };
        let seen = self.classifier.see(&patchworks.patchworks(self.device, COUNT, STEP as u64)?)?;
        let told = metrics::confidences(&seen.logits, self.classifier.classes(), 1.0);
        Ok(told.iter().filter(|(class, _)| *class == usize::from(NONE)).count() as f64 / COUNT as f64)
    }
}

impl Examined {
    /// The figures, at the head of a report and below.
    pub fn report(&self, report: Report) -> Report {
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let Examined { described, before, after, found, .. } = self;
        let row = |name: &str, at: &Calibration| vec![name.into(), percent(at.error), significant(at.loss)];
        let rows = [row("as trained", before), row("at the temperature", after)];
        let caption =
            "Confidence against accuracy on the test set; the temperature was fitted on training images held out.";
        let report = report
            .number("test accuracy", &percent(described.accuracy))
            .number("with noise of .3", &percent(described.noisy_accuracy))
            .number("temperature", &significant(described.temperature))
            .section("Confidence")
            .table(&["", "calibration error", "mean loss"], &rows, caption);
        match found {
            Some(share) => {
                let share = percent(*share);
                report.prose(&format!("Of stripes of different test digits, {share} are told to be no digit."))
            }
            None => report,
        }
    }

    /// The figures by name.
    pub fn metrics(&self, summary: crate::Summary) -> crate::Summary {
        let summary = summary
            .metric("accuracy", self.described.accuracy)
            .metric("noisy_accuracy", self.described.noisy_accuracy)
            .metric("temperature", self.described.temperature)
            .metric("calibration_error", self.after.error);
        match self.found {
            Some(share) => summary.metric("patchwork_found", share),
            None => summary,
        }
    }
}
