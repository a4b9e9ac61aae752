//! Controlled rollouts on a GPU against the processor's: a difference of at most ten times what one unit in the last place
//! of the start makes. Without a driver nothing is tested, unless `CONSORT_NEED_CUDA` is set.

use autograd::{DType, Device, Grad, Memory, Store, Tensor, Var, grad};
use methods::control::cmad::{
    Aggregator, Control, Descent, Draws, Problem, Pull, RewardInformed, Rollout, Running, Sight, Steering,
};
use methods::cost::{Cost, NegativeLogLikelihood, Seam, Total};
use methods::{Grid, NetworkDenoiser, Noise, Place, Prediction, Process, Purpose, Training};
use nn::{Cnn, CnnConfig, Init, Module, UNet2D, UNet2DConfig};
use std::sync::Arc;

const AGENTS: usize = 2;
const SIDE: usize = 8;

/// The project's numbers; the start nudged to the next number away from zero where asked.
struct Start {
    noise: Noise,
    nudged: bool,
}

impl Draws for Start {
    fn normal(
        &self,
        agent: usize,
        purpose: Purpose,
        step: usize,
        place: &Place,
        first: u64,
    ) -> methods::Result<Tensor> {
        let drawn = Draws::normal(&self.noise, agent, purpose, step, place, first)?;
        if !self.nudged || !matches!(purpose, Purpose::Initial) {
            return Ok(drawn);
        }
        let next: Vec<f32> = drawn.to_vec::<f32>()?.iter().map(|x| f32::from_bits(x.to_bits() + 1)).collect();
        Ok(Tensor::from_slice(place.device, place.shape, &next)?)
    }
}

fn unet(in_channels: usize) -> UNet2DConfig {
    let names = |names: [&str; 3]| names.map(String::from).to_vec();
    UNet2DConfig {
        in_channels,
        out_channels: 1,
        layers_per_block: 1,
        block_out_channels: vec![8, 16, 16],
        down_block_types: names(["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"]),
        up_block_types: names(["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"]),
        norm_num_groups: 4,
        ..UNet2DConfig::default()
    }
}

/// What a rollout came to: the object, and every gradient of J by the controls' parameters, end to end.
struct Outcome {
    object: Vec<f64>,
    gradients: Vec<f64>,
}

/// Two agents that share a score network make one object: the whole of CMAD, in small. The same weights on every device.
fn outcome(device: &Device, memory: Memory, nudged: bool) -> Outcome {
    let init = &mut Init::seeded(device, 5);
    let score = UNet2D::new(unet(1), init).unwrap();
    score.set_trainable(false);
    let training = Training {
        process: Process::variance_preserving(),
        prediction: Prediction::Preconditioned { data_std: 0.6 },
        time_scale: 1000.0,
        clip: None,
    };
    let agent = Arc::new(NetworkDenoiser::new(Arc::new(score), training));
    let guide = CnnConfig { channels: vec![8, 8], layers_per_level: 1, groups: 4, ..CnnConfig::default() };
    let guide = Arc::new(Cnn::new(guide, init).unwrap());
    guide.set_trainable(false);
    let aggregator = Aggregator::stripes(device, AGENTS, [SIDE, SIDE]).unwrap();
    let seam = Seam { beta: 1.0, gamma: 0.5, eps: 0.1, map: aggregator.seams([SIDE, SIDE]).unwrap() };
    let cost: Vec<(f64, Arc<dyn Cost>)> =
        vec![(1.0, Arc::new(NegativeLogLikelihood::new(guide, 3))), (1.0, Arc::new(seam))];
    let controls: Vec<Arc<dyn Control>> = (0..AGENTS).map(|_| control(init)).collect();
    let params: Vec<Var> =
        controls.iter().flat_map(|control| control.named_parameters()).map(|(_, p)| p.var()).collect();
    let problem = Problem {
        agents: vec![agent.clone(), agent],
        aggregator,
        cost: Arc::new(Total(cost)),
        energy_weights: vec![0.1; AGENTS],
        running: Running::Signal(0.5),
        object: [1, SIDE, SIDE],
    };
    let run = Rollout {
        grid: Grid::uniform(&Process::variance_preserving(), 3).unwrap(),
        device: device.clone(),
        dtype: DType::F32,
        memory,
        store: Store::Memory,
        draws: Arc::new(Start { noise: Noise::new(2), nudged }),
        first: 0,
        batch: 1,
        pull: Pull::Stopped,
        only: None,
        lean: false,
    };
    let costs = problem.rollout(&Steering::Controls(controls), &run).unwrap();
    let mean = costs.objective.mean().unwrap();
    let all = grad(&mean, &params.iter().collect::<Vec<_>>(), Grad::default()).unwrap().into_vars();
    let gradients = all.into_iter().flatten().flat_map(|gradient| gradient.value().to_f64().unwrap()).collect();
    Outcome { object: costs.object.value().to_f64().unwrap(), gradients }
}

/// A control whose last layer has learned something, so that all of it has a gradient.
fn control(init: &mut Init) -> Arc<dyn Control> {
    let descent = Descent { scale: 1.0, data_variance: 0.4, time_scale: 1000.0 };
    let control = RewardInformed::unet(unet(3), Sight::Published, descent, init).unwrap();
    for (name, param) in control.named_parameters() {
        if name.starts_with("correction.conv_out") {
            param.set(init.uniform(&param.shape(), 72).unwrap().value()).unwrap();
        }
    }
    Arc::new(control)
}

/// Root mean square of the difference.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

#[test]
fn samples_and_gradients_differ_like_those_of_a_start_one_unit_away() {
    let gpu = match Device::cuda(0, |line| eprintln!("{line}")) {
        Ok(gpu) => gpu,
        Err(missing) => {
            assert!(std::env::var_os("CONSORT_NEED_CUDA").is_none(), "{missing}");
            return eprintln!("NOT TESTED: {missing}");
        }
    };
    let cpu = Device::cpu(2);
    let (want, near) = (outcome(&cpu, Memory::StoreAll, false), outcome(&cpu, Memory::StoreAll, true));
    let got = outcome(&gpu, Memory::StoreAll, false);
    for (what, [got, want, near]) in [
        ("samples", [&got.object, &want.object, &near.object]),
        ("gradients", [&got.gradients, &want.gradients, &near.gradients]),
    ] {
        let (own, unit) = (apart(got, want), apart(near, want));
        println!("{what}: {own:.2e}, a unit of the start {unit:.2e}");
        assert!(unit > 0.0 && own <= 10.0 * unit, "{what}: {own:e}, allowed {:e}", 10.0 * unit);
    }
    // What is kept changes no bit, on a GPU neither.
    assert_eq!(outcome(&gpu, Memory::States, false).gradients, got.gradients);
}
