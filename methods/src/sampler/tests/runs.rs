//! Whole runs: the law of the samples by Monte Carlo with fixed seeds, and their independence of batches.

use crate::testing::{device, moments};
use crate::{
    Betas, Churn, Condition, Denoiser, Discrete, Draw, Error, Gaussian, GaussianDenoiser, Grid, MixtureDenoiser, Noise,
    Order, Process, Sampler, Spacing, sample,
};
use autograd::Tensor;
use std::ops::Range;

const COVARIANCE: [f64; 4] = [0.4, 0.2, 0.2, 0.7];

fn gaussian(process: Process) -> GaussianDenoiser {
    GaussianDenoiser::new(process, Gaussian::full(vec![0.3, -0.5], COVARIANCE.to_vec()).unwrap())
}

/// Two lumps of weights 1/4 and 3/4, means +-(1, 0.5) and covariances 0.04 I and a slanted one.
fn mixture(process: Process) -> MixtureDenoiser {
    let components = vec![
        (1.0, Gaussian::diagonal(vec![1.0, 0.5], vec![0.04, 0.04]).unwrap()),
        (3.0, Gaussian::full(vec![-1.0, -0.5], vec![0.1, 0.03, 0.03, 0.05]).unwrap()),
    ];
    MixtureDenoiser::new(process, components).unwrap()
}

fn draw(sampler: Sampler, samples: Range<u64>, batch: usize) -> Draw<'static> {
    Draw {
        device: device(),
        dtype: sampler.dtype(),
        shape: &[2],
        samples,
        batch,
        noise: Noise::new(11),
        condition: Condition::None,
    }
}

fn samplers() -> Vec<(Process, Grid, Sampler)> {
    let (vp, edm, flow) = (Process::variance_preserving(), Process::edm(), Process::rectified_flow());
    let fine = Grid::quadratic(&vp, 150).unwrap();
    let heun = Sampler::ProbabilityFlow { order: Order::Heun };
    let euler = Sampler::ProbabilityFlow { order: Order::Euler };
    let churn = Churn { amount: 10.0, min: 0.05, max: 50.0, scale: 1.0 };
    let discrete = Discrete::new(Betas::Linear { start: 1e-4, end: 0.02 }, 1000).unwrap();
    let trailing = Grid::spaced(&discrete, 250, Spacing::Trailing).unwrap();
    vec![
        (vp.clone(), fine.clone(), Sampler::EulerMaruyama),
        (vp.clone(), fine.clone(), Sampler::Ddim { eta: 1.0 }),
        (vp.clone(), fine.clone(), Sampler::Ddim { eta: 0.5 }),
        (vp.clone(), fine, Sampler::Ddim { eta: 0.0 }),
        (vp.clone(), Grid::quadratic(&vp, 600).unwrap(), euler),
        (Process::Discrete(discrete.clone()), trailing.clone(), Sampler::Ddim { eta: 1.0 }),
        (Process::Discrete(discrete), trailing, Sampler::Ddim { eta: 0.0 }),
        (vp.clone(), Grid::quadratic(&vp, 60).unwrap(), heun),
        (flow.clone(), Grid::uniform(&flow, 60).unwrap(), heun),
        (edm.clone(), Grid::karras(&edm, 60).unwrap(), Sampler::EdmHeun { churn: Churn::NONE }),
        (edm.clone(), Grid::karras(&edm, 60).unwrap(), Sampler::EdmHeun { churn }),
    ]
}

/// 4096 samples: a mean is off by 4.5 sqrt(v / n) with probability 7e-6, a covariance by 4.5 sqrt((v_i v_j + c^2) / n); for
/// the mixture that is an upper bound, because its tails are lighter than normal. 0.015 more is allowed for the steps.
#[track_caller]
fn assert_moments(samples: &Tensor, mean: &[f64], covariance: &[f64], what: &Sampler) {
    let (got_mean, got_covariance) = moments(samples);
    let n = samples.shape()[0] as f64;
    for i in 0..2 {
        let bound = 4.5 * (covariance[3 * i] / n).sqrt() + 0.015;
        assert!((got_mean[i] - mean[i]).abs() < bound, "{what:?}: mean {got_mean:?}, not {mean:?} to {bound}");
    }
    for at in 0..4 {
        let spread = covariance[3 * (at / 2)] * covariance[3 * (at % 2)] + covariance[at].powi(2);
        let bound = 4.5 * (spread / n).sqrt() + 0.015;
        assert!(
            (got_covariance[at] - covariance[at]).abs() < bound,
            "{what:?}: {got_covariance:?}, not {covariance:?} to {bound}"
        );
    }
}

