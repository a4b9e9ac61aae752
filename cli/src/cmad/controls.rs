//! A folder of trained controls: one for each agent, whose pixels are whose, and what they were trained for.

use super::SIDE;
use super::ensemble::Terms;
use crate::Error;
use crate::preset::{AlphaSchedule, ControlNetwork, CostTerms};
use methods::control::cmad::{Aggregator, Control, Descent, RewardInformed, Sight, Weights};
use methods::cost::SeamMap;
use nn::{Architecture, Init, Module, Param, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use tensor::Tensor;

/// What a folder's `config.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControlsConfig {
    /// Agents, each with a control.
    pub agents: usize,
    /// The digit they make.
    pub target: u8,
    /// Each control's network.
    pub network: ControlNetwork,
    /// Where the gain on the gradient started.
    pub descent: f64,
    /// Variance of a pixel of the data.
    pub data_variance: f64,
    /// What networks are told of a time is the time times this.
    pub time_scale: f64,
    /// Whether the masks are logits that were learned.
    pub learned_masks: bool,
    /// What the object was to be.
    pub cost: CostTerms,
    /// Weights of control energy as a sum, one for each agent.
    pub lambda: Vec<f64>,
    /// Weight of the running cost.
    pub alpha: f64,
    /// How it went over time.
    pub alpha_schedule: AlphaSchedule,
    /// What else is said of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consort: Option<Map<String, Value>>,
}

impl Default for ControlsConfig {
    fn default() -> ControlsConfig {
        ControlsConfig {
            agents: 1,
            target: 0,
            network: ControlNetwork { sight: Sight::Published, channels: vec![8], layers: 1, groups: 8, head: 8 },
            descent: 0.0,
            data_variance: 1.0,
            time_scale: 1000.0,
            learned_masks: false,
            cost: CostTerms { beta: 0.0, gamma: 0.0, epsilon: 1e-3 },
            lambda: vec![1.0],
            alpha: 0.0,
            alpha_schedule: AlphaSchedule::Constant,
            consort: None,
        }
    }
}

/// Controls of all agents.
pub struct Controls {
    config: ControlsConfig,
    all: Vec<Arc<dyn Control>>,
    /// `[agents, 1, 28, 28]`: weights that add up to 1, or logits of those.
    masks: Param,
    /// `[28, 28]`: who owned each pixel before masks were learned; the seams of the cost are between those.
    owners: Param,
}

/// Logits of learned masks start from 0 and this.
const SHARPNESS: f64 = 3.0;

impl Controls {
    /// Controls before training, with the masks of `start`.
    pub fn new(config: ControlsConfig, start: &Aggregator, init: &mut Init) -> anyhow::Result<Controls> {
        let controls = Controls::build(config, init)?;
        let masks = if controls.config.learned_masks { Aggregator::learned(start, SHARPNESS)? } else { start.clone() };
        let masks = match masks {
            Aggregator::Learned { logits } => logits.value(),
            Aggregator::Masks { masks } => Tensor::concat(&masks.iter().collect::<Vec<_>>(), 0)?,
            Aggregator::Stack { .. } => {
                return Err(Error::usage("controls of stacked agents are not kept in folders: give masks").into());
            }
        };
        controls.masks.set(masks.reshape(&controls.masks.shape())?)?;
        let owners: Vec<f32> = start.owners([SIDE; 2])?.into_iter().map(|owner| owner as f32).collect();
        controls.owners.set(Tensor::from_slice(init.device(), &[SIDE, SIDE], &owners)?)?;
        Ok(controls)
    }

    /// Goes on from controls that were trained for something else; masks stay. With another descent than theirs, the gain
    /// on the gradient is scaled to it. An error where networks differ.
    pub fn start_from(&self, other: &Controls) -> anyhow::Result<()> {
        let form =
            |ControlsConfig { agents, network, .. }: &ControlsConfig| format!("{agents} agents with {network:?}");
        let (own, given) = (form(&self.config), form(&other.config));
        if own != given {
            let what = format!("controls of {given} cannot become those of {own}");
            return Err(Error::usage(format!("--from: {what}: give others, or leave it out")).into());
        }
        let pairs = self.all.parameters().into_iter().zip(other.all.parameters());
        Ok(pairs.into_iter().try_for_each(|(param, value)| param.set(value.value()))?)
    }

    /// Each agent's.
    pub fn all(&self) -> &[Arc<dyn Control>] {
        &self.all
    }

    /// Whose pixels are whose. Learned masks are this module's own parameter.
    pub fn aggregator(&self) -> anyhow::Result<Aggregator> {
        if self.config.learned_masks {
            return Ok(Aggregator::Learned { logits: self.masks.clone() });
        }
        // Masks that were written as bf16 add up to 1 only nearly.
        let (agents, pixels) = (self.config.agents, SIDE * SIDE);
        let mut masks: Vec<Vec<f32>> =
            self.masks.value().to_vec::<f32>()?.chunks(pixels).map(<[f32]>::to_vec).collect();
        for pixel in 0..pixels {
            let sum: f32 = masks.iter().map(|mask| mask[pixel]).sum();
            (0..agents).for_each(|i| masks[i][pixel] /= sum);
        }
        Ok(Aggregator::masks(self.masks.value().device(), &masks, [SIDE; 2])?)
    }

    /// Who owned each pixel before masks were learned, `[28 * 28]`.
    pub fn owners(&self) -> anyhow::Result<Vec<usize>> {
        Ok(self.owners.value().to_f64()?.into_iter().map(|owner| owner as usize).collect())
    }

    /// What they were trained for.
    pub fn terms(&self) -> anyhow::Result<Terms> {
        let ControlsConfig { agents, target, cost, alpha, alpha_schedule, .. } = self.config;
        let weights = self.config.lambda.iter().map(|&lambda| Weights::new(lambda, SIDE * SIDE, agents));
        let seams = SeamMap::between(&self.owners()?, [SIDE; 2])?;
        let weights = weights.collect::<methods::Result<_>>()?;
        Ok(Terms { target, cost, seams, weights, running: alpha_schedule.of(alpha) })
    }
}

impl Architecture for Controls {
    type Config = ControlsConfig;
    const NAME: &'static str = "cmad-controls";

    fn build(config: ControlsConfig, init: &mut Init) -> nn::Result<Controls> {
        let ControlsConfig { agents, ref network, descent, data_variance, time_scale, ref lambda, .. } = config;
        if agents == 0 || agents > SIDE || lambda.len() != agents {
            let what = format!("{agents} agents with {} weights: 1 to {SIDE} are taken, a weight each", lambda.len());
            return Err(nn::Error::config(what));
        }
        let descent = Descent { scale: descent, data_variance, time_scale };
        let control = |_| -> nn::Result<Arc<dyn Control>> {
            let control = RewardInformed::unet(network.config(), network.sight, descent, init);
            Ok(Arc::new(control.map_err(|error| nn::Error::config(error.to_string()))?))
        };
        let all = (0..agents).map(control).collect::<nn::Result<_>>()?;
        let masks = init.constant(&[agents, 1, SIDE, SIDE], 1.0 / agents as f64)?;
        masks.set_trainable(config.learned_masks);
        let owners = init.constant(&[SIDE, SIDE], 0.0)?;
        owners.set_trainable(false);
        Ok(Controls { config, all, masks, owners })
    }

    fn config(&self) -> &ControlsConfig {
        &self.config
    }
}

impl Module for Controls {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("controls", &self.all);
        visitor.param("masks", &self.masks);
        visitor.param("owners", &self.owners);
    }
}
