//! Traps A2: everything at once against the closed form. Data N(.3, .4), Psi = 2.5 (x - 1.5)^2, lambda = .7: the optimum
//! tilts the law to N(1.0059, .1647) at J = 2.1035 and KL = .7724.

use super::cubature::Cubature;
use super::recursion::Scalar;
use super::{alone, gaussian, law, mean, run};
use crate::control::cmad::{
    Control, Descent, LinearGain, Problem, Rates, RewardInformed, Running, Scheme, Sight, Steering, Training,
};
use crate::cost::Quadratic;
use crate::testing::device;
use autograd::{DType, Grad, Tensor, grad};
use nn::{Adam, Init, Mlp, MlpConfig, Module, Schedule};
use std::sync::Arc;

pub(super) const OF: Scalar = Scalar { m: 0.3, v: 0.4, weight: 2.5, centre: 1.5, lambda: 0.7, agents: 1.0, steps: 0 };

pub(super) fn problem() -> Problem {
    Problem {
        agents: vec![gaussian(&[OF.m], OF.v)],
        aggregator: alone(),
        cost: Arc::new(Quadratic { weight: OF.weight, centre: OF.centre }),
        energy_weights: vec![OF.lambda],
        running: Running::Constant(0.0),
        object: [1, 1, 1],
    }
}

pub(super) fn gain(table: &[[f64; 2]]) -> Arc<LinearGain> {
    let table = Tensor::from_slice(device(), &[table.len(), 2], table.as_flattened()).unwrap();
    Arc::new(LinearGain::new(table).unwrap())
}

pub(super) fn points(steps: usize) -> Cubature {
    Cubature { agents: 1, pixels: 1, steps }
}

#[test]
fn the_optimum_of_the_chain_is_stationary_and_costs_what_dynamic_programming_says() {
    for steps in [24, 48] {
        let of = Scalar { steps, ..OF };
        let (control, outcome) = (gain(&of.optimum()), of.outcome(&of.optimum()));
        let run = run(steps, DType::F64, points(steps), points(steps).points());
        let costs = problem().rollout(&Steering::Controls(vec![control.clone()]), &run).unwrap();
        assert!((mean(&costs.objective) - outcome.objective).abs() < 1e-12);
        assert!((mean(&costs.energies[0]) - outcome.energy).abs() < 1e-12);
        let [m, v] = law(&costs);
        assert!((m - outcome.mean).abs() < 1e-12 && (v - outcome.variance).abs() < 1e-12);
        let by_table = grad(&costs.objective.mean().unwrap(), &[&control.table.var()], Grad::default()).unwrap();
        let largest = by_table.get(0).unwrap().value().to_f64().unwrap().iter().fold(0.0f64, |a, x| a.max(x.abs()));
        assert!(largest < 1e-12, "{largest}");
    }
}

#[test]
fn training_from_nothing_reaches_the_optimum_and_the_optimum_tends_to_the_tilted_law() {
    let steps = 24;
    let of = Scalar { steps, ..OF };
    let control = gain(&vec![[0.0; 2]; steps]);
    let adam = Adam { beta2: 0.99, ..Adam::default() };
    let controls: Vec<Arc<dyn Control>> = vec![control.clone()];
    let mut training = Training::new(problem(), controls, Scheme::Joint, adam, None).unwrap();
    let run = run(steps, DType::F64, points(steps), points(steps).points());
    let schedule = Schedule::Cosine { warm_up: 0, steps: 400, floor: 1e-3 };
    for k in 0..400 {
        let rate = 0.1 * schedule.factor(k);
        training.update(&run, Rates { control: rate, aggregator: 0.0 }).unwrap();
    }
    let table: Vec<[f64; 2]> = numbers_of(&control).chunks(2).map(|row| [row[0], row[1]]).collect();
    let (reached, best) = (of.outcome(&table), of.outcome(&of.optimum()));
    assert!((reached.objective - best.objective).abs() < 1e-7, "{reached:?} {best:?}");
    assert!((reached.mean - best.mean).abs() < 1e-4 && (reached.variance - best.variance).abs() < 1e-4);
    // Order 1 in dt, towards J 2.1035, N(1.0059, .1647) and KL = 1/2 E int |u|^2 = .7724.
    let away = |steps: usize| {
        let of = Scalar { steps, ..OF };
        let of = of.outcome(&of.optimum());
        [of.objective - 2.1035, of.mean - 1.0059, of.variance - 0.1647, 0.5 * of.energy - 0.7724]
    };
    let (coarse, fine) = (away(96), away(192));
    for (coarse, fine) in coarse.iter().zip(fine) {
        assert!((1.7..2.3).contains(&(coarse / fine)) && fine.abs() < 3e-3, "{coarse} {fine}");
    }
    // What was reached is as far away as dynamic programming says, to much less than that distance.
    assert!(away(steps)[0].abs() > 1e3 * (reached.objective - best.objective).abs());
}

pub(super) fn numbers_of(control: &LinearGain) -> Vec<f64> {
    control.table.value().to_f64().unwrap()
}

/// A control that is smooth in time, with random weights: what starts at zero would not show whether time reaches both
/// networks.
pub(super) fn smooth() -> Arc<dyn Control> {
    let mut init = Init::seeded(device(), 3).dtype(DType::F64);
    let config = MlpConfig { inputs: 3, outputs: 1, hidden: vec![8], time_features: 8, ..MlpConfig::default() };
    let network = Mlp::new(config, &mut init).unwrap();
    let descent = Descent { scale: 0.7, data_variance: OF.v, time_scale: 1000.0 };
    let control = RewardInformed::new(Box::new(network), "layers.1", Sight::Published, descent, &mut init).unwrap();
    for (name, param) in control.named_parameters() {
        if name.contains("layers.1") || name.contains("gain.out") {
            param.set(init.uniform(&param.shape(), 4000).unwrap().value()).unwrap();
        }
    }
    Arc::new(control)
}

#[test]
fn a_control_costs_the_same_on_a_coarse_and_on_a_fine_grid() {
    let steering = Steering::Controls(vec![smooth()]);
    let on = |steps: usize| {
        let run = run(steps, DType::F64, points(steps), points(steps).points());
        let costs = problem().watch(&steering, &run, &mut |_| Ok(())).unwrap();
        mean(&costs.objective)
    };
    // Order 1 in dt: 2.1 % between 24 steps and 96, .6 % between 48 and 96.
    let [coarse, middle, fine] = [24, 48, 96].map(on);
    assert!((coarse - fine).abs() < 0.025 * fine && (middle - fine).abs() < 0.007 * fine, "{coarse} {middle} {fine}");
}
