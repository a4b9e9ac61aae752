//! Cooperative multi-agent diffusion and its baseline.

use super::{Preset, channels, counts, not_negative, positive, unet};
use serde::{Deserialize, Deserializer, Serialize};

/// `consort train cmad`. Greek names are the paper's, and so are their conventions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CmadPreset {
    /// Points of the time grid in training; the updates of the state are one fewer.
    pub points: usize,
    /// Points of the time grid in the evaluation at the end.
    pub sampling_points: usize,
    /// Weight of the control's energy, as a mean over pixels and agents: 1 / (2 lambda / (784 agents)) is the tilt.
    pub lambda: f64,
    /// Weight of the running cost.
    pub alpha: f64,
    /// Weight of a jump of intensity across a seam.
    pub beta: f64,
    /// Weight of a jump of the vertical gradient across a seam.
    pub gamma: f64,
    /// Where the Charbonnier penalty of both becomes round.
    pub epsilon: f64,
    /// Adam's learning rate.
    pub lr: f64,
    /// Largest norm of each agent's gradient.
    pub clip: f64,
    /// Trajectories an update, for one agent, two, ...; the last stands for all that are more.
    #[serde(deserialize_with = "one_or_more")]
    pub batch: Vec<usize>,
    /// Updates of the joint scheme.
    pub updates: u64,
    /// Rounds of the control-wise scheme.
    pub outer: u64,
    /// Updates of one agent in a round.
    pub inner: u64,
    /// Updates between checkpoints.
    pub checkpoint_every: u64,
    /// Each agent's control.
    pub network: ControlNetwork,
}

/// A U-Net from an agent's state, the aggregate and the cost's gradient to a control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlNetwork {
    /// Channels a level, each at half the size of the one before.
    pub channels: Vec<usize>,
    /// Residual blocks a level.
    pub layers: usize,
    /// Groups of the norms.
    pub groups: usize,
    /// Channels of a head of attention, which is in the middle and the last level; 0 for one head of all.
    pub head: usize,
}

impl ControlNetwork {
    /// The configuration of the network.
    pub fn config(&self) -> nn::UNet2DConfig {
        let last = self.channels.len().saturating_sub(1);
        let attention: Vec<_> = (0..self.channels.len()).map(|level| level > 0 && level == last).collect();
        unet(3, &self.channels, &attention, self.layers, self.groups, self.head)
    }
}

impl CmadPreset {
    /// Trajectories an update, for so many agents.
    pub fn batch(&self, agents: usize) -> usize {
        let last = self.batch.len().saturating_sub(1);
        self.batch.get(agents.saturating_sub(1).min(last)).copied().unwrap_or(1)
    }

    /// 1 / (2 lambda) with lambda on the energy as a sum over pixels: the controlled terminal density is the free one
    /// times exp(-tilt cost).
    pub fn tilt(&self, agents: usize, pixels: usize) -> f64 {
        (pixels * agents) as f64 / (2.0 * self.lambda)
    }
}

impl Preset for CmadPreset {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("small", include_str!("../../presets/cmad/small.toml")),
        ("paper", include_str!("../../presets/cmad/paper.toml")),
    ];

    fn check(&self) -> Result<(), String> {
        for (key, points) in [("points", self.points), ("sampling_points", self.sampling_points)] {
            if points < 2 {
                return Err(format!("`{key}` is {points}, give 2 or more: a step has two ends"));
            }
        }
        if self.batch.is_empty() {
            return Err("`batch` is empty, give one number, or one for each number of agents".into());
        }
        self.batch.iter().try_for_each(|&batch| counts(&[("batch", batch)]))?;
        counts(&[("updates", self.updates as usize), ("outer", self.outer as usize), ("inner", self.inner as usize)])?;
        counts(&[("checkpoint_every", self.checkpoint_every as usize), ("network.layers", self.network.layers)])?;
        positive(&[("lambda", self.lambda), ("epsilon", self.epsilon), ("lr", self.lr), ("clip", self.clip)])?;
        not_negative(&[("alpha", self.alpha), ("beta", self.beta), ("gamma", self.gamma)])?;
        channels("network.channels", &self.network.channels, self.network.groups)?;
        self.network.config().check().map_err(|error| format!("network: {error}"))
    }
}

/// `consort compose cdps`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdpsPreset {
    /// The control is minus this times g times the gradient of the cost at the look-ahead, by each sample.
    pub scale: f64,
    /// Weight of a jump of intensity across a seam.
    pub beta: f64,
    /// Weight of a jump of the vertical gradient across a seam.
    pub gamma: f64,
    /// Where the Charbonnier penalty of both becomes round.
    pub epsilon: f64,
}

impl Preset for CdpsPreset {
    const BUILT_IN: &'static [(&'static str, &'static str)] =
        &[("small", include_str!("../../presets/cdps/small.toml"))];

    fn check(&self) -> Result<(), String> {
        positive(&[("epsilon", self.epsilon)])?;
        not_negative(&[("scale", self.scale), ("beta", self.beta), ("gamma", self.gamma)])
    }
}

/// `batch = 8` for `batch = [8]`.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a whole number or a list of them")]
    enum Either {
        One(usize),
        More(Vec<usize>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(one) => vec![one],
        Either::More(more) => more,
    })
}
