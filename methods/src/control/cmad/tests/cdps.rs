//! Traps A7: guidance descends, and where the plugged-in clean estimate is exact, so is the posterior.
//!
//! For Gaussian data and Psi = b x0, -log E[exp(-Psi) | x_t] = b x0hat(x_t) + const: CDPS of scale 1 is the h-transform, its
//! law N(m - b v, v), and, with lambda = 1/2, J = -log E exp(-Psi) = b m - b^2 v / 2.

use super::cubature::Cubature;
use super::{alone, gaussian, law, mean, run};
use crate::control::cmad::{Aggregator, Moment, Problem, Rollout, Running, Steering};
use crate::cost::{Cost, Quadratic};
use crate::denoiser::Condition;
use crate::error::Result;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::testing::{constant, device, numbers};
use autograd::{DType, Var};
use std::sync::Arc;

/// Psi = b sum x.
struct Slope(f64);

impl Cost for Slope {
    fn name(&self) -> &str {
        "slope"
    }
    fn per_sample(&self, clean: &Var) -> Result<Var> {
        Ok(clean.sum_per_sample()?.scale(self.0)?)
    }
}

#[test]
fn a_cost_that_is_exact_in_the_clean_estimate_gives_the_exact_posterior_to_order_one() {
    let (m, v, b) = (0.3, 0.4, 0.8);
    let problem = Problem {
        agents: vec![gaussian(&[m], v)],
        aggregator: alone(),
        cost: Arc::new(Slope(b)),
        energy_weights: vec![0.5],
        running: Running::Constant(0.0),
        object: [1, 1, 1],
    };
    let away = |steps: usize| {
        let points = Cubature { agents: 1, pixels: 1, steps };
        let run = run(steps, DType::F64, points, points.points());
        let costs = problem.rollout(&Steering::Cdps { scale: 1.0 }, &run).unwrap();
        let [mean_of_law, variance] = law(&costs);
        [mean_of_law - (m - b * v), variance - v, mean(&costs.objective) - (b * m - b * b * v / 2.0)].map(f64::abs)
    };
    let (coarse, fine) = (away(50), away(100));
    // The law's mean has hardly an error to begin with.
    assert!(coarse[0] < 3e-4 && fine[0] < 3e-4, "{coarse:?} {fine:?}");
    assert!(coarse[1] > 1.8 * fine[1] && fine[1] < 7e-3, "{coarse:?} {fine:?}");
    assert!(coarse[2] > 1.8 * fine[2] && fine[2] < 4e-4, "{coarse:?} {fine:?}");
}

#[test]
fn one_step_lowers_the_cost_of_every_sample_and_is_the_gradient_through_the_agents() {
    // Two agents of different data make one object of four pixels, the second with a share in every pixel.
    let masks = [vec![0.75, 0.75, 0.0, 0.0], vec![0.25, 0.25, 1.0, 1.0]];
    let agents = vec![gaussian(&[0.2; 4], 0.5), gaussian(&[-0.4; 4], 0.3)];
    let problem = Problem {
        agents,
        aggregator: Aggregator::masks(device(), &masks, [2, 2]).unwrap(),
        cost: Arc::new(Quadratic { weight: 1.5, centre: 1.0 }),
        energy_weights: vec![1.0; 2],
        running: Running::Constant(0.0),
        object: [1, 2, 2],
    };
    let run = run(1, DType::F64, Noise::new(5), 16);
    let run = Rollout { grid: Grid::new(vec![0.3, 0.29]).unwrap(), ..run };
    let mut checked = 0;
    let look = |moment: &Moment| {
        // u = -scale g grad by central differences of Psi(Yhat(x)), pixel by pixel of sample 7.
        for agent in 0..2 {
            for pixel in 0..4 {
                let psi = |h: f64| {
                    let moved = |i: usize| {
                        let mut x = numbers(&moment.states[i]);
                        x[7 * 4 + pixel] += if i == agent { h } else { 0.0 };
                        problem.agents[i]
                            .denoise(&constant(&[16, 1, 2, 2], &x), moment.row.t, &Condition::None)
                            .unwrap()
                    };
                    let object = problem.aggregator.aggregate(&[moved(0), moved(1)]).unwrap();
                    numbers(&problem.cost.per_sample(&object).unwrap())[7]
                };
                let slope = (psi(1e-4) - psi(-1e-4)) / 2e-4;
                let control = numbers(moment.controls[agent].as_ref().unwrap())[7 * 4 + pixel];
                assert!((control + 2.0 * moment.row.g * slope).abs() < 1e-8, "{control} {slope}");
                checked += 1;
            }
        }
        Ok(())
    };
    let guided = problem.watch(&Steering::Cdps { scale: 2.0 }, &run, &mut { look }).unwrap();
    assert_eq!(checked, 8);
    let free = problem.watch(&Steering::None, &run, &mut |_| Ok(())).unwrap();
    for (guided, free) in numbers(&guided.terminal).iter().zip(numbers(&free.terminal)) {
        assert!(*guided < free, "{guided} {free}");
    }
}
