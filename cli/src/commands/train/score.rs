//! `consort train mnist-score`: a denoiser of digits by denoising score matching.
//!
//! The network sees the state at unit variance and predicts what is left of the clean image, at unit variance too, so its
//! loss is the plain squared error of what it predicts, bounded at every noise level.

use super::{MODEL, Run};
use crate::args::TrainScore;
use crate::plan::Rehearsal;
use crate::preset::MnistScore;
use crate::training::{Objective, Order, Trainer, images};
use crate::{Error, Summary, models};
use autograd::Var;
use data::Mnist;
use methods::score_matching::{Noised, Part, ScoreMatching, Times, Weight};
use methods::{Condition, NetworkDenoiser, Noise, Prediction, Process, RowTimes, Training};
use nn::{Architecture, Init, Module, UNet2D, UNet2DConfig};
use std::sync::Arc;
use tensor::{Device, Tensor};

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
    let (noise, order) = (Noise::new(seed), Order::new(seed, run.mnist.train.len(), run.preset.batch));
    let mut trainer = Trainer::new(&*network, run.preset.recipe())?;
    let mut digits = Digits { mnist: run.mnist.clone(), device: run.device.clone(), order, noise, matching, denoiser };
    if arguments.training.plan {
        let mut rehearsal = Rehearsal::new(&run.device);
        let updates = trainer.rehearse(&mut rehearsal, &mut digits)?;
        return Ok(rehearsal.summary(&run.record, updates));
    }
    let mut folder = run.train(&mut trainer, &mut digits)?;
    folder.make(MODEL, |path| nn::save(path, &*network, arguments.training.export.dtype()))?;
    let lead = "A network learns to find the clean image in a noisy one, at every level of noise.";
    Ok(run.finish(folder, lead, Ok)?.metric("parameters", network.count()))
}

/// Noised digits, whose clean images are to be found.
struct Digits {
    mnist: Arc<Mnist>,
    device: Device,
    order: Order,
    noise: Noise,
    matching: ScoreMatching,
    denoiser: NetworkDenoiser,
}

impl Objective for Digits {
    fn inputs(&mut self, step: u64) -> anyhow::Result<Vec<Tensor>> {
        let clean = images::batch(&self.device, &self.mnist.train, &self.order.batch(step))?;
        let part = Part { step: step as usize, first: 0, of: clean.shape()[0] };
        let Noised { x, clean, times, weights, .. } = self.matching.noised(&clean, &self.noise, part)?;
        let RowTimes { timestep, input, skip, out } = self.denoiser.at(&x, &times)?;
        Ok(vec![x, clean, weights, timestep, input, skip, out])
    }

    fn loss(&self, inputs: &[Tensor]) -> anyhow::Result<Var> {
        let [x, clean, weights, timestep, input, skip, out] = inputs else {
            anyhow::bail!("{} tensors for an update of 7", inputs.len());
        };
        let [timestep, input, skip, out] = [timestep, input, skip, out].map(Tensor::clone);
        let at = RowTimes { timestep, input, skip, out };
        let estimate = self.denoiser.denoise_at(&Var::constant(x.clone()), &at, &Condition::None)?;
        let of = weights.count();
        let noised = Noised { x: x.clone(), clean: clean.clone(), times: vec![], weights: weights.clone(), of };
        Ok(noised.loss(&estimate)?)
    }
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
