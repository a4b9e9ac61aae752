//! What is learned, and from where.

use super::cubature::Cubature;
use super::{gaussian, mean, run};
use crate::control::cmad::{
    Aggregator, Control, Descent, LinearGain, Problem, Rates, RewardInformed, Rollout, Running, Scheme, Sight,
    Steering, Training, small_unet,
};
use crate::cost::Quadratic;
use crate::noise::Noise;
use crate::testing::{device, numbers};
use autograd::{DType, Tensor};
use nn::{Adam, Init, UNet2D};
use std::sync::Arc;

const STEPS: usize = 8;

/// Two agents of two pixels, which are to become 1.
fn of_means(means: [[f64; 2]; 2], aggregator: Aggregator) -> Problem {
    Problem {
        agents: means.iter().map(|mean| gaussian(mean, 0.3)).collect(),
        aggregator,
        cost: Arc::new(Quadratic { weight: 2.0, centre: 1.0 }),
        energy_weights: vec![0.5; 2],
        running: Running::Constant(0.0),
        object: [1, 2, 1],
    }
}

/// Agents whose data is far from the target where the stripes let them speak, and near it elsewhere.
fn crossed(aggregator: Aggregator) -> Problem {
    of_means([[-1.0, 1.0], [1.0, -1.0]], aggregator)
}

/// `balance` weighs the masks' unequal areas.
fn trained(problem: Problem, balance: f64) -> Training {
    let gain = || -> Arc<dyn Control> {
        Arc::new(LinearGain::new(Tensor::zeros(device(), DType::F64, &[STEPS, 2]).unwrap()).unwrap())
    };
    let adam = Adam { beta2: 0.99, ..Adam::default() };
    let training = Training::new(problem, vec![gain(), gain()], Scheme::Joint, adam, None).unwrap();
    let mut training = training.balanced(balance);
    let points = Cubature { agents: 2, pixels: 2, steps: STEPS };
    let run = run(STEPS, DType::F64, points, points.points());
    for _ in 0..150 {
        training.update(&run, Rates { control: 0.05, aggregator: 0.1 }).unwrap();
    }
    training
}

#[test]
fn a_learned_aggregator_gives_each_pixel_to_whom_it_costs_least() {
    let stripes = Aggregator::stripes(device(), 2, [2, 1]).unwrap();
    let points = Cubature { agents: 2, pixels: 2, steps: STEPS };
    let run = run(STEPS, DType::F64, points, points.points());
    let reached = |training: &Training| {
        let costs = training.problem().watch(&training.steering(), &run, &mut |_| Ok(())).unwrap();
        mean(&costs.objective)
    };
    let fixed = trained(crossed(stripes.clone()), 0.5);
    let learned = trained(crossed(Aggregator::learned(&stripes, 1.0).unwrap()), 0.5);
    assert!(reached(&learned) < 0.5 * reached(&fixed));
    assert_eq!(stripes.owners([2, 1]).unwrap(), [0, 1]);
    let masks = &learned.problem().aggregator;
    assert_eq!(masks.owners([2, 1]).unwrap(), [1, 0]);
    assert!(masks.imbalance().unwrap().unwrap().value().item().unwrap() < 1e-3);
}

/// Where one agent is near the target everywhere, nothing in the objective keeps the other in the picture (traps A13); a
/// weight on unequal areas does, and costs what the worse agent's part costs.
#[test]
fn a_learned_aggregator_that_is_not_balanced_collapses_to_one_agent() {
    let stripes = Aggregator::stripes(device(), 2, [2, 1]).unwrap();
    let shared = |balance: f64| {
        let problem = of_means([[1.0, 1.0], [-1.0, -1.0]], Aggregator::learned(&stripes, 1.0).unwrap());
        let masks = trained(problem, balance).problem().aggregator.clone();
        // (a - 1/2)^2 + (1 - a - 1/2)^2 of areas a and 1 - a.
        let area = (masks.imbalance().unwrap().unwrap().value().item().unwrap() / 2.0).sqrt() + 0.5;
        (masks.owners([2, 1]).unwrap(), area)
    };
    let ((owners, alone), (_, together)) = (shared(0.0), shared(30.0));
    assert_eq!(owners, [0, 0]);
    assert!(alone > 0.8 && together < 0.6, "the larger area is {alone} without balance, {together} with it");
}

#[test]
fn a_reward_informed_control_starts_as_cdps_of_its_scale_for_gaussian_data() {
    let problem = Problem { object: [1, 8, 8], ..crossed(Aggregator::stripes(device(), 2, [8, 8]).unwrap()) };
    let problem = Problem { agents: vec![gaussian(&[0.1; 64], 0.3), gaussian(&[-0.2; 64], 0.3)], ..problem };
    let mut init = Init::seeded(device(), 8);
    let descent = Descent { scale: 1.5, data_variance: 0.3, time_scale: 1000.0 };
    let mut control = || -> Arc<dyn Control> {
        Arc::new(RewardInformed::unet(small_unet(1), Sight::Published, descent, &mut init).unwrap())
    };
    let run = run(6, DType::F64, Noise::new(4), 2);
    let informed = problem.rollout(&Steering::Controls(vec![control(), control()]), &run).unwrap();
    let guided = problem.rollout(&Steering::Cdps { scale: 1.5 }, &run).unwrap();
    for (a, b) in numbers(&informed.object).iter().zip(numbers(&guided.object)) {
        // NN2 computes in f32.
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    assert!(mean(&informed.energies[0]) > 0.1);
}

#[test]
fn a_control_without_the_layer_to_silence_or_that_would_climb_is_refused() {
    let mut init = Init::seeded(device(), 8);
    let mut refused = |scale: f64, last: &str| {
        let descent = Descent { scale, data_variance: 0.3, time_scale: 1000.0 };
        let network = UNet2D::new(small_unet(1), &mut init).unwrap();
        RewardInformed::new(Box::new(network), last, Sight::Published, descent, &mut init).err().unwrap().to_string()
    };
    assert!(refused(-0.5, "conv_out").contains("a scale of at least 0"));
    assert!(refused(0.5, "head").contains("no layer `head`"));
}

#[test]
fn a_network_that_learns_gets_below_the_guidance_it_started_from() {
    let problem = Problem {
        object: [1, 8, 8],
        running: Running::Signal(0.5),
        ..crossed(Aggregator::stripes(device(), 2, [8, 8]).unwrap())
    };
    let problem = Problem { agents: vec![gaussian(&[0.1; 64], 0.3), gaussian(&[-0.2; 64], 0.3)], ..problem };
    let mut init = Init::seeded(device(), 8);
    let descent = Descent { scale: 0.2, data_variance: 0.3, time_scale: 1000.0 };
    let mut control = || -> Arc<dyn Control> {
        Arc::new(RewardInformed::unet(small_unet(1), Sight::Published, descent, &mut init).unwrap())
    };
    let controls = vec![control(), control()];
    let mut training = Training::new(problem, controls, Scheme::Joint, Adam::default(), Some(1.0)).unwrap();
    let run = run(6, DType::F32, Noise::new(4), 4);
    let objective = |training: &Training| {
        let held_out = Rollout { first: 1 << 20, batch: 16, ..run.clone() };
        mean(&training.problem().watch(&training.steering(), &held_out, &mut |_| Ok(())).unwrap().objective)
    };
    let before = objective(&training);
    for update in 0..20 {
        training.update(&run.fresh(&Noise::new(4), update).unwrap(), Rates { control: 3e-3, aggregator: 0.0 }).unwrap();
    }
    assert!(objective(&training) < 0.9 * before);
}
