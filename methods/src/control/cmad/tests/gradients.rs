//! Backpropagation through time against finite differences (traps A9), and its memory plans against each other.

use super::run;
use crate::analytic::{Gaussian, MixtureDenoiser};
use crate::control::cmad::{
    Aggregator, Control, Descent, Moment, Problem, Pull, RewardInformed, Rollout, Running, Sight, Steering,
};
use crate::cost::{NegativeLogLikelihood, Quadratic, Seam, Total};
use crate::noise::Noise;
use crate::process::Process;
use crate::testing::{device, numbers};
use autograd::{DType, Grad, Memory, Tensor, grad};
use nn::{Init, Mlp, MlpConfig, Module, Param};
use std::sync::Arc;

/// Everything that may go wrong, in small: two agents that share a mixture, learned masks, a cost of three terms.
fn problem(init: &mut Init) -> Problem {
    let part = |mean: f64| Gaussian::diagonal((0..8).map(|i| mean * (i as f64).cos()).collect(), vec![0.2; 8]).unwrap();
    let mixture = MixtureDenoiser::new(Process::variance_preserving(), vec![(1.0, part(1.0)), (2.0, part(-0.7))]);
    let agent = Arc::new(mixture.unwrap());
    let stripes = Aggregator::stripes(device(), 2, [4, 2]).unwrap();
    let map = stripes.seams([4, 2]).unwrap();
    let config = MlpConfig { inputs: 8, outputs: 3, hidden: vec![6], time_features: 0, ..MlpConfig::default() };
    let classifier = Arc::new(Mlp::new(config, init).unwrap());
    classifier.set_trainable(false);
    let logits: Vec<f64> = (0..16).map(|i| if (i < 8) == (i % 8 < 4) { 1.5 } else { 0.0 }).collect();
    let logits = Param::new(Tensor::from_slice(device(), &[2, 1, 4, 2], &logits).unwrap());
    Problem {
        agents: vec![agent.clone(), agent],
        aggregator: Aggregator::Learned { logits },
        cost: Arc::new(Total(vec![
            (0.4, Arc::new(Quadratic { weight: 1.0, centre: 0.5 })),
            (1.0, Arc::new(NegativeLogLikelihood::new(classifier, 2))),
            (0.8, Arc::new(Seam { beta: 1.0, gamma: 0.5, eps: 0.2, map })),
        ])),
        energy_weights: vec![0.3, 0.2],
        running: Running::Signal(0.6),
        object: [1, 4, 2],
    }
}

/// A control that has learned something.
fn control(init: &mut Init) -> Arc<dyn Control> {
    let config = MlpConfig { inputs: 24, outputs: 8, hidden: vec![10], time_features: 8, ..MlpConfig::default() };
    let network = Mlp::new(config, init).unwrap();
    let descent = Descent { scale: 0.8, data_variance: 0.7, time_scale: 10.0 };
    let control = RewardInformed::new(Box::new(network), "layers.1", Sight::Published, descent, init).unwrap();
    for (name, param) in control.named_parameters() {
        if name.starts_with("correction.layers.1") || name == "gain.out.weight" {
            param.set(init.uniform(&param.shape(), 4).unwrap().value()).unwrap();
        }
    }
    Arc::new(control)
}

struct Bench {
    problem: Problem,
    steering: Steering,
    params: Vec<(String, Param)>,
    run: Rollout,
}

fn bench() -> Bench {
    let mut init = Init::seeded(device(), 11).dtype(DType::F64);
    let problem = problem(&mut init);
    let controls = vec![control(&mut init), control(&mut init)];
    let mut params: Vec<(String, Param)> = controls.iter().flat_map(|control| control.named_parameters()).collect();
    params.extend(problem.aggregator.named_parameters());
    let run = run(4, DType::F64, Noise::new(2), 3);
    Bench { problem, steering: Steering::Controls(controls), params, run }
}

impl Bench {
    fn objective(&self, run: &Rollout) -> f64 {
        self.problem.rollout(&self.steering, run).unwrap().objective.mean().unwrap().value().item().unwrap()
    }

