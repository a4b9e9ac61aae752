//! Data of one Gaussian number: the law of every sampler's result is known exactly, without drawing.

use crate::testing::{Normal, law, start};
use crate::{Betas, Churn, Discrete, Grid, Order, Process, Sampler};

const DATA: Normal = Normal { mean: 0.3, variance: 0.4 };

fn result(process: &Process, sampler: Sampler, grid: &Grid) -> Normal {
    let table = sampler.table(process, grid).unwrap();
    law(process, &table, DATA, start(&table))
}

#[track_caller]
fn assert_law(got: Normal, mean: f64, variance: f64, tolerance: f64) {
    let close = (got.mean - mean).abs() < tolerance && (got.variance - variance).abs() < tolerance;
    assert!(close, "N({}, {}) is not N({mean}, {variance})", got.mean, got.variance);
}

#[test]
fn every_sampler_gives_back_the_data() {
    let vp = Process::variance_preserving();
    let grid = Grid::quadratic(&vp, 400).unwrap();
    let heun = Sampler::ProbabilityFlow { order: Order::Heun };
    let stochastic = [Sampler::EulerMaruyama, Sampler::Ddim { eta: 1.0 }, Sampler::Ddim { eta: 0.4 }];
    for sampler in [heun, Sampler::ProbabilityFlow { order: Order::Euler }, Sampler::Ddim { eta: 0.0 }]
        .into_iter()
        .chain(stochastic)
    {
        assert_law(result(&vp, sampler, &grid), DATA.mean, DATA.variance, 8e-3);
    }
    let flow = Process::rectified_flow();
    assert_law(result(&flow, heun, &Grid::uniform(&flow, 100).unwrap()), DATA.mean, DATA.variance, 1e-3);
    let edm = Process::edm();
    let churn = Churn { amount: 40.0, min: 0.05, max: 50.0, scale: 1.0 };
    for (points, churn, tolerance) in [(40, Churn::NONE, 1e-2), (256, churn, 1e-2)] {
        assert_law(
            result(&edm, Sampler::EdmHeun { churn }, &Grid::karras(&edm, points).unwrap()),
            DATA.mean,
            DATA.variance,
            tolerance,
        );
    }
}

#[test]
fn discrete_chains_give_back_the_data() {
    for betas in [Betas::Linear { start: 1e-4, end: 0.02 }, Betas::SquaredCosine] {
        let discrete = Discrete::new(betas, 1000).unwrap();
        let grid = Grid::spaced(&discrete, 250, crate::Spacing::Trailing).unwrap();
        let process = Process::Discrete(discrete);
        for eta in [0.0, 1.0] {
            assert_law(result(&process, Sampler::Ddim { eta }, &grid), DATA.mean, DATA.variance, 2e-2);
        }
    }
}

/// Data of deviation 0.001, as good as constant: the background of MNIST.
#[test]
fn what_is_left_on_constant_pixels_without_and_with_the_mean_at_the_end() {
    let vp = Process::variance_preserving();
    let data = Normal { mean: -1.0, variance: 1e-6 };
    let uniform = |points| Grid::uniform(&vp, points).unwrap();
    let quadratic = Grid::quadratic(&vp, 25).unwrap();
    let rows = [
        (uniform(25), 0.289, 0.0026),
        (uniform(100), 0.064, 0.0006),
        (uniform(500), 0.018, 0.0002),
        (quadratic, 0.029, 0.0003),
    ];
    for (grid, noisy, mean) in rows {
        let table = Sampler::EulerMaruyama.table(&vp, &grid).unwrap();
        let deviation = |table: &crate::Table| law(&vp, table, data, start(table)).variance.sqrt();
        assert!((deviation(&table) - mean).abs() < 5e-5, "{}", deviation(&table));
        let table = table.without_mean();
        assert!((deviation(&table) - noisy).abs() < 5e-4, "{}", deviation(&table));
    }
}

/// The drift -(f x - g^2 s) of the reverse SDE with its sign turned round, as one paper prints it, does not come back.
#[test]
fn the_wrong_sign_of_the_drift_explodes() {
    let vp = Process::variance_preserving();
    let grid = Grid::uniform(&vp, 500).unwrap();
    let mut table = Sampler::EulerMaruyama.table(&vp, &grid).unwrap().without_mean();
    let right = law(&vp, &table, DATA, start(&table));
    assert_law(right, DATA.mean, DATA.variance, 1e-2);
    for row in table.rows_mut() {
        (row.state, row.clean) = (2.0 - row.state, -row.clean);
    }
    let wrong = law(&vp, &table, DATA, start(&table)).variance;
    assert!(wrong > 1e5, "{wrong}");
}

#[test]
fn steps_that_cannot_be_are_refused() {
    let flow = Process::rectified_flow();
    let from_noise = Grid::uniform(&flow, 10).unwrap();
    let error = Sampler::EulerMaruyama.table(&flow, &from_noise).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the reverse SDE of the rectified flow is singular at t = 1; start its grid below, or use the probability flow"
    );
    let below = Grid::new(vec![0.99, 0.5, 0.01]).unwrap();
    assert!(Sampler::EulerMaruyama.table(&flow, &below).is_ok());
    let vp = Process::variance_preserving();
    let grid = Grid::uniform(&vp, 10).unwrap();
    assert!(Sampler::Ddim { eta: 1.5 }.table(&vp, &grid).unwrap_err().is_usage());
    assert!(Sampler::EdmHeun { churn: Churn::NONE }.table(&vp, &grid).unwrap_err().is_usage());
    assert!(Sampler::EulerMaruyama.table(&vp, &Grid::new(vec![2.0, 1.0]).unwrap()).unwrap_err().is_usage());
}
