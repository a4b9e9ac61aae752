//! Classifiers of digits from a folder: logits, features, and confidence that means what it says.

use crate::Error;
use crate::training::images;
use autograd::Var;
use data::Split;
use nn::{Architecture, Cnn, Module};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use tensor::{Device, Tensor};

/// What is said of a classifier under `consort` in its `config.json`. Accuracies are shares of the test set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Logits divided by it give probabilities that agree with accuracy.
    pub temperature: f64,
    /// On clean images.
    pub accuracy: f64,
    /// With noise of standard deviation .3 added, where white is 1 and black -1.
    pub noisy_accuracy: f64,
}

/// A classifier, frozen.
pub struct Classifier {
    /// The network.
    pub network: Cnn,
    /// Of its probabilities.
    pub temperature: f64,
}

/// Features and logits of some images, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// `[n, features]`
    pub features: Vec<f32>,
    /// `[n, classes]`
    pub logits: Vec<f32>,
}

/// Images that are looked at together; results do not depend on it.
const BATCH: usize = 250;

impl Classifier {
    /// From a folder. An error where its temperature is not known.
    pub fn load(folder: &Path, device: &Device) -> anyhow::Result<Classifier> {
        let network: Cnn = nn::load(folder, device)?;
        let said = serde_json::to_value(&network.config().consort).unwrap_or_default();
        let described: Described = serde_json::from_value(said).map_err(|error| uncalibrated(folder, &error))?;
        Ok(Classifier::new(network, described.temperature))
    }

    /// Of a network that is not trained further.
    pub fn new(network: Cnn, temperature: f64) -> Classifier {
        network.set_trainable(false);
        Classifier { network, temperature }
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.network.config().classes
    }

    /// How many numbers a feature vector has.
    pub fn width(&self) -> usize {
        self.network.config().channels.last().copied().unwrap_or_default()
    }

    /// Images `[n, 1, 28, 28]`, f32, seen in batches.
    pub fn see(&self, images: &Tensor) -> anyhow::Result<Seen> {
        let count = images.shape().first().copied().unwrap_or(0);
        let mut seen = Seen::default();
        for first in (0..count).step_by(BATCH) {
            self.add(&mut seen, images.narrow(0, first, BATCH.min(count - first))?)?;
        }
        Ok(seen)
    }

    /// Images of a data set, each batch changed by `change` (given the place of its first image in `range`).
    pub fn see_split(
        &self,
        device: &Device,
        split: &Split,
        range: Range<usize>,
        mut change: impl FnMut(Tensor, usize) -> anyhow::Result<Tensor>,
    ) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        for first in range.clone().step_by(BATCH) {
            let indices: Vec<usize> = (first..range.end.min(first + BATCH)).collect();
            let images = images::batch(device, split, &indices)?;
            self.add(&mut seen, change(images, first - range.start)?)?;
        }
        Ok(seen)
    }

    fn add(&self, seen: &mut Seen, images: Tensor) -> anyhow::Result<()> {
        let features = self.network.features(&Var::constant(images))?;
        seen.logits.extend(self.network.classify(&features)?.value().to_vec::<f32>()?);
        seen.features.extend(features.value().to_vec::<f32>()?);
        Ok(())
    }
}

fn uncalibrated(folder: &Path, error: &serde_json::Error) -> Error {
    let way_out = "give one that `consort train mnist-judge` made";
    Error::usage(format!("{} is a classifier without a known temperature ({error}): {way_out}", folder.display()))
}

/// For [`Classifier::see_split`]: images as they are.
pub fn unchanged(images: Tensor, _first: usize) -> anyhow::Result<Tensor> {
    Ok(images)
}
