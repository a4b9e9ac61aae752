//! `consort train mnist-score`: a denoiser of digits by denoising score matching.
//!
//! The network sees the state at unit variance and predicts what is left of the clean image, at unit variance too, so its
//! loss is the plain squared error of what it predicts, bounded at every noise level.

use super::{MODEL, Run};
use crate::args::TrainScore;
use crate::plan::Rehearsal;
use crate::preset::MnistScore;
use crate::training::{Order, Trainer, images};
use crate::{Error, Summary, models};
use autograd::Var;
use data::Mnist;
use methods::score_matching::{Part, ScoreMatching, Times, Weight};
use methods::{Condition, NetworkDenoiser, Noise, Prediction, Process, Training};
use nn::{Architecture, Init, Module, UNet2D, UNet2DConfig};
use std::sync::Arc;
use tensor::Device;

pub(super) fn run(arguments: &TrainScore) -> anyhow::Result<Summary> {
    let mut run = Run::<MnistScore>::open(
        "mnist-score",
        &arguments.training,
        arguments.data.as_deref(),
        arguments.from.as_deref(),
    )?;
    let seed = run.record.seed;
    let prediction = Prediction::Preconditioned { data_std: images::deviation(&run.mnist.train)? };
    let training = Training { process: Process::variance_preserving(), prediction, time_scale: 1000.0, clip: None };
    let config = UNet2DConfig { consort: Some(super::object(&training)?), ..run.preset.network.config() };
    let network = Arc::new(match &run.from {
        None => UNet2D::new(config, &mut Init::seeded(&run.device, seed))?,
        Some(model) => begin_with(model, &config, &run.device)?,
    });
    let denoiser = NetworkDenoiser::new(network.clone(), training.clone());
    let times = Times::Uniform { stratified: true };
    let matching = ScoreMatching { process: training.process, times, weight: Weight::Prediction(prediction) };
    let (noise, mut order) = (Noise::new(seed), Order::new(seed, run.mnist.train.len(), run.preset.batch));
    let mut trainer = Trainer::new(&*network, run.preset.recipe())?;
    let mut loss = |mnist: &Mnist, device: &Device, step: u64| {
        let clean = images::batch(device, &mnist.train, &order.batch(step))?;
        let part = Part { step: step as usize, first: 0, of: clean.shape()[0] };
        let noised = matching.noised(&clean, &noise, part)?;
        let estimate = denoiser.denoise_each(&Var::constant(noised.x.clone()), &noised.times, &Condition::None)?;
        Ok(noised.loss(&estimate)?)
    };
    if arguments.training.plan {
        let mut rehearsal = Rehearsal::new(&run.device);
        let updates = trainer.rehearse(&mut rehearsal, |step| loss(&run.mnist, &run.device, step))?;
        return Ok(rehearsal.summary(&run.record, updates));
    }
    let mut folder = run.train(&mut trainer, loss)?;
    folder.make(MODEL, |path| nn::save(path, &*network, arguments.training.export.dtype()))?;
    let lead = "A network learns to find the clean image in a noisy one, at every level of noise.";
    Ok(run.finish(folder, lead, Ok)?.metric("parameters", network.count()))
}

/// A trained network of the same configuration, to be trained on.
fn begin_with(model: &str, config: &UNet2DConfig, device: &Device) -> anyhow::Result<UNet2D> {
    let folder = models::find(model, None)?;
    let network: UNet2D = nn::load(&folder, device)?;
    if network.config() != config {
        let what = "is another network than this training's, or was trained on other data: set `network` as it was";
        return Err(Error::usage(format!("{} {what}", folder.display())).into());
    }
    Ok(network)
}
