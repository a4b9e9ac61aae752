//! A small convolutional classifier of images, such as handwritten digits.

use crate::architecture::Architecture;
use crate::conv::Conv2d;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::linear::Linear;
use crate::module::{Module, Visitor};
use crate::norm::GroupNorm;
use crate::resample::halved;
use autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A classifier's `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CnnConfig {
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of each level; between levels the image is halved.
    pub channels: Vec<usize>,
    /// Convolutions in each level.
    pub layers_per_level: usize,
    /// Groups of the norms; divides all channels of levels.
    pub groups: usize,
    /// How many classes there are.
    pub classes: usize,
    /// What this project adds, such as the accuracy that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consort: Option<Map<String, Value>>,
}

impl Default for CnnConfig {
    fn default() -> CnnConfig {
        CnnConfig {
            in_channels: 1,
            channels: vec![32, 64, 128],
            layers_per_level: 2,
            groups: 8,
            classes: 10,
            consort: None,
        }
    }
}

/// Convolution, group norm, SiLU.
struct Layer {
    conv: Conv2d,
    norm: GroupNorm,
}

/// Levels of layers with average pooling between, the mean over what is left of the image, and a linear layer.
pub struct Cnn {
    config: CnnConfig,
    levels: Vec<Vec<Layer>>,
    head: Linear,
}

impl Cnn {
    /// A new classifier.
    pub fn new(config: CnnConfig, init: &mut Init) -> Result<Cnn> {
        let CnnConfig { in_channels, ref channels, layers_per_level, groups, classes, .. } = config;
        let fits = |x: usize| (1..=1 << 16).contains(&x);
        let grouped = groups > 0 && channels.iter().all(|&c| fits(c) && c.is_multiple_of(groups));
        if !grouped || channels.is_empty() || channels.len() > 16 || !(1..=64).contains(&layers_per_level) {
            let what = format!(
                "`channels`: {channels:?} with `groups`: {groups} and `layers_per_level`: {layers_per_level}; there must be 1 to \
                 16 levels of channels that the groups divide, and 1 to 64 layers in each"
            );
            return Err(Error::config(what));
        }
        if !fits(in_channels) || !fits(classes) {
            let what =
                format!("`in_channels`: {in_channels} and `classes`: {classes} must be between 1 and {}", 1 << 16);
            return Err(Error::config(what));
        }
        let mut inputs = in_channels;
        let mut levels = Vec::with_capacity(channels.len());
        for &outputs in channels {
            let mut level = Vec::with_capacity(layers_per_level);
            for _ in 0..layers_per_level {
                let conv = Conv2d::same(init, inputs, outputs)?;
                level.push(Layer { conv, norm: GroupNorm::new(init, groups, outputs, 1e-5)? });
                inputs = outputs;
            }
            levels.push(level);
        }
        let head = Linear::new(init, inputs, classes)?;
        Ok(Cnn { config, levels, head })
    }

    /// The same network with other words about it in its configuration.
    pub fn describe(&mut self, consort: Map<String, Value>) {
        self.config.consort = Some(consort);
    }

    /// The penultimate vector: images `[n, in_channels, h, w]`, at least as large as the halvings need, to
    /// `[n, channels of the last level]`.
    pub fn features(&self, images: &Var) -> Result<Var> {
        let least = 1 << (self.levels.len() - 1);
        let fits = matches!(*images.shape(), [_, c, h, w] if c == self.config.in_channels && h >= least && w >= least);
        if !fits {
            let (want, got) = (self.config.in_channels, images.shape());
            let what =
                format!("the classifier takes images [n, {want}, h, w] of at least {least}x{least}, not {got:?}");
            return Err(Error::argument(what));
        }
        let mut h = images.clone();
        for (i, level) in self.levels.iter().enumerate() {
            if i > 0 {
                h = halved(&h)?;
            }
            for layer in level {
                h = layer.norm.forward_silu(&layer.conv.forward(&h)?)?;
            }
        }
        Ok(h.mean_keep(&[2, 3])?.reshape(&h.shape()[..2])?)
    }

    /// Scores of the classes before the softmax: `[n, classes]`.
    pub fn logits(&self, images: &Var) -> Result<Var> {
        self.classify(&self.features(images)?)
    }

    /// Scores from what [`Cnn::features`] answered.
    pub fn classify(&self, features: &Var) -> Result<Var> {
        self.head.forward(features)
    }
}

impl Module for Layer {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("conv", &self.conv);
        visitor.module("norm", &self.norm);
    }
}

impl Module for Cnn {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("levels", &self.levels);
        visitor.module("head", &self.head);
    }
}

impl Architecture for Cnn {
    type Config = CnnConfig;
    const NAME: &'static str = "cnn";

    fn build(config: CnnConfig, init: &mut Init) -> Result<Cnn> {
        Cnn::new(config, init)
    }
    fn config(&self) -> &CnnConfig {
        &self.config
    }
}
