//! A network as a [`Denoiser`]: scaled on its way in and out, so that the clean estimate is what it gives.

use crate::denoiser::{Condition, Denoiser, Tabulated};
use crate::error::{Error, Result};
use crate::per_sample::per_sample;
use crate::prediction::{Prediction, Scaling};
use crate::process::{Level, Process};
use autograd::ops::pointwise::Function;
use autograd::{DType, Device, Tensor, Var};
use nn::Network;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a network was trained as: the key `consort` of its `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The noising it saw.
    pub process: Process,
    /// What it predicts.
    pub prediction: Prediction,
    /// Its time input is `time_scale` t, for the EDM process `time_scale` ln(t) / 4. Sinusoidal features with periods up to
    /// 10000 are all but constant over t in [0, 1]: 1000 there, 1 for a discrete process.
    #[serde(default = "one")]
    pub time_scale: f64,
    /// Clean estimates are clamped to [-clip, clip], as `clip_sample` of diffusers does for predicted noise; no gradient passes
    /// where that bites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl Training {
    /// The network's time input at `t`.
    fn time_input(&self, t: f64) -> f64 {
        let natural = if matches!(self.process, Process::Edm { .. }) { t.ln() / 4.0 } else { t };
        self.time_scale * natural
    }
}

/// What a network is told of the time of each row.
#[derive(Clone, Debug)]
pub struct RowTimes {
    /// Its time inputs `[n]`, f32.
    pub timestep: Tensor,
    /// Factors `[n, 1, ..]` of the state on its way in,
    pub input: Tensor,
    /// of the state beside the answer,
    pub skip: Tensor,
    /// and of the answer.
    pub out: Tensor,
}

/// A pretrained, or a growing, network.
#[derive(Clone)]
pub struct NetworkDenoiser {
    network: Arc<dyn Network>,
    training: Training,
    /// What the network computes in; states of another dtype are cast at the border.
    dtype: DType,
}

impl NetworkDenoiser {
    /// The network computes in the dtype of its first parameter.
    pub fn new(network: Arc<dyn Network>, training: Training) -> NetworkDenoiser {
        let dtype = network.parameters().first().map_or(DType::F32, |param| param.value().dtype());
        NetworkDenoiser { network, training, dtype }
    }

    /// The network.
    pub fn network(&self) -> &Arc<dyn Network> {
        &self.network
    }

    /// What it was trained as.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// The clean estimate of each row of `x` `[n, ..]` at its own time: what training asks for.
    pub fn denoise_each(&self, x: &Var, times: &[f64], condition: &Condition) -> Result<Var> {
        self.denoise_at(x, &self.at(x.value(), times)?, condition)
    }

    /// What [`NetworkDenoiser::denoise_at`] is told of `times`, one for each row of `like` `[n, ..]`.
    pub fn at(&self, like: &Tensor, times: &[f64]) -> Result<RowTimes> {
        if like.shape().first() != Some(&times.len()) {
            return Err(Error::argument(format!(
                "{} times for a state of shape {:?}; each row needs one",
                times.len(),
                like.shape()
            )));
        }
        let levels = times.iter().map(|&t| self.training.process.level(t)).collect::<Result<Vec<_>>>()?;
        let scalings = levels.iter().map(|level| self.scaling(level)).collect::<Result<Vec<_>>>()?;
        let factor = |of: fn(&Scaling) -> f64| per_sample(like, &scalings, of);
        Ok(RowTimes {
            timestep: self.timestep(like.device(), times)?,
            input: factor(|scaling| scaling.input)?,
            skip: factor(|scaling| scaling.skip)?,
            out: factor(|scaling| scaling.out)?,
        })
    }

    /// The clean estimate of each row of `x` at the times of which `at` tells.
    pub fn denoise_at(&self, x: &Var, at: &RowTimes, condition: &Condition) -> Result<Var> {
        let [input, skip, out] = [&at.input, &at.skip, &at.out].map(|factor| Var::constant(factor.clone()));
        let output = self.output(&x.mul(&input)?, at.timestep.clone(), condition)?;
        self.clipped(x.mul(&skip)?.add(&output.mul(&out)?)?)
    }

    fn scaling(&self, level: &Level) -> Result<Scaling> {
        let scaling = self.training.prediction.scaling(level);
        let finite = [scaling.input, scaling.skip, scaling.out].iter().all(|factor| factor.is_finite());
        finite.then_some(scaling).ok_or_else(|| {
            let Level { t, alpha, .. } = level;
            let what = format!(
                "{:?} cannot be turned into a clean estimate at t = {t}, where alpha = {alpha}; start below, or use another prediction",
                self.training.prediction
            );
            Error::argument(what)
        })
    }

    /// F(input), in the dtype of `input`; `timestep` `[n]` or `[1]`, f32.
    fn output(&self, input: &Var, timestep: Tensor, condition: &Condition) -> Result<Var> {
        if !matches!(condition, Condition::None) {
            return Err(Error::argument("this network takes no condition, and one was given"));
        }
        let output = self.network.forward(&input.cast(self.dtype)?, &timestep)?;
        if output.shape() != input.shape() {
            let what = format!(
                "the network answers {:?} to a state of shape {:?}; a denoiser's answer has the state's shape (a learned variance \
                 is not offered)",
                output.shape(),
                input.shape()
            );
            return Err(Error::argument(what));
        }
        Ok(output.cast(input.dtype())?)
    }

    fn timestep(&self, device: &Device, times: &[f64]) -> Result<Tensor> {
        let inputs: Vec<f32> = times.iter().map(|&t| self.training.time_input(t) as f32).collect();
        Ok(Tensor::from_slice(device, &[times.len()], &inputs)?)
    }

    fn clipped(&self, clean: Var) -> Result<Var> {
        match self.training.clip {
            Some(clip) => Ok(clean.map(Function::Clamp { min: -clip, max: clip })?),
            None => Ok(clean),
        }
    }
}

impl Denoiser for NetworkDenoiser {
    fn process(&self) -> &Process {
        &self.training.process
    }

    fn denoise(&self, x: &Var, t: f64, condition: &Condition) -> Result<Var> {
        let Scaling { input, skip, out } = self.scaling(&self.training.process.level(t)?)?;
        let scaled = if input == 1.0 { x.clone() } else { x.scale(input)? };
        let output = self.output(&scaled, self.timestep(x.device(), &[t])?, condition)?;
        self.clipped(Var::combine(&[(skip, x), (out, &output)])?)
    }

    fn tabulated(&self) -> Option<&dyn Tabulated> {
        Some(self)
    }
}

/// The numbers: the factor of the state, those of skip and output, the network's time input.
impl Tabulated for NetworkDenoiser {
    fn numbers(&self, t: f64) -> Result<Vec<f64>> {
        let Scaling { input, skip, out } = self.scaling(&self.training.process.level(t)?)?;
        Ok(vec![input, skip, out, self.training.time_input(t)])
    }

    fn denoise_by(&self, x: &Var, row: &Tensor, condition: &Condition) -> Result<Var> {
        let scaled = Var::combine_by(&row.narrow(0, 0, 1)?, &[x])?;
        let output = self.output(&scaled, row.narrow(0, 3, 1)?.cast(DType::F32)?, condition)?;
        self.clipped(Var::combine_by(&row.narrow(0, 1, 2)?, &[x, &output])?)
    }
}

#[cfg(test)]
mod tests;
