//! Trainings on digits.

use super::{Preset, Schedule, batch_size, channels, counts, fractions, not_negative, positive, unet};
use crate::training::Recipe;
use nn::{Adam, CnnConfig, UNet2DConfig};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// Updates over which it rises.
    pub warm_up: u64,
    /// How it goes from there.
    pub schedule: Schedule,
    /// What the weights lose an update, in units of the learning rate.
    pub weight_decay: f64,
    /// Largest norm of the gradient; a longer one is scaled down to it.
    pub clip: f64,
    /// What the moving average of the weights keeps an update.
    pub ema: f64,
    /// Seconds between checkpoints.
    pub checkpoint_every: f64,
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
    pub fn config(&self) -> UNet2DConfig {
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
        batch_size(self.batch)?;
        counts(&[("network.layers", *layers)])?;
        check(&self.recipe())?;
        channels("network.channels", levels, *groups)?;
        if attention.len() != levels.len() {
            let (got, want) = (attention.len(), levels.len());
            return Err(format!("`network.attention` has {got} entries for {want} levels, give one for each"));
        }
        self.network.config().check().map_err(|error| format!("network: {error}"))
    }
}

impl MnistScore {
    /// What it has in common with other trainings.
    pub fn recipe(&self) -> Recipe {
        let MnistScore { steps, lr, warm_up, schedule, weight_decay, clip, ema, checkpoint_every, .. } = *self;
        let adam = Adam { weight_decay, ..Adam::default() };
        Recipe {
            steps,
            lr,
            schedule: schedule.over(steps, warm_up),
            adam,
            clip,
            ema,
            checkpoint_every: seconds(checkpoint_every),
        }
    }
}

/// A classifier of digits by cross-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Images an update.
    pub batch: usize,
    /// Updates.
    pub steps: u64,
    /// Adam's learning rate.
    pub lr: f64,
    /// Updates over which it rises.
    pub warm_up: u64,
    /// How it goes from there.
    pub schedule: Schedule,
    /// What the weights lose an update, in units of the learning rate.
    pub weight_decay: f64,
    /// Largest norm of the gradient; a longer one is scaled down to it.
    pub clip: f64,
    /// What the moving average of the weights keeps an update.
    pub ema: f64,
    /// Seconds between checkpoints.
    pub checkpoint_every: f64,
    /// Images of the training set that only the temperature is fitted on.
    pub held_out: usize,
    /// What is trained.
    pub network: ClassifierNetwork,
    /// How images are changed before the network sees them.
    pub augment: Augment,
}

/// Convolutions with pooling between the levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierNetwork {
    /// Channels a level, each at half the size of the one before.
    pub channels: Vec<usize>,
    /// Convolutions a level.
    pub layers: usize,
    /// Groups of the norms.
    pub groups: usize,
}

/// Random changes of images. Each is drawn for every image anew, up to the figure given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Pixels by which images are moved, in either direction.
    pub shift: f64,
    /// Degrees by which they are turned.
    pub rotate: f64,
    /// By what part they become larger or smaller.
    pub scale: f64,
    /// The share whose strokes are made thicker or thinner.
    pub strokes: f64,
    /// The share over which bars or blocks are drawn.
    pub bars: f64,
    /// Standard deviation of the noise that is added, where white is 1 and black -1.
    pub noise: f64,
    /// The share that is replaced by what is not one digit, an eleventh class. Without it there are ten.
    pub none: f64,
}

impl Classifier {
    /// The configuration of the network.
    pub fn config(&self) -> CnnConfig {
        let ClassifierNetwork { channels, layers, groups } = &self.network;
        let classes = if self.augment.none > 0.0 { 11 } else { 10 };
        let channels = channels.clone();
        CnnConfig { in_channels: 1, channels, layers_per_level: *layers, groups: *groups, classes, consort: None }
    }

    /// What it has in common with other trainings.
    pub fn recipe(&self) -> Recipe {
        let Classifier { steps, lr, warm_up, schedule, weight_decay, clip, ema, checkpoint_every, .. } = *self;
        let adam = Adam { weight_decay, ..Adam::default() };
        Recipe {
            steps,
            lr,
            schedule: schedule.over(steps, warm_up),
            adam,
            clip,
            ema,
            checkpoint_every: seconds(checkpoint_every),
        }
    }

    fn check(&self) -> Result<(), String> {
        let ClassifierNetwork { channels: levels, layers, groups } = &self.network;
        let Augment { shift, rotate, scale, strokes, bars, noise, none } = self.augment;
        batch_size(self.batch)?;
        counts(&[("network.layers", *layers), ("held_out", self.held_out)])?;
        check(&self.recipe())?;
        channels("network.channels", levels, *groups)?;
        not_negative(&[("augment.shift", shift), ("augment.rotate", rotate), ("augment.noise", noise)])?;
        fractions(&[
            ("augment.scale", scale),
            ("augment.none", none),
            ("augment.strokes", strokes),
            ("augment.bars", bars),
        ])
    }
}

/// `consort train mnist-guide`: the classifier whose gradient steers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MnistGuide(pub Classifier);

impl From<MnistGuide> for Classifier {
    fn from(preset: MnistGuide) -> Classifier {
        preset.0
    }
}

impl Preset for MnistGuide {
    const BUILT_IN: &'static [(&'static str, &'static str)] =
        &[("small", include_str!("../../presets/mnist-guide/small.toml"))];

    fn check(&self) -> Result<(), String> {
        self.0.check()
    }
}

/// `consort train mnist-judge`: the classifier that judges, never used to steer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MnistJudge(pub Classifier);

impl From<MnistJudge> for Classifier {
    fn from(preset: MnistJudge) -> Classifier {
        preset.0
    }
}

impl Preset for MnistJudge {
    const BUILT_IN: &'static [(&'static str, &'static str)] =
        &[("small", include_str!("../../presets/mnist-judge/small.toml"))];

    fn check(&self) -> Result<(), String> {
        self.0.check()
    }
}

fn check(recipe: &Recipe) -> Result<(), String> {
    let Recipe { steps, lr, adam, clip, ema, checkpoint_every, .. } = *recipe;
    counts(&[("steps", usize::try_from(steps).unwrap_or(usize::MAX))])?;
    positive(&[("lr", lr), ("clip", clip)])?;
    not_negative(&[("weight_decay", adam.weight_decay)])?;
    fractions(&[("ema", ema)])?;
    if checkpoint_every == Duration::MAX {
        Err("`checkpoint_every` is no number of seconds, give 60 or so".into())
    } else {
        Ok(())
    }
}

/// [`Duration::MAX`] where there is no such span.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
