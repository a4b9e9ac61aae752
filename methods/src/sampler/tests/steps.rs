//! One step of each rule, against the formula as it is printed.

use crate::testing::{constant, numbers};
use crate::{Betas, Churn, Condition, Denoiser, Discrete, Gaussian, GaussianDenoiser, Grid, Process, Sampler, Spacing};
use autograd::{Grad, Tensor, Var, grad, jvp};

fn gaussian(process: &Process) -> GaussianDenoiser {
    let data = Gaussian::full(vec![0.3, -0.5], vec![0.4, 0.2, 0.2, 0.7]).unwrap();
    GaussianDenoiser::new(process.clone(), data)
}

const X: [f64; 4] = [0.7, -1.1, 0.2, 1.9];
const XI: [f64; 4] = [-0.3, 0.6, 1.4, -0.9];

#[track_caller]
fn assert_close(got: &[f64], want: impl IntoIterator<Item = f64>) {
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < 1e-12 * (1.0 + want.abs()), "{got} is not {want}");
    }
}

#[test]
fn euler_maruyama_is_the_reverse_sde_in_terms_of_the_score() {
    let process = Process::variance_preserving();
    let table = Sampler::EulerMaruyama.table(&process, &Grid::uniform(&process, 25).unwrap()).unwrap();
    let (x, xi) = (constant(&[2, 2], &X), constant(&[2, 2], &XI));
    for row in &table.rows()[..24] {
        let (beta, dt) = (0.1 + row.t * 19.9, row.dt);
        let denoiser = gaussian(&process);
        let next = row.step(&denoiser, &Condition::None, &x, Some(&xi)).unwrap().next;
        let score = numbers(&denoiser.estimate(&x, row.t, &Condition::None).unwrap().score().unwrap());
        assert_close(
            &numbers(&next),
            (0..4).map(|i| X[i] + (beta / 2.0 * X[i] + beta * score[i]) * dt + (beta * dt).sqrt() * XI[i]),
        );
        assert_close(&[row.g], [beta.sqrt()]);
    }
}

/// Ho et al. 2020, eq. 6 and 7, with indices of the chain.
#[test]
fn ddim_at_one_is_ddpms_ancestral_step() {
    let discrete = Discrete::new(Betas::Linear { start: 1e-4, end: 0.02 }, 1000).unwrap();
    let process = Process::Discrete(discrete.clone());
    let grid = Grid::spaced(&discrete, 1000, Spacing::Linspace).unwrap();
    let table = Sampler::Ddim { eta: 1.0 }.table(&process, &grid).unwrap();
    for i in [999_usize, 500, 1] {
        let beta = 1e-4 + (0.02 - 1e-4) * i as f64 / 999.0;
        let [bar, before] = [i, i - 1].map(|i| process.level(i as f64).unwrap().alpha.powi(2));
        let row = table.rows()[999 - i];
        assert_close(
            &[row.state, row.clean],
            [(1.0 - beta).sqrt() * (1.0 - before) / (1.0 - bar), before.sqrt() * beta / (1.0 - bar)],
        );
        assert_close(&[row.noise], [((1.0 - before) / (1.0 - bar) * beta).sqrt()]);
    }
}

#[test]
fn ddim_takes_a_state_without_noise_to_one_without_noise() {
    let process = Process::variance_preserving();
    for eta in [0.0, 0.3, 1.0] {
        let table = Sampler::Ddim { eta }.table(&process, &Grid::quadratic(&process, 25).unwrap()).unwrap();
        for pair in table.rows().windows(2) {
            assert_close(&[pair[0].state * pair[0].alpha + pair[0].clean], [pair[1].alpha]);
        }
    }
}

