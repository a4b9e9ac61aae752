//! The three estimators on the linear-quadratic case of traps A2, whose expectations are exact sums.

use super::linear_quadratic::{OF, gain, numbers_of, points, problem, smooth};
use super::recursion::Scalar;
use super::run;
use crate::control::cmad::{Aggregator, Control, Estimator, Pull, Rates, Rollout, Scheme, Steering, Training};
use crate::testing::device;
use autograd::{DType, Memory, Var};
use nn::{Adam, Schedule};
use std::sync::Arc;

const ALL: [Estimator; 3] = [Estimator::Bptt, Estimator::Adjoint, Estimator::Matching];

fn exact(steps: usize) -> Rollout {
    run(steps, DType::F64, points(steps), points(steps).points())
}

fn estimate(control: &Arc<dyn Control>, run: &Rollout, by: Estimator) -> Vec<f64> {
    let vars: Vec<Var> = control.trainable().iter().map(|(_, param)| param.var()).collect();
    let wrt: Vec<&Var> = vars.iter().collect();
    let steering = Steering::Controls(vec![control.clone()]);
    let (_, gradients) = problem().estimate(&steering, run, by, &wrt).unwrap();
    let flat = |(gradient, var): (Option<Var>, &Var)| match gradient {
        Some(gradient) => gradient.value().to_f64().unwrap(),
        None => vec![0.0; var.value().count()],
    };
    gradients.into_iter().zip(&vars).flat_map(flat).collect()
}

/// |a - b| / |b|
fn apart(a: &[f64], b: &[f64]) -> f64 {
    let norm = |all: &mut dyn Iterator<Item = f64>| all.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

#[test]
fn the_adjoint_tends_to_backpropagation_at_order_one() {
    let control = smooth();
    let away = |steps: usize| {
        let run = Rollout { pull: Pull::Through, ..exact(steps) };
        apart(&estimate(&control, &run, Estimator::Adjoint), &estimate(&control, &run, Estimator::Bptt))
    };
    let [coarse, middle, fine] = [48, 96, 192].map(away);
    assert!(
        (1.7..2.3).contains(&(coarse / middle)) && (1.7..2.3).contains(&(middle / fine)),
        "{coarse} {middle} {fine}"
    );
}

#[test]
fn the_lean_costate_is_the_costate_of_controls_that_do_not_look() {
    let run = exact(24);
    // u = b_k: the derivative by b_k is the whole of it, and u does nothing with the state.
    let blind: Arc<dyn Control> = gain(&(0..24).map(|k| [0.0, 0.3 - 0.02 * k as f64]).collect::<Vec<_>>());
    let by = |control: &Arc<dyn Control>, by| estimate(control, &run, by);
    assert!(apart(&by(&blind, Estimator::Matching), &by(&blind, Estimator::Bptt)) < 1e-13);
    let looking: Arc<dyn Control> = gain(&vec![[-0.4, 0.3]; 24]);
    assert!(apart(&by(&looking, Estimator::Matching), &by(&looking, Estimator::Bptt)) > 0.05);
}

#[test]
fn all_reach_the_same_optimum() {
    let steps = 48;
    let of = Scalar { steps, ..OF };
    let best = of.outcome(&of.optimum());
    let reached = ALL.map(|estimator| {
        // The adjoint stands at the far ends of intervals, so it has one row more, and none of the first.
        let control = gain(&vec![[0.0; 2]; steps + 1]);
        let controls: Vec<Arc<dyn Control>> = vec![control.clone()];
        let adam = Adam { beta2: 0.99, ..Adam::default() };
        let training = Training::new(problem(), controls, Scheme::Joint, adam, None).unwrap();
        let mut training = training.estimated_by(estimator).unwrap();
        let schedule = Schedule::Cosine { warm_up: 0, steps: 400, floor: 1e-3 };
        for k in 0..400 {
            let rates = Rates { control: 0.1 * schedule.factor(k), aggregator: 0.0 };
            training.update(&exact(steps), rates).unwrap();
        }
        let table: Vec<[f64; 2]> = numbers_of(&control).chunks(2).map(|row| [row[0], row[1]]).collect();
        of.outcome(&table[..steps])
    });
    for (estimator, reached) in ALL.into_iter().zip(reached) {
        // Optimal for the steps that were run; or for the equation, which is O(dt) away.
        let allowed = if estimator == Estimator::Adjoint { 0.02 } else { 1e-6 };
        assert!((reached.objective - best.objective).abs() < allowed, "{estimator:?}: {reached:?}, not {best:?}");
    }
}

#[test]
fn the_memory_of_a_rollout_does_not_change_a_bit_of_the_lean_gradient() {
    let control = smooth();
    let on = |memory| estimate(&control, &Rollout { memory, ..exact(24) }, Estimator::Matching);
    let all = on(Memory::StoreAll);
    assert_eq!(on(Memory::States), all);
    assert_eq!(on(Memory::Revolve { slots: 3 }), all);
}

#[test]
fn adjoint_matching_refuses_to_learn_masks() {
    let stripes = Aggregator::stripes(device(), 1, [1, 1]).unwrap();
    let mut problem = problem();
    problem.aggregator = Aggregator::learned(&stripes, 1.0).unwrap();
    let controls: Vec<Arc<dyn Control>> = vec![gain(&[[0.0; 2]; 24])];
    let training = Training::new(problem, controls, Scheme::Joint, Adam::default(), None).unwrap();
    let error = training.estimated_by(Estimator::Matching).err().unwrap();
    assert!(error.to_string().contains("adjoint matching has no gradient for the aggregator"), "{error}");
}
