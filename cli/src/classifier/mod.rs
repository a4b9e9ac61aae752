//! Classifiers of digits from a folder: logits, features, and confidence that means what it says.

mod exam;

pub use exam::{Exam, Examined};

use crate::Error;
use crate::training::images;
use autograd::Var;
use data::Split;
use data::mnist::CLASSES;
use methods::metrics::Moments;
use nn::{Architecture, Cnn, Module, SavedState, State};
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
    /// Of the features of the test set: its classes', then all images'. Empty where the folder has none.
    pub moments: Vec<Moments>,
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
pub const BATCH: usize = 250;

impl Classifier {
    /// From a folder. An error where its temperature is not known.
    pub fn load(folder: &Path, device: &Device) -> anyhow::Result<Classifier> {
        let network: Cnn = nn::load(folder, device)?;
        let said = serde_json::to_value(&network.config().consort).unwrap_or_default();
        let described: Described = serde_json::from_value(said).map_err(|error| uncalibrated(folder, &error))?;
        let path = folder.join(MOMENTS);
        let moments = if path.is_file() { read_moments(&path, device)? } else { vec![] };
        let classifier = Classifier { moments, ..Classifier::new(network, described.temperature) };
        let fits = |moments: &Moments| moments.mean().len() == classifier.width();
        if !classifier.moments.is_empty()
            && (classifier.moments.len() != classifier.classes() + 1 || !classifier.moments.iter().all(fits))
        {
            return Err(misshaped(&path).into());
        }
        if !(classifier.temperature > 0.0 && classifier.temperature.is_finite()) {
            let what = format!("has the temperature {}, and it is above 0", classifier.temperature);
            return Err(Error::usage(format!("{} {what}: train it again", folder.display())).into());
        }
        Ok(classifier)
    }

    /// Of a network that is not trained further.
    pub fn new(network: Cnn, temperature: f64) -> Classifier {
        network.set_trainable(false);
        Classifier { network, temperature, moments: vec![] }
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.network.config().classes
    }

    /// How many numbers a feature vector has.
    pub fn width(&self) -> usize {
        self.network.config().channels.last().copied().unwrap_or_default()
    }

    /// Refuses one that cannot judge digits.
    pub fn expect_digits(&self, folder: &Path) -> crate::Result<()> {
        let (channels, classes) = (self.network.config().in_channels, self.classes());
        if channels == 1 && classes >= usize::from(CLASSES) {
            return Ok(());
        }
        let what = format!("tells {classes} classes of images of {channels} channels apart, and digits are 10 of 1");
        Err(Error::usage(format!("{} {what}: give another `--judge`", folder.display())))
    }

    /// Those of one class of the test set, where they are known.
    pub fn moments_of(&self, class: u8) -> Option<&Moments> {
        self.moments[..self.moments.len().saturating_sub(1)].get(usize::from(class))
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

/// Logits of images `[n, 1, 28, 28]`, seen in batches: `[n, classes]`, row-major.
pub fn logits(network: &Cnn, images: &Tensor) -> anyhow::Result<Vec<f32>> {
    let count = images.shape().first().copied().unwrap_or(0);
    let mut all = Vec::with_capacity(count * network.config().classes);
    for first in (0..count).step_by(BATCH) {
        let batch = Var::constant(images.narrow(0, first, BATCH.min(count - first))?);
        all.extend(network.logits(&batch)?.value().to_vec::<f32>()?);
    }
    Ok(all)
}

/// The file of a judge's folder that holds the moments of what it sees in the test set.
const MOMENTS: &str = "moments.safetensors";

/// Writes the moments of features beside a model: those of each class, then those of all. Not where a class has less than
/// two images.
pub fn write_moments(folder: &Path, seen: &Seen, labels: &[u8], classes: usize, device: &Device) -> anyhow::Result<()> {
    let width = seen.features.len() / labels.len().max(1);
    let rows = |is: &dyn Fn(u8) -> bool| -> Vec<f32> {
        let rows = seen.features.chunks_exact(width.max(1)).zip(labels);
        rows.filter(|(_, label)| is(**label)).flat_map(|(row, _)| row.to_vec()).collect()
    };
    let images = |class: usize| labels.iter().filter(|&&label| usize::from(label) == class).count();
    if (0..classes).any(|class| images(class) < 2) {
        return Ok(());
    }
    let each = (0..classes).map(|class| Moments::of(&rows(&|label| usize::from(label) == class), width));
    let mut all = each.collect::<methods::Result<Vec<_>>>()?;
    all.push(Moments::of(&seen.features, width)?);
    let means: Vec<f32> = all.iter().flat_map(Moments::mean).map(|&x| x as f32).collect();
    let covariances: Vec<f32> = all.iter().flat_map(Moments::covariance).map(|&x| x as f32).collect();
    let mut state = State::default();
    state.tensors.insert("mean".into(), Tensor::from_slice(device, &[all.len(), width], &means)?);
    state.tensors.insert("covariance".into(), Tensor::from_slice(device, &[all.len(), width, width], &covariances)?);
    Ok(state.save(&folder.join(MOMENTS))?)
}

fn read_moments(path: &Path, device: &Device) -> anyhow::Result<Vec<Moments>> {
    let state = SavedState::read(path)?;
    let (means, covariances) = (state.tensor("mean", device)?, state.tensor("covariance", device)?);
    let &[count, width] = means.shape() else { return Err(misshaped(path).into()) };
    if covariances.shape() != [count, width, width] || count * width == 0 {
        return Err(misshaped(path).into());
    }
    let (means, covariances) = (means.to_f64()?, covariances.to_f64()?);
    if means.iter().chain(&covariances).any(|x| !x.is_finite()) {
        let what = "holds numbers that are not finite: train the judge again";
        return Err(Error::usage(format!("{} {what}", path.display())).into());
    }
    let each = means.chunks_exact(width).zip(covariances.chunks_exact(width * width));
    Ok(each.map(|(mean, all)| Moments::new(mean.to_vec(), all.to_vec())).collect::<methods::Result<_>>()?)
}

fn misshaped(path: &Path) -> Error {
    let what = "does not hold `mean` [classes + 1, d] and `covariance` [classes + 1, d, d] of the model beside it: train the judge again";
    Error::usage(format!("{} {what}", path.display()))
}

/// Whether the folder's model is a classifier. What cannot be read is told by who loads it.
pub fn is_in(folder: &Path) -> bool {
    let text = std::fs::read(folder.join(nn::checkpoint::CONFIG)).unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|config| config["architecture"] == Cnn::NAME)
}

fn uncalibrated(folder: &Path, error: &serde_json::Error) -> Error {
    let way_out = "give one that `consort train mnist-judge` made";
    Error::usage(format!("{} is a classifier without a known temperature ({error}): {way_out}", folder.display()))
}

/// For [`Classifier::see_split`]: images as they are.
pub fn unchanged(images: Tensor, _first: usize) -> anyhow::Result<Tensor> {
    Ok(images)
}