/// Karras et al. 2022, algorithm 2, lines 4 to 10.
#[test]
fn edm_is_the_papers_algorithm() {
    let process = Process::edm();
    let grid = Grid::karras(&process, 18).unwrap();
    let churn = Churn { amount: 5.0, min: 0.05, max: 50.0, scale: 1.003 };
    let table = Sampler::EdmHeun { churn }.table(&process, &grid).unwrap();
    assert_eq!(table.evaluations(), 35);
    assert_eq!(table.start(), 80.0);
    let denoiser = gaussian(&process);
    let clean =
        |x: &[f64], sigma: f64| numbers(&denoiser.denoise(&constant(&[2, 2], x), sigma, &Condition::None).unwrap());
    for (k, row) in table.rows().iter().enumerate() {
        let sigma = grid.times()[k];
        let gamma = if (0.05..=50.0).contains(&sigma) { 5.0 / 18.0 } else { 0.0 };
        let hat = sigma * (1.0 + gamma);
        let added = 1.003 * (hat * hat - sigma * sigma).sqrt();
        let start: Vec<f64> = X.iter().zip(XI).map(|(x, xi)| sigma * x + added * xi).collect();
        let at_hat = clean(&start, hat);
        let slope: Vec<f64> = start.iter().zip(&at_hat).map(|(x, clean)| (x - clean) / hat).collect();
        let below = grid.times().get(k + 1).copied().unwrap_or(0.0);
        let mut next: Vec<f64> = start.iter().zip(&slope).map(|(x, d)| x + (below - hat) * d).collect();
        if below > 0.0 {
            let end = clean(&next, below);
            next = (0..4).map(|i| start[i] + (below - hat) * (slope[i] + (next[i] - end[i]) / below) / 2.0).collect();
        }
        let x = constant(&[2, 2], &X.map(|x| sigma * x));
        let got = row.step(&denoiser, &Condition::None, &x, Some(&constant(&[2, 2], &XI))).unwrap();
        assert_close(&numbers(&got.next), next);
        assert_close(&numbers(&got.clean), at_hat);
    }
}

/// A few steps as a function of the start: its gradient and its directional derivative against differences.
#[test]
fn steps_are_differentiable() {
    let vp = Process::variance_preserving();
    let edm = Process::edm();
    let heun = Sampler::EdmHeun { churn: Churn { amount: 1.0, ..Churn::NONE } };
    for (process, sampler) in [(vp.clone(), Sampler::EulerMaruyama), (vp, Sampler::Ddim { eta: 0.5 }), (edm, heun)] {
        let table = sampler.table(&process, &Grid::quadratic(&process, 5).unwrap()).unwrap();
        let denoiser = gaussian(&process);
        let run = |x: &Var| {
            let xi = constant(&[2, 2], &XI);
            let rows = table.rows().iter();
            let end = rows.fold(x.clone(), |x, row| row.step(&denoiser, &Condition::None, &x, Some(&xi)).unwrap().next);
            end.square()?.sum()
        };
        let direction = [1.0, -0.5, 0.25, 2.0];
        let moved = |h: f64| constant(&[2, 2], &std::array::from_fn::<f64, 4, _>(|i| X[i] + h * direction[i]));
        let difference = (numbers(&run(&moved(1e-5)).unwrap())[0] - numbers(&run(&moved(-1e-5)).unwrap())[0]) / 2e-5;
        let x = Var::leaf(constant(&[2, 2], &X).value().clone());
        let gradient = numbers(grad(&run(&x).unwrap(), &[&x], Grad::default()).unwrap().get(0).unwrap());
        let along: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
        let tangent = Tensor::from_slice(x.device(), &[2, 2], &direction).unwrap();
        let pushed = jvp(&[(&x, tangent)], |x| Ok(run(&x[0])?.tangent().cloned())).unwrap().unwrap();
        assert!((along - difference).abs() < 1e-7 * (1.0 + along.abs()), "{along} {difference}");
        assert!((numbers(&pushed)[0] - along).abs() < 1e-12 * (1.0 + along.abs()));
    }
}

#[test]
fn a_noisy_row_without_noise_is_an_error_and_a_silent_one_is_not() {
    let process = Process::variance_preserving();
    let table = Sampler::EulerMaruyama.table(&process, &Grid::uniform(&process, 3).unwrap()).unwrap();
    let (denoiser, x) = (gaussian(&process), constant(&[2, 2], &X));
    let error = table.rows()[0].step(&denoiser, &Condition::None, &x, None).unwrap_err();
    assert_eq!(error.to_string(), "this row of a sampler adds noise and none was given; draw it with `Noise::normal`");
    let last = table.rows()[2].step(&denoiser, &Condition::None, &x, None).unwrap();
    assert_eq!(numbers(&last.next), numbers(&last.clean));
}
