//! Cooperative multi-agent diffusion and its baseline.

use super::{Memory, Preset, Schedule, batch_size, channels, counts, not_negative, positive, unet};
use methods::control::cmad::{Estimator, Order, Pull, Response, Running, Sight, Weights};
use serde::{Deserialize, Deserializer, Serialize};

/// `consort train cmad`. Greek names are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CmadPreset {
    /// Points of the time grid in training; the updates of the state are one fewer.
    pub points: usize,
    /// Points of the time grid in the evaluation at the end.
    pub sampling_points: usize,
    /// Digits that it makes then; 64 where a preset of an earlier run does not say.
    #[serde(default = "sixty_four")]
    pub sampling_count: u64,
    /// Weight of the control's energy: one figure, or one for each agent.
    #[serde(deserialize_with = "one_or_more")]
    pub lambda: Vec<f64>,
    /// The convention `lambda` is in.
    pub lambda_as: Convention,
    /// Weight of the running cost.
    pub alpha: f64,
    /// How it goes over time.
    pub alpha_schedule: AlphaSchedule,
    /// Adam's learning rate.
    pub lr: f64,
    /// Updates over which it rises.
    pub warm_up: u64,
    /// How it goes from there.
    pub schedule: Schedule,
    /// Learning rate of the agents' masks; 0 leaves them as they are.
    pub mask_lr: f64,
    /// Weight of the masks' unequal areas in what learned masks descend.
    pub mask_balance: f64,
    /// Largest norm of each agent's gradient.
    pub clip: f64,
    /// Where the gain on the cost's gradient starts: about what cooperative posterior sampling at that scale does.
    pub descent: f64,
    /// Trajectories an update, for one agent, two, ...; the last stands for all that are more.
    #[serde(deserialize_with = "one_or_more")]
    pub batch: Vec<usize>,
    /// Updates of the joint scheme.
    pub updates: u64,
    /// Rounds of the control-wise scheme.
    pub outer: u64,
    /// Updates of one agent in a round.
    pub inner: u64,
    /// What the derivative of the control-wise scheme knows of the other agents.
    pub response: Response,
    /// When agents see each other's updates in the control-wise scheme.
    pub order: Order,
    /// Whether backpropagation goes through the cost's gradient that controls see.
    pub pull: Pulled,
    /// How the gradient is found: `bptt`, `adjoint` or `matching`; bptt where a preset of an earlier run does not say.
    #[serde(default)]
    pub estimator: Estimator,
    /// What a backward pass keeps: `store-all`, `states`, `revolve-20`, or a budget such as `256MiB`.
    pub memory: Memory,
    /// Seconds between checkpoints.
    pub checkpoint_every: f64,
    /// What the object is to be.
    pub cost: CostTerms,
    /// Each agent's control.
    pub network: ControlNetwork,
    /// What comes before the first update.
    pub teaching: Teaching,
}

/// Controls learn from finished works before they learn from their own runs; see [`methods::control::cmad::Teaching`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teaching {
    /// Works that cooperative posterior sampling makes; 0 for none of this.
    pub works: u64,
    /// Its scale.
    pub scale: f64,
    /// Points of its time grid.
    pub points: usize,
    /// The share of the works that is studied, those of least cost; in (0, 1].
    pub keep: f64,
    /// Updates by regression, each on 6 times and `batch` works.
    pub studies: u64,
    /// Adam's learning rate for them, with the same warm-up and schedule.
    pub lr: f64,
}

/// Psi = classifier + beta |jump of value| + gamma |jump of gradient|, across the seams.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostTerms {
    /// Weight of a jump of intensity across a seam.
    pub beta: f64,
    /// Weight of a jump of the gradient across a seam.
    pub gamma: f64,
    /// Where the Charbonnier penalty of both becomes round.
    pub epsilon: f64,
}

/// Conventions for the weight of control energy; [`Weights`] has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// The figure is 1/(2 lambda) of the energy as a sum: the optimum tilts the agents' law by exp(-tilt cost).
    Tilt,
    /// On the energy as a mean over pixels and agents.
    Paper,
    /// On the energy of one sample, as a sum.
    Sample,
}

/// How the weight of the running cost goes over time; see [`Running`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlphaSchedule {
    /// As it is, as in the paper's experiments.
    Constant,
    /// Times alpha(t)^2: less where the estimate says little.
    Signal,
}

impl AlphaSchedule {
    /// The running cost of weight `alpha`.
    pub fn of(self, alpha: f64) -> Running {
        match self {
            AlphaSchedule::Constant => Running::Constant(alpha),
            AlphaSchedule::Signal => Running::Signal(alpha),
        }
    }
}

/// See [`Pull`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pulled {
    /// It is cut there, as published: cheaper, and a biased gradient of the objective.
    Stopped,
    /// It is not: a Hessian-vector product of the cost a step, and the gradient itself.
    Through,
}