#[test]
fn samples_of_a_gaussian_have_its_mean_and_covariance() {
    for (process, grid, sampler) in samplers() {
        let table = sampler.table(&process, &grid).unwrap();
        let samples = sample(&gaussian(process), &table, &draw(sampler, 0..4096, 4096), &mut |_| Ok(())).unwrap();
        assert_moments(&samples, &[0.3, -0.5], &COVARIANCE, &sampler);
    }
}

#[test]
fn samples_of_a_mixture_have_its_moments_and_weights() {
    // mean = sum w m, covariance = sum w (C + m m^T) - mean mean^T.
    let (mean, covariance) = ([-0.5, -0.25], [0.085 + 0.75, 0.0225 + 0.375, 0.0225 + 0.375, 0.0475 + 0.1875]);
    for (process, grid, sampler) in samplers() {
        let table = sampler.table(&process, &grid).unwrap();
        let samples = sample(&mixture(process), &table, &draw(sampler, 0..4096, 4096), &mut |_| Ok(())).unwrap();
        assert_moments(&samples, &mean, &covariance, &sampler);
        let right =
            samples.to_f64().unwrap().chunks(2).filter(|row| row[0] + 0.5 * row[1] > 0.0).count() as f64 / 4096.0;
        assert!((right - 0.25).abs() < 4.5 * (0.25 * 0.75 / 4096.0_f64).sqrt() + 0.01, "{sampler:?}: {right}");
    }
}

#[test]
fn a_sample_has_the_same_bits_whatever_its_batch() {
    for (process, grid, sampler) in samplers() {
        let grid = Grid::new(grid.times().iter().copied().step_by(6).collect()).unwrap();
        let table = sampler.table(&process, &grid).unwrap();
        let denoiser = mixture(process);
        let run = |samples: Range<u64>, batch| -> Vec<u64> {
            let samples = sample(&denoiser, &table, &draw(sampler, samples, batch), &mut |_| Ok(())).unwrap();
            samples.to_f64().unwrap().into_iter().map(f64::to_bits).collect()
        };
        let whole = run(0..8, 8);
        assert_eq!(run(3..4, 1), whole[6..8]);
        for batch in [1, 3, 5, 100] {
            assert_eq!(run(0..8, batch), whole, "{sampler:?} in batches of {batch}");
        }
        assert_eq!([run(0..5, 2), run(5..8, 3)].concat(), whole);
    }
}

#[test]
fn observers_see_every_step_and_may_stop() {
    let process = Process::variance_preserving();
    let table = Sampler::EulerMaruyama.table(&process, &Grid::quadratic(&process, 4).unwrap()).unwrap();
    let denoiser = gaussian(process);
    let draw = draw(Sampler::EulerMaruyama, 2..7, 3);
    let mut seen = Vec::new();
    let samples = sample(&denoiser, &table, &draw, &mut |moment| {
        assert_eq!((moment.steps, moment.x.shape()), (4, moment.clean.shape()));
        seen.push((moment.samples.clone(), moment.step));
        Ok(())
    });
    assert_eq!(samples.unwrap().shape(), [5, 2]);
    assert_eq!((seen[0].clone(), seen[7].clone(), seen.len()), ((2..5, 0), (5..7, 3), 8));
    let stopped = sample(&denoiser, &table, &draw, &mut |_| Err(Error::argument("enough"))).unwrap_err();
    assert_eq!(stopped.to_string(), "enough");
    let none = sample(&denoiser, &table, &Draw { samples: 3..3, ..draw.clone() }, &mut |_| Ok(())).unwrap();
    assert_eq!(none.shape(), [0, 2]);
    assert!(sample(&denoiser, &table, &Draw { batch: 0, ..draw }, &mut |_| Ok(())).unwrap_err().is_usage());
}

#[test]
fn samples_of_the_wrong_shape_are_refused_in_a_sentence() {
    let denoiser = gaussian(Process::edm());
    let x = crate::testing::constant(&[4, 3], &[0.0; 12]);
    let error = denoiser.denoise(&x, 1.0, &Condition::None).unwrap_err();
    assert_eq!(error.to_string(), "samples of 2 elements are expected behind the leading axis, not shape [4, 3]");
}
