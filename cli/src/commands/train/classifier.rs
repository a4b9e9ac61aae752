//! `consort train mnist-guide` and `mnist-judge`: classifiers of digits by cross-entropy on changed images.
//!
//! Both go through the same steps. Their presets differ: the guide sees noise, strokes, bars and what is not one digit, so
//! that its gradient leads to digits; the judge sees digits alone, and its confidence is what is reported.

use super::{MODEL, Run};
use crate::args::TrainClassifier;
use crate::classifier::{self, Exam};
use crate::plan::Rehearsal;
use crate::preset::{self, Augment, Preset};
use crate::training::augment::Augmentation;
use crate::training::{Objective, Order, Trainer};
use crate::{Error, Summary};
use autograd::Var;
use data::Mnist;
use methods::Noise;
use nn::{Architecture, Cnn, Init, Module};
use std::ops::Range;
use std::sync::Arc;
use tensor::{Device, Tensor};

/// `streams` is added to the seed.
pub(super) fn run<P>(method: &str, streams: u64, arguments: &TrainClassifier) -> anyhow::Result<Summary>
where
    P: Preset + Clone + Into<preset::Classifier>,
{
    let mut run = Run::<P>::open(method, &arguments.training, arguments.data.as_deref(), None)?;
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
    let order = Order::new(seed, used.len(), preset.batch);
    let (noise, how) = (Noise::new(seed), preset.augment);
    let mut trainer = Trainer::new(&network, preset.recipe())?;
    let (mnist, device) = (run.mnist.clone(), run.device.clone());
    let mut digits = Digits { mnist, device, used: used.clone(), order, noise, how, network: &network };
    if arguments.training.plan {
        let mut rehearsal = Rehearsal::new(&run.device);
        let updates = trainer.rehearse(&mut rehearsal, &mut digits)?;
        let classifier = classifier::Classifier::new(network, 1.0);
        let exam = Exam { classifier: &classifier, mnist: &run.mnist, device: &run.device, noise };
        let exam = exam.rehearse(&mut rehearsal, count - used.end)?;
        return Ok(rehearsal.summary(&run.record, updates.then(exam)));
    }
    let mut folder = run.train(&mut trainer, &mut digits)?;
    let dtype = arguments.training.export.dtype();
    super::round(&network, dtype)?;
    let classifier = classifier::Classifier::new(network, 1.0);
    let exam = Exam { classifier: &classifier, mnist: &run.mnist, device: &run.device, noise };
    let examined = exam.take(exam.fit_temperature(used.end..count)?)?;
    network = classifier.network;
    network.describe(super::object(&examined.described)?);
    folder.make(MODEL, |path| nn::save(path, &network, dtype))?;
    if examined.found.is_none() {
        let labels = &run.mnist.test.labels;
        classifier::write_moments(
            &folder.dir().join(MODEL),
            &examined.seen,
            labels,
            network.config().classes,
            &run.device,
        )?;
    }
    let lead = "A network learns to tell digits apart, whatever happens to their images.";
    let summary = run.finish(folder, lead, |report| Ok(examined.report(report)))?;
    Ok(examined.metrics(summary.metric("parameters", network.count())))
}

/// Digits that are to be told apart, whatever was done to them.
struct Digits<'n> {
    mnist: Arc<Mnist>,
    device: Device,
    used: Range<usize>,
    order: Order,
    noise: Noise,
    how: Augment,
    network: &'n Cnn,
}

impl Objective for Digits<'_> {
    fn inputs(&mut self, step: u64) -> anyhow::Result<Vec<Tensor>> {
        let Digits { used, how, noise, .. } = self;
        let augmentation = Augmentation { split: &self.mnist.train, used: used.clone(), how: *how, noise: *noise };
        let (images, classes) = augmentation.batch(&self.device, &self.order.batch(step), step)?;
        Ok(vec![images, classes])
    }

    fn loss(&self, inputs: &[Tensor]) -> anyhow::Result<Var> {
        let [images, classes] = inputs else { anyhow::bail!("{} tensors for an update of 2", inputs.len()) };
        Ok(self.network.logits(&Var::constant(images.clone()))?.cross_entropy(classes)?.mean()?)
    }
}
