//! Trainings on digits.

use super::{Preset, Schedule, channels, counts, fractions, not_negative, positive, unet};
use serde::{Deserialize, Serialize};

/// `consort train mnist-score`: a denoiser by denoising score matching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MnistScore {
    /// Images an update.
    pub batch: usize,
    /// Updates.
    pub steps: u64,
    /// Adam's learning rate.
    pub lr: f64,
    /// Updates over which it rises from 0.
    pub warm_up: u64,
    /// How it goes from there.
    pub schedule: Schedule,
    /// Largest norm of the gradient; a longer one is scaled down to it.
    pub clip: f64,
    /// What the moving average of the weights keeps an update.
    pub ema: f64,
    /// Updates between checkpoints.
    pub checkpoint_every: u64,
    /// What is trained.
    pub network: ScoreNetwork,
}

/// A U-Net on 28 x 28.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreNetwork {
    /// Channels a level, each at half the size of the one before.
    pub channels: Vec<usize>,
    /// Whether a level has attention; the middle always has.
    pub attention: Vec<bool>,
    /// Residual blocks a level.
    pub layers: usize,
    /// Groups of the norms.
    pub groups: usize,
    /// Channels of a head of attention; 0 for one head of all.
    pub head: usize,
}

impl ScoreNetwork {
    /// The configuration of the network.
    pub fn config(&self) -> nn::UNet2DConfig {
        unet(1, &self.channels, &self.attention, self.layers, self.groups, self.head)
    }
}

impl Preset for MnistScore {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("small", include_str!("../../presets/mnist-score/small.toml")),
        ("paper", include_str!("../../presets/mnist-score/paper.toml")),
    ];

    fn check(&self) -> Result<(), String> {
        let ScoreNetwork { channels: levels, attention, layers, groups, .. } = &self.network;
        counts(&[("batch", self.batch), ("network.layers", *layers)])?;
        counts(&[("steps", self.steps as usize), ("checkpoint_every", self.checkpoint_every as usize)])?;
        positive(&[("lr", self.lr), ("clip", self.clip)])?;
        fractions(&[("ema", self.ema)])?;
        channels("network.channels", levels, *groups)?;
        if attention.len() != levels.len() {
            let (got, want) = (attention.len(), levels.len());
            return Err(format!("`network.attention` has {got} entries for {want} levels, give one for each"));
        }
        self.network.config().check().map_err(|error| format!("network: {error}"))
    }
}

/// `consort train mnist-guide`: the classifier whose gradient steers, an MLP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MnistGuide {
    /// Images an update.
    pub batch: usize,
    /// Passes over the data.
    pub epochs: u64,
    /// Adam's learning rate.
    pub lr: f64,
    /// How it goes.
    pub schedule: Schedule,
    /// What the weights lose an update, in units of the learning rate.
    pub weight_decay: f64,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
}

impl MnistGuide {
    /// The configuration of the network.
    pub fn config(&self) -> nn::MlpConfig {
        let (hidden, activation) = (self.hidden.clone(), "relu".into());
        nn::MlpConfig { inputs: 784, outputs: 10, hidden, time_features: 0, activation, consort: None }
    }
}

impl Preset for MnistGuide {
    const BUILT_IN: &'static [(&'static str, &'static str)] =
        &[("small", include_str!("../../presets/mnist-guide/small.toml"))];

    fn check(&self) -> Result<(), String> {
        counts(&[("batch", self.batch), ("epochs", self.epochs as usize)])?;
        self.hidden.iter().try_for_each(|&width| counts(&[("hidden", width)]))?;
        positive(&[("lr", self.lr)])?;
        not_negative(&[("weight_decay", self.weight_decay)])
    }
}

/// `consort train mnist-judge`: the classifier that judges, convolutional, never used to steer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MnistJudge {
    /// Images an update.
    pub batch: usize,
    /// Passes over the data.
    pub epochs: u64,
    /// Adam's learning rate.
    pub lr: f64,
    /// How it goes.
    pub schedule: Schedule,
    /// What the weights lose an update, in units of the learning rate.
    pub weight_decay: f64,
    /// Pixels by which images are shifted at random, at most.
    pub shift: usize,
    /// Channels a level, each at half the size of the one before; the last are the features.
    pub channels: Vec<usize>,
    /// Convolutions a level.
    pub layers: usize,
    /// Groups of the norms.
    pub groups: usize,
}

impl MnistJudge {
    /// The configuration of the network.
    pub fn config(&self) -> nn::CnnConfig {
        let (channels, layers_per_level, groups) = (self.channels.clone(), self.layers, self.groups);
        nn::CnnConfig { in_channels: 1, channels, layers_per_level, groups, classes: 10, consort: None }
    }
}

impl Preset for MnistJudge {
    const BUILT_IN: &'static [(&'static str, &'static str)] =
        &[("small", include_str!("../../presets/mnist-judge/small.toml"))];

    fn check(&self) -> Result<(), String> {
        counts(&[("batch", self.batch), ("epochs", self.epochs as usize), ("layers", self.layers)])?;
        positive(&[("lr", self.lr)])?;
        not_negative(&[("weight_decay", self.weight_decay)])?;
        channels("channels", &self.channels, self.groups)
    }
}
