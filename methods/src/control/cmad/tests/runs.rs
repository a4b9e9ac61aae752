//! What a run is made of: samples that know neither batch nor chunk (traps A8), energy on the whole canvas (A3, A4), no
//! control that is the plain sampler.

use super::cubature::Cubature;
use super::{alone, gaussian, mean, run};
use crate::control::cmad::{
    Aggregator, Control, Costs, Descent, Draws, LinearGain, Moment, Problem, RewardInformed, Rollout, Running, Sight,
    Steering, Weights, small_unet,
};
use crate::cost::{Quadratic, Seam};
use crate::denoiser::{Condition, Denoiser};
use crate::error::Result;
use crate::network::{NetworkDenoiser, Training};
use crate::noise::{Noise, Place, Purpose};
use crate::prediction::Prediction;
use crate::process::Process;
use crate::sampler::{Draw, Sampler, sample};
use crate::testing::{device, numbers};
use autograd::{DType, Memory, Tensor, Var};
use nn::{Init, Module, UNet2D, UNet2DConfig};
use std::sync::Arc;

/// An untrained U-Net as a model of images of 8 x 8.
fn prior(seed: u64) -> Arc<dyn Denoiser> {
    of_process(Process::variance_preserving(), seed)
}

fn of_process(process: Process, seed: u64) -> Arc<dyn Denoiser> {
    let config = UNet2DConfig { in_channels: 1, ..small_unet(1) };
    let network = UNet2D::new(config, &mut Init::seeded(device(), seed)).unwrap();
    network.set_trainable(false);
    let prediction = Prediction::Preconditioned { data_std: 0.6 };
    let training = Training { process, prediction, time_scale: 1000.0, clip: None };
    Arc::new(NetworkDenoiser::new(Arc::new(network), training))
}

/// Agents 0 and 2 share a network; stripes of 3 + 3 + 2 rows.
fn three() -> Problem {
    let (shared, own) = (prior(1), prior(2));
    let aggregator = Aggregator::stripes(device(), 3, [8, 8]).unwrap();
    let map = aggregator.seams([8, 8]).unwrap();
    Problem {
        agents: vec![shared.clone(), own, shared],
        aggregator,
        cost: Arc::new(Seam { beta: 1.0, gamma: 0.1, eps: 1e-3, map }),
        energy_weights: vec![0.1, 0.2, 0.3],
        running: Running::Constant(1.0),
        object: [1, 8, 8],
    }
}

/// A U-Net as control, its last layer no longer zero.
fn control(seed: u64) -> Arc<dyn Control> {
    let mut init = Init::seeded(device(), seed);
    let descent = Descent { scale: 0.5, data_variance: 0.4, time_scale: 1000.0 };
    let control = RewardInformed::unet(small_unet(1), Sight::Published, descent, &mut init).unwrap();
    for (name, param) in control.named_parameters() {
        if name.starts_with("correction.conv_out") {
            param.set(init.uniform(&param.shape(), 16).unwrap().value()).unwrap();
        }
    }
    Arc::new(control)
}

fn controls() -> Steering {
    Steering::Controls((0..3).map(|i| control(20 + i)).collect())
}

fn bits(costs: &Costs) -> Vec<Vec<f64>> {
    let own = costs.canvases.iter().chain(&costs.energies);
    own.chain([&costs.object, &costs.running, &costs.terminal, &costs.objective]).map(numbers).collect()
}

#[test]
fn a_sample_knows_neither_its_batch_nor_its_chunk_whoever_steers() {
    let problem = three();
    for steering in [Steering::None, controls(), Steering::Cdps { scale: 1.0 }] {
        let whole = run(4, DType::F32, Noise::new(9), 8);
        let all = bits(&problem.watch(&steering, &whole, &mut |_| Ok(())).unwrap());
        for (first, batch) in [(0, 3), (3, 1), (4, 4)] {
            let part = Rollout { first, batch, ..whole.clone() };
            let part = bits(&problem.watch(&steering, &part, &mut |_| Ok(())).unwrap());
            for (all, part) in all.iter().zip(part) {
                let row = all.len() / 8;
                assert_eq!(all[first as usize * row..(first as usize + batch) * row], part);
            }
        }
    }
}

#[test]
fn agents_that_share_a_network_draw_what_they_would_with_copies_of_it() {
    let shared = three();
    let apart = Problem { agents: vec![prior(1), prior(2), prior(1)], ..shared.clone() };
    let run = run(4, DType::F32, Noise::new(9), 3);
    for steering in [Steering::None, controls(), Steering::Cdps { scale: 1.0 }] {
        let [a, b] = [&shared, &apart].map(|problem| bits(&problem.rollout(&steering, &run).unwrap()));
        assert_eq!(a, b);
        assert_eq!(a, bits(&shared.watch(&steering, &run, &mut |_| Ok(())).unwrap()));
    }
}