impl From<Pulled> for Pull {
    fn from(pulled: Pulled) -> Pull {
        match pulled {
            Pulled::Stopped => Pull::Stopped,
            Pulled::Through => Pull::Through,
        }
    }
}

/// A U-Net from what is seen of the agents to a control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlNetwork {
    /// What it is shown.
    pub sight: Sight,
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
        unet(self.sight.inputs(), &self.channels, &attention, self.layers, self.groups, self.head)
    }
}

impl Convention {
    /// `lambda`, given once for all or once for each of `agents` of `pixels` each. An error when they are not as many.
    pub fn weights(self, lambda: &[f64], pixels: usize, agents: usize) -> crate::Result<Vec<Weights>> {
        if ![1, agents].contains(&lambda.len()) {
            let what = format!("preset: `lambda` has {} figures, give one, or one for each of {agents}", lambda.len());
            return Err(crate::Error::usage(what));
        }
        let of = match self {
            Convention::Tilt => Weights::from_tilt,
            Convention::Paper => Weights::from_paper,
            Convention::Sample => Weights::new,
        };
        let weight = |i: usize| of(lambda[i % lambda.len()], pixels, agents);
        let weights: methods::Result<Vec<Weights>> = (0..agents).map(weight).collect();
        weights.map_err(|error| crate::Error::usage(format!("preset: `lambda`: {error}")))
    }
}

impl CmadPreset {
    /// Trajectories an update, for so many agents.
    pub fn batch(&self, agents: usize) -> usize {
        let last = self.batch.len().saturating_sub(1);
        self.batch.get(agents.saturating_sub(1).min(last)).copied().unwrap_or(1)
    }
}

impl CostTerms {
    fn check(&self) -> Result<(), String> {
        positive(&[("cost.epsilon", self.epsilon)])?;
        not_negative(&[("cost.beta", self.beta), ("cost.gamma", self.gamma)])
    }
}

fn sixty_four() -> u64 {
    64
}

impl Preset for CmadPreset {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("small", include_str!("../../presets/cmad/small.toml")),
        ("paper", include_str!("../../presets/cmad/paper.toml")),
    ];

    fn check(&self) -> Result<(), String> {
        if !(2..=100_000).contains(&self.sampling_count) {
            return Err(format!("`sampling_count` is {}, give 2 to 100000", self.sampling_count));
        }
        let taught = self.teaching.points;
        for (key, points) in
            [("points", self.points), ("sampling_points", self.sampling_points), ("teaching.points", taught)]
        {
            if points < 2 {
                return Err(format!("`{key}` is {points}, give 2 or more: a step has two ends"));
            }
            if points > MOST_POINTS {
                return Err(format!("`{key}` is {points}, give {MOST_POINTS} or fewer"));
            }
        }
        if self.batch.is_empty() {
            return Err("`batch` is empty, give one number, or one for each number of agents".into());
        }
        self.batch.iter().try_for_each(|&batch| batch_size(batch))?;
        let Teaching { scale, keep, lr, .. } = self.teaching;
        not_negative(&[("teaching.scale", scale), ("teaching.lr", lr)])?;
        if !(keep > 0.0 && keep <= 1.0) {
            return Err(format!("`teaching.keep` is {keep}, give a share above 0, up to 1"));
        }
        lambdas(&self.lambda)?;
        counts(&[("updates", self.updates as usize), ("outer", self.outer as usize), ("inner", self.inner as usize)])?;
        counts(&[("network.layers", self.network.layers)])?;
        positive(&[("lr", self.lr), ("clip", self.clip)])?;
        not_negative(&[("alpha", self.alpha), ("descent", self.descent), ("checkpoint_every", self.checkpoint_every)])?;
        not_negative(&[("mask_lr", self.mask_lr), ("mask_balance", self.mask_balance)])?;
        self.cost.check()?;
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
    /// Weight of the control's energy in the objective that is reported: one figure, or one for each agent.
    #[serde(deserialize_with = "one_or_more")]
    pub lambda: Vec<f64>,
    /// The convention `lambda` is in.
    pub lambda_as: Convention,
    /// What the object is to be.
    pub cost: CostTerms,
}

impl Preset for CdpsPreset {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("small", include_str!("../../presets/cdps/small.toml")),
        ("paper", include_str!("../../presets/cdps/paper.toml")),
    ];

    fn check(&self) -> Result<(), String> {
        lambdas(&self.lambda)?;
        not_negative(&[("scale", self.scale)])?;
        self.cost.check()
    }
}

fn lambdas(lambda: &[f64]) -> Result<(), String> {
    if lambda.is_empty() {
        return Err("`lambda` is empty, give one number, or one for each agent".into());
    }
    lambda.iter().try_for_each(|&lambda| positive(&[("lambda", lambda)]))
}

/// As for `--steps`.
const MOST_POINTS: usize = 100_001;

/// `batch = 8` for `batch = [8]`.
fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a list of them")]
    enum Either<T> {
        One(T),
        More(Vec<T>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(one) => vec![one],
        Either::More(more) => more,
    })
}