    fn gradients(&self, run: &Rollout) -> Vec<Vec<f64>> {
        let mean = self.problem.rollout(&self.steering, run).unwrap().objective.mean().unwrap();
        let vars: Vec<_> = self.params.iter().map(|(_, param)| param.var()).collect();
        let all = grad(&mean, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap();
        (0..vars.len()).map(|i| numbers(all.get(i).unwrap())).collect()
    }

    /// The largest disagreement between `gradients` and central differences of J over one random direction a parameter,
    /// relative to the largest derivative.
    fn disagreement(&self, gradients: &[Vec<f64>], run: &Rollout) -> f64 {
        let (mut worst, mut largest) = (0.0f64, 0.0f64);
        for ((_, param), gradient) in self.params.iter().zip(gradients) {
            let direction: Vec<f64> = (0..gradient.len()).map(|i| (3.0 * i as f64 + 1.0).sin()).collect();
            let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let step = Tensor::from_slice(device(), &param.shape(), &direction).unwrap();
            let value = param.value();
            let moved = |h: f64| {
                param.set(Tensor::combine(&[(1.0, &value), (h, &step)]).unwrap()).unwrap();
                self.objective(run)
            };
            let difference = (moved(3e-5) - moved(-3e-5)) / 6e-5;
            param.set(value.clone()).unwrap();
            (worst, largest) = (worst.max((difference - along).abs()), largest.max(difference.abs()));
        }
        worst / largest
    }

    fn pulls(&self) -> Pull {
        let mut recorded = Vec::new();
        let look = |moment: &Moment| {
            recorded.push(moment.pulls.iter().map(|pull| pull.value().clone()).collect());
            Ok(())
        };
        self.problem.watch(&self.steering, &self.run, &mut { look }).unwrap();
        Pull::Replayed(Arc::new(recorded))
    }
}

#[test]
fn the_stopped_gradient_is_that_of_j_with_the_pulls_replayed_and_no_other() {
    let bench = bench();
    let stopped = bench.gradients(&bench.run);
    let replayed = Rollout { pull: bench.pulls(), ..bench.run.clone() };
    assert_eq!(bench.gradients(&replayed), stopped);
    let (with, without) = (bench.disagreement(&stopped, &replayed), bench.disagreement(&stopped, &bench.run));
    assert!(with < 1e-7 && without > 1e-2, "{with:e} {without:e}");
}

#[test]
fn the_gradient_through_the_pulls_is_that_of_j() {
    let bench = bench();
    let through = Rollout { pull: Pull::Through, ..bench.run.clone() };
    let gradients = bench.gradients(&through);
    let disagreement = bench.disagreement(&gradients, &bench.run);
    assert!(disagreement < 1e-7, "{disagreement:e}");
    assert_eq!(bench.objective(&through), bench.objective(&bench.run));
}

#[test]
fn gradients_are_the_same_bits_however_little_is_kept() {
    let bench = bench();
    for pull in [Pull::Stopped, Pull::Through] {
        let kept = Rollout { pull, ..bench.run.clone() };
        let states = Rollout { memory: Memory::States, ..kept.clone() };
        assert_eq!(bench.gradients(&kept), bench.gradients(&states));
    }
}

#[test]
fn a_best_response_moves_one_player() {
    let bench = bench();
    let run = Rollout { only: Some(1), ..bench.run.clone() };
    let mean = bench.problem.rollout(&bench.steering, &run).unwrap().objective.mean().unwrap();
    let vars: Vec<_> = bench.params.iter().map(|(_, param)| param.var()).collect();
    let all = grad(&mean, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap();
    let half = (vars.len() - 1) / 2;
    let norm = |i: usize| all.get(i).map_or(0.0, |g| numbers(g).iter().map(|x| x * x).sum::<f64>());
    assert!((0..half).all(|i| norm(i) == 0.0) && (half..vars.len()).all(|i| norm(i) > 0.0));
    assert_eq!(mean.value().item().unwrap(), bench.objective(&bench.run));
}