#[test]
fn without_control_every_agent_is_the_plain_sampler_and_so_it_is_with_a_control_of_zero() {
    let problem = three();
    let run = Rollout { memory: Memory::States, ..run(4, DType::F32, Noise::new(9), 3) };
    let free = problem.rollout(&Steering::None, &run).unwrap();
    let table = Sampler::EulerMaruyama.table(&Process::variance_preserving(), &run.grid).unwrap();
    for i in 0..3 {
        let draw = Draw {
            device: device(),
            dtype: DType::F32,
            shape: &[1, 8, 8],
            samples: 0..3,
            batch: 3,
            noise: Noise::new(9).agent(i as u16),
            condition: Condition::None,
        };
        let plain = sample(&*problem.agents[i], &table, &draw, &mut |_| Ok(())).unwrap();
        assert_eq!(plain.to_f64().unwrap(), numbers(&free.canvases[i]));
    }
    let idle = |_| -> Arc<dyn Control> {
        let descent = Descent { scale: 0.0, data_variance: 0.4, time_scale: 1000.0 };
        Arc::new(
            RewardInformed::unet(small_unet(1), Sight::Published, descent, &mut Init::seeded(device(), 3)).unwrap(),
        )
    };
    let idle = problem.rollout(&Steering::Controls((0..3).map(idle).collect()), &run).unwrap();
    assert_eq!(bits(&idle), bits(&free));
    assert!(free.energies.iter().all(|energy| numbers(energy) == [0.0; 3]));
}

#[test]
fn energy_is_that_of_the_whole_canvas_and_what_the_object_shows_is_less() {
    let problem = three();
    let run = run(4, DType::F64, Noise::new(9), 3);
    let (mut whole, mut shown) = (vec![0.0; 3], vec![0.0; 3]);
    let look = |moment: &Moment| {
        let controls: Vec<Var> = moment.controls.iter().flatten().cloned().collect();
        let squares = |u: &Var| numbers(&u.square().unwrap().sum_per_sample().unwrap());
        for (sum, squares) in [
            (&mut whole, controls.iter().map(squares).collect()),
            (&mut shown, vec![squares(&problem.aggregator.aggregate(&controls)?)]),
        ] {
            for of_agent in squares as Vec<Vec<f64>> {
                sum.iter_mut().zip(of_agent).for_each(|(sum, square)| *sum += moment.row.dt * square);
            }
        }
        Ok(())
    };
    let costs = problem.watch(&controls(), &run, &mut { look }).unwrap();
    for row in 0..3 {
        let counted: f64 = costs.energies.iter().map(|energy| numbers(energy)[row]).sum();
        assert!((counted - whole[row]).abs() < 1e-9 * whole[row]);
        // |M u|^2 = sum_i |u^i|^2 only where u^i is zero outside its stripe, and a network is not.
        assert!(shown[row] < 0.9 * whole[row], "{} {}", shown[row], whole[row]);
    }
}

/// The running cost is that of the object of the clean estimates, sum of w(t) dt Psi(Yhat_0); every agent's energy
/// counts by its own weight.
#[test]
fn the_objective_is_what_its_parts_come_to() {
    for running in [Running::Constant(0.7), Running::Signal(0.7)] {
        let problem = Problem { running, ..three() };
        let run = run(4, DType::F64, Noise::new(9), 3);
        let mut counted = [0.0; 3];
        let look = |moment: &Moment| {
            let psi = problem.cost.per_sample(&problem.aggregator.aggregate(moment.clean)?)?;
            let signal = if let Running::Signal(_) = running { moment.row.alpha.powi(2) } else { 1.0 };
            let weight = 0.7 * signal * moment.row.dt;
            counted.iter_mut().zip(numbers(&psi)).for_each(|(sum, psi)| *sum += weight * psi);
            Ok(())
        };
        let costs = problem.watch(&controls(), &run, &mut { look }).unwrap();
        let [running, terminal, objective] = [&costs.running, &costs.terminal, &costs.objective].map(numbers);
        let energies: Vec<Vec<f64>> = costs.energies.iter().map(numbers).collect();
        for row in 0..3 {
            assert!((running[row] - counted[row]).abs() < 1e-9 * counted[row], "{} {}", running[row], counted[row]);
            let weighted = 0.1 * energies[0][row] + 0.2 * energies[1][row] + 0.3 * energies[2][row];
            let want = weighted + counted[row] + terminal[row];
            assert!((objective[row] - want).abs() < 1e-9 * want && weighted > 1e-3 * want, "{} {want}", objective[row]);
        }
    }
}

