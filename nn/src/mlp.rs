//! A multi-layer perceptron, with or without a sense of time: the network of problems with a few dimensions.

use crate::activation::Activation;
use crate::architecture::Architecture;
use crate::embedding::{TimeFeatures, TimestepEmbedding};
use crate::error::{Error, Result};
use crate::init::Init;
use crate::linear::Linear;
use crate::module::{Module, Visitor};
use crate::network::{Network, check_times};
use autograd::{Tensor, Var};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A perceptron's `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MlpConfig {
    /// Numbers in a sample.
    pub inputs: usize,
    /// Numbers in a result.
    pub outputs: usize,
    /// Widths of the layers between.
    pub hidden: Vec<usize>,
    /// Sines and cosines of the time, even; 0 for a network that is not told the time.
    pub time_features: usize,
    /// silu, mish, gelu or relu.
    pub activation: String,
    /// What this project adds, such as the process the model was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consort: Option<Map<String, Value>>,
}

impl Default for MlpConfig {
    fn default() -> MlpConfig {
        MlpConfig {
            inputs: 2,
            outputs: 2,
            hidden: vec![128; 3],
            time_features: 64,
            activation: "silu".into(),
            consort: None,
        }
    }
}

/// `h_i = f(W_i h_{i-1} + b_i + V_i e)` with `e` the embedded time, and a linear layer at the end.
pub struct Mlp {
    config: MlpConfig,
    activation: Activation,
    features: Option<TimeFeatures>,
    time_embedding: Option<TimestepEmbedding>,
    time_projections: Vec<Linear>,
    layers: Vec<Linear>,
}

impl Mlp {
    /// A new network.
    pub fn new(config: MlpConfig, init: &mut Init) -> Result<Mlp> {
        let widths: Vec<usize> =
            [config.inputs].into_iter().chain(config.hidden.clone()).chain([config.outputs]).collect();
        if widths.iter().any(|width| !(1..=1 << 20).contains(width))
            || widths.len() > 100
            || config.time_features > 1 << 16
        {
            return Err(Error::config(format!(
                "widths {widths:?}: up to 100 layers of 1 to {} numbers are offered",
                1 << 20
            )));
        }
        let activation = Activation::parse("activation", &config.activation)?;
        let timed = config.time_features > 0;
        let features = timed.then(|| TimeFeatures::new(init.device(), config.time_features, 0, false)).transpose()?;
        let embedding = config.hidden.first().copied().unwrap_or(0);
        let time_embedding = (timed && embedding > 0)
            .then(|| TimestepEmbedding::new(init, config.time_features, embedding))
            .transpose()?;
        let projections = if time_embedding.is_some() { &config.hidden[..] } else { &[] };
        let time_projections =
            projections.iter().map(|&width| Linear::new(init, embedding, width)).collect::<Result<_>>()?;
        let layers = widths.windows(2).map(|pair| Linear::new(init, pair[0], pair[1])).collect::<Result<_>>()?;
        Ok(Mlp { config, activation, features, time_embedding, time_projections, layers })
    }

    fn embedded(&self, timestep: &Tensor, like: &Var) -> Result<Option<Var>> {
        let (Some(features), Some(embedding)) = (&self.features, &self.time_embedding) else { return Ok(None) };
        let features = Var::constant(features.forward(timestep, like.dtype())?);
        self.activation.forward(&embedding.forward(&features)?).map(Some)
    }
}

impl Network for Mlp {
    /// `sample [n, ..]` of `inputs` numbers each: `[n, outputs]`, in the sample's own shape where the numbers are as many.
    fn forward(&self, sample: &Var, timestep: &Tensor) -> Result<Var> {
        check_times(sample, timestep)?;
        let &[samples, ref own @ ..] = sample.shape() else { return Err(self.misfit(sample)) };
        if own.iter().product::<usize>() != self.config.inputs {
            return Err(self.misfit(sample));
        }
        let time = self.embedded(timestep, sample)?;
        let mut h = sample.reshape(&[samples, self.config.inputs])?;
        for (i, layer) in self.layers.iter().enumerate() {
            h = layer.forward(&h)?;
            if let Some((time, projection)) = time.as_ref().zip(self.time_projections.get(i)) {
                h = h.add(&projection.forward(time)?)?;
            }
            if i + 1 < self.layers.len() {
                h = self.activation.forward(&h)?;
            }
        }
        if self.config.outputs == self.config.inputs { Ok(h.reshape(sample.shape())?) } else { Ok(h) }
    }
}

impl Mlp {
    fn misfit(&self, sample: &Var) -> Error {
        Error::argument(format!("the model takes samples of {} numbers, not {:?}", self.config.inputs, sample.shape()))
    }
}

impl Module for Mlp {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("time_embedding", &self.time_embedding);
        visitor.module("time_projections", &self.time_projections);
        visitor.module("layers", &self.layers);
    }
}

impl Architecture for Mlp {
    type Config = MlpConfig;
    const NAME: &'static str = "mlp";

    fn build(config: MlpConfig, init: &mut Init) -> Result<Mlp> {
        Mlp::new(config, init)
    }
    fn config(&self) -> &MlpConfig {
        &self.config
    }
}
