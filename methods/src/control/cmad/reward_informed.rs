//! The reward-informed control (paper 000, eq. 14):
//!
//!   u = NN1(x, Y, pull, t) + NN2(t) pull,   NN1 = g(t) STEP n1(x, Y, PULL pull, t),   NN2 = g(t) c(t) m(t)
//!
//! n1 is a network of inputs and outputs of about unit size, which it would otherwise have to learn: a gradient is about
//! 1/10 a pixel, and controls that follow it are in proportion to g.
//! m is a small network of the time that starts constant and below 0, so that the control descends Psi from the first
//! step. c(t) = alpha v / (alpha^2 v + sigma^2) is how far the clean estimate of Gaussian data of variance v moves with the
//! state: with it, m = -s comes close to CDPS of scale s without differentiating the score network. NN1 starts at zero.

use super::control::{Control, See};
use crate::error::{Error, Result};
use autograd::{DType, Tensor, Var};
use nn::{Init, Linear, Module, Network, TimeFeatures, TimestepEmbedding, UNet2D, UNet2DConfig, Visitor};
use serde::{Deserialize, Serialize};

/// Width of m's features and of its hidden layers.
const FEATURES: usize = 32;

/// What NN1 is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// `[x, Y, pull]`, as published.
    Published,
    /// Those, the agent's clean estimate and the object of all of them: what the look-ahead has computed anyway, and what
    /// a network of this size cannot make out in noise.
    LookAhead,
}

impl Sight {
    /// Images of a state's channels.
    pub fn inputs(self) -> usize {
        match self {
            Sight::Published => 3,
            Sight::LookAhead => 5,
        }
    }
}

/// What the gradient is multiplied with where the network sees it.
const PULL: f64 = 10.0;
/// What the network's output is multiplied with, beside g.
const STEP: f64 = 0.3;

/// How much faster NN2 learns than a network whose outputs are of its parameters' size.
const QUICK: f64 = 10.0;

/// How NN2 starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// s, at least 0: m starts at -s.
    pub scale: f64,
    /// v, of one pixel of the data.
    pub data_variance: f64,
    /// What both networks are told the time is at t = 1. Their time features tell times apart that differ by 1.
    pub time_scale: f64,
}

/// See the module.
pub struct RewardInformed {
    correction: Box<dyn Network>,
    sight: Sight,
    gain: TimeGain,
    descent: Descent,
    /// Of `correction`.
    dtype: DType,
}

impl RewardInformed {
    /// `correction` takes what `sight` says, along the channels, to the channels of x; its last layer `last` is set to zero.
    pub fn new(
        correction: Box<dyn Network>,
        last: &str,
        sight: Sight,
        descent: Descent,
        init: &mut Init,
    ) -> Result<RewardInformed> {
        if !(descent.scale >= 0.0 && descent.data_variance > 0.0 && descent.time_scale.is_finite()) {
            return Err(Error::argument(format!(
                "{descent:?}: a scale of at least 0 and a variance above 0 are taken"
            )));
        }
        let dtype = silence(&*correction, last)?;
        Ok(RewardInformed { correction, sight, gain: TimeGain::new(init)?, descent, dtype })
    }

    /// As both networks are told it, `[1]`.
    fn time(&self, see: &See) -> Result<Tensor> {
        Ok(Tensor::full(see.state.device(), DType::F64, &[1], see.row.t * self.descent.time_scale)?)
    }

    /// With a U-Net as NN1, such as [`small_unet`].
    pub fn unet(config: UNet2DConfig, sight: Sight, descent: Descent, init: &mut Init) -> Result<RewardInformed> {
        RewardInformed::new(Box::new(UNet2D::new(config, init)?), "conv_out", sight, descent, init)
    }
}

/// NN1 for states of `channels` channels, height and width multiples of 4: 16, 32 and 32 channels, attention in the middle.
pub fn small_unet(channels: usize) -> UNet2DConfig {
    let names = |names: [&str; 3]| names.map(String::from).to_vec();
    UNet2DConfig {
        in_channels: 3 * channels,
        out_channels: channels,
        layers_per_block: 1,
        block_out_channels: vec![16, 32, 32],
        down_block_types: names(["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"]),
        up_block_types: names(["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"]),
        norm_num_groups: 8,
        ..UNet2DConfig::default()
    }
}

/// Sets a layer's weight and bias to zero; answers their dtype.
fn silence(network: &dyn Network, layer: &str) -> Result<DType> {
    let mut all = network.named_parameters();
    all.retain(|(name, _)| name.strip_prefix(layer).is_some_and(|rest| rest == ".weight" || rest == ".bias"));
    for (_, param) in &all {
        let value = param.value();
        param.set(Tensor::zeros(value.device(), value.dtype(), value.shape())?)?;
    }
    match all.first() {
        Some((_, param)) => Ok(param.value().dtype()),
        None => Err(Error::argument(format!("the control's network has no layer `{layer}` to start from zero"))),
    }
}

impl Control for RewardInformed {
    fn act(&self, see: &See) -> Result<Var> {
        let (state, row) = (see.state, see.row);
        let variance = self.descent.data_variance;
        let moves = row.alpha * variance / (row.alpha * row.alpha * variance + row.sigma * row.sigma);
        let gain = self.gain.at(&self.time(see)?, self.descent.scale)?.scale(row.g * moves)?.cast(state.dtype())?;
        Ok(self.recall(see)?.add(&see.pull.mul(&gain)?)?)
    }

    /// NN1. The gain stays for what NN1 leaves undone.
    fn recall(&self, see: &See) -> Result<Var> {
        let (state, pull) = (see.state, see.pull.scale(PULL)?);
        let all = [state, see.aggregate, &pull, see.clean, see.outlook];
        let seen = Var::concat(&all[..self.sight.inputs()], 1)?.cast(self.dtype)?;
        let correction = self.correction.forward(&seen, &self.time(see)?)?.reshape(state.shape())?;
        Ok(correction.cast(state.dtype())?.scale(see.row.g * STEP)?)
    }
}

impl Module for RewardInformed {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("correction", &self.correction);
        visitor.module("gain", &self.gain);
    }
}

/// m(t) = s (QUICK n(t) - 1) with n a small network that starts at zero: its steps are in units of s, however large that
/// is, and QUICK times those of a network of Adam's, for which a change of the gain by half is a long way.
struct TimeGain {
    features: TimeFeatures,
    embedding: TimestepEmbedding,
    out: Linear,
}

impl TimeGain {
    fn new(init: &mut Init) -> Result<TimeGain> {
        Ok(TimeGain {
            features: TimeFeatures::new(init.device(), FEATURES, 0, false)?,
            embedding: TimestepEmbedding::new(init, FEATURES, FEATURES)?,
            out: Linear { weight: init.constant(&[1, FEATURES], 0.0)?, bias: init.constant(&[1], 0.0)? },
        })
    }

    /// m at one time `[1]`, for s = `scale`: `[]`. Without a scale, n itself.
    fn at(&self, time: &Tensor, scale: f64) -> Result<Var> {
        let features = Var::constant(self.features.forward(time, self.out.bias.value().dtype())?);
        let learned = self.out.forward(&self.embedding.forward(&features)?.silu()?)?.reshape(&[])?;
        if scale == 0.0 { Ok(learned) } else { Ok(learned.scale(QUICK)?.shift(-1.0)?.scale(scale)?) }
    }
}

impl Module for TimeGain {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("embedding", &self.embedding);
        visitor.module("out", &self.out);
    }
}
