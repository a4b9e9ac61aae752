//! One gradient of controls by backpropagation through time: the work that `bench/bptt_peer.py` does in PyTorch. Agents that
//! share U-Net A, each controlled by a U-Net of half its channels; the cost of a perceptron, also along the way; random
//! weights, which do not change what there is to compute.

use super::networks::config;
use autograd::{DType, Memory, Store, Var};
use methods::control::cmad::{
    Aggregator, Control, Costs, Descent, Estimator, Problem, Pull, RewardInformed, Rollout, Running, Sight, Steering,
    Weights,
};
use methods::cost::NegativeLogLikelihood;
use methods::{Grid, NetworkDenoiser, Noise, Prediction, Process, Result, Training};
use nn::{Init, Mlp, MlpConfig, Module, UNet2D, UNet2DConfig};
use std::sync::Arc;
use tensor::Device;

const SIDE: usize = 28;
/// Channels of the score's network, of the controls', and of those to rehearse with.
const CHANNELS: [[usize; 3]; 3] = [[32, 64, 64], [16, 32, 32], [8, 16, 16]];

/// What is differentiated.
pub struct Controls {
    problem: Problem,
    steering: Steering,
    leaves: Vec<Var>,
    run: Rollout,
}

impl Controls {
    /// `agents` of them, `batch` trajectories; small networks to rehearse with.
    pub fn new(device: &Device, agents: usize, batch: usize, is_rehearsed: bool, seed: u64) -> Result<Controls> {
        let process = Process::variance_preserving();
        let init = &mut Init::seeded(device, seed);
        let channels = |full: usize| CHANNELS[if is_rehearsed { 2 } else { full }];
        let score = UNet2D::new(config(1, channels(0)), init)?;
        score.set_trainable(false);
        let prediction = Prediction::Preconditioned { data_std: 0.6 };
        let training = Training { process: process.clone(), prediction, time_scale: 1000.0, clip: None };
        let agent = Arc::new(NetworkDenoiser::new(Arc::new(score), training));
        let hidden = vec![256; 2];
        let judge = MlpConfig { inputs: SIDE * SIDE, outputs: 10, hidden, time_features: 0, ..MlpConfig::default() };
        let judge = Mlp::new(judge, init)?;
        judge.set_trainable(false);
        let descent = Descent { scale: 1.0, data_variance: 0.36, time_scale: 1000.0 };
        let inputs = Sight::Published.inputs();
        let network = UNet2DConfig { in_channels: inputs, ..config(1, channels(1)) };
        let control = |_| -> Result<Arc<dyn Control>> {
            let control = RewardInformed::unet(network.clone(), Sight::Published, descent, init)?;
            // It starts from zero, where nothing flows through it.
            for (_, param) in control.named_parameters().iter().filter(|(name, _)| name.contains("conv_out.")) {
                param.set(init.uniform(&param.shape(), 9 * network.block_out_channels[0])?.value())?;
            }
            Ok(Arc::new(control))
        };
        let steering = Steering::Controls((0..agents).map(control).collect::<Result<_>>()?);
        let weight = Weights::from_paper(10.0, SIDE * SIDE, agents.max(1))?.per_sample();
        let problem = Problem {
            agents: (0..agents).map(|_| agent.clone() as _).collect(),
            aggregator: Aggregator::stripes(device, agents, [SIDE; 2])?,
            cost: Arc::new(NegativeLogLikelihood::new(Arc::new(judge), 3)),
            energy_weights: vec![weight; agents],
            running: Running::Constant(1.0),
            object: [1, SIDE, SIDE],
        };
        let run = Rollout {
            grid: Grid::uniform(&process, 2)?,
            device: device.clone(),
            dtype: DType::F32,
            memory: Memory::States,
            store: Store::Memory,
            draws: Arc::new(Noise::new(seed)),
            first: 0,
            batch,
            pull: Pull::Stopped,
            only: None,
            lean: false,
        };
        Ok(Controls { leaves: problem.leaves(&steering), problem, steering, run })
    }

    /// The same with its states in a file, if `store` says so.
    pub fn stored(mut self, store: Store) -> Controls {
        self.run.store = store;
        self
    }

    /// Of draw number `draw`, over `points` of time: the costs, and the gradient by each parameter.
    pub fn gradient(
        &self,
        points: usize,
        memory: Memory,
        estimator: Estimator,
        draw: u64,
    ) -> Result<(Costs, Vec<Option<Var>>)> {
        let grid = Grid::uniform(self.problem.agents[0].process(), points)?;
        let run = Rollout { grid, memory, first: draw * self.run.batch as u64, ..self.run.clone() };
        self.problem.estimate(&self.steering, &run, estimator, &self.leaves.iter().collect::<Vec<_>>())
    }
}