/// Everybody draws what agent 0 does.
struct Alike(Cubature);

impl Draws for Alike {
    fn normal(&self, _: usize, purpose: Purpose, step: usize, place: &Place, first: u64) -> Result<Tensor> {
        self.0.normal(0, purpose, step, place, first)
    }
}

#[test]
fn n_identical_agents_have_n_times_the_energy_of_one_and_the_papers_lambda_counts_it_once() {
    let points = Cubature { agents: 1, pixels: 1, steps: 6 };
    let table: Vec<f64> = (0..12).map(|i| (i as f64).sin()).collect();
    let gain = Arc::new(LinearGain::new(Tensor::from_slice(device(), &[6, 2], &table).unwrap()).unwrap());
    let of = |agents: usize| {
        let weights = Weights::from_paper(0.8, 1, agents).unwrap();
        let masks = vec![vec![1.0 / agents as f32]; agents];
        let problem = Problem {
            agents: vec![gaussian(&[0.3], 0.4); agents],
            aggregator: if agents == 1 { alone() } else { Aggregator::masks(device(), &masks, [1, 1]).unwrap() },
            cost: Arc::new(Quadratic { weight: 2.5, centre: 1.5 }),
            energy_weights: vec![weights.per_sample(); agents],
            running: Running::Constant(0.0),
            object: [1, 1, 1],
        };
        let controls: Vec<Arc<dyn Control>> = (0..agents).map(|_| gain.clone() as Arc<dyn Control>).collect();
        let run = run(6, DType::F64, Alike(points), points.points());
        let costs = problem.rollout(&Steering::Controls(controls), &run).unwrap();
        (costs.energies.iter().map(mean).sum::<f64>(), mean(&costs.objective))
    };
    let (one, four) = (of(1), of(4));
    assert!((four.0 - 4.0 * one.0).abs() < 1e-12 && (four.1 - one.1).abs() < 1e-12, "{one:?} {four:?}");
}

#[test]
fn stacked_agents_of_different_size_run_in_either_dtype_on_the_same_noise() {
    let heights = vec![1, 3, 2];
    let problem = Problem {
        agents: heights.iter().map(|&rows| gaussian(&vec![0.1; 4 * rows], 0.3)).collect(),
        aggregator: Aggregator::Stack { heights: heights.clone() },
        cost: Arc::new(Quadratic { weight: 0.5, centre: 0.6 }),
        energy_weights: vec![0.5; 3],
        running: Running::Signal(1.0),
        object: [2, 6, 2],
    };
    let steering = Steering::Cdps { scale: 1.0 };
    let of = |dtype| problem.rollout(&steering, &run(10, dtype, Noise::new(1), 5)).unwrap();
    let (single, double) = (of(DType::F32), of(DType::F64));
    assert_eq!((single.object.shape(), single.object.dtype()), (&[5, 2, 6, 2][..], DType::F32));
    assert_eq!(double.canvases[1].shape(), [5, 2, 3, 2]);
    for (a, b) in numbers(&single.objective).iter().zip(numbers(&double.objective)) {
        assert!((a - b).abs() < 1e-4 * b, "{a} {b}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let problem = three();
    let run = run(4, DType::F32, Noise::new(9), 1);
    let refused = |problem: &Problem, steering: Steering| {
        let error = problem.rollout(&steering, &run).unwrap_err();
        assert!(error.is_usage());
        error.to_string()
    };
    let two = Steering::Controls(vec![control(1), control(2)]);
    assert!(refused(&problem, two).contains("3 agents with 2 controls"));
    let other = Problem { object: [1, 9, 8], ..problem.clone() };
    assert!(refused(&other, Steering::None).contains("does not make objects of 9 x 8"));
    let strange = of_process(Process::VariancePreserving { beta_min: 0.1, beta_max: 15.0, eps: 1e-3 }, 1);
    let mixed =
        Problem { agents: vec![problem.agents[0].clone(), strange, problem.agents[2].clone()], ..problem.clone() };
    assert!(refused(&mixed, Steering::None).contains("one noising process"));
    let short = LinearGain::new(Tensor::zeros(device(), DType::F32, &[2, 2]).unwrap()).unwrap();
    let short: Vec<Arc<dyn Control>> = vec![Arc::new(short), control(1), control(2)];
    assert!(refused(&problem, Steering::Controls(short)).contains("have none for step 2"));
}
