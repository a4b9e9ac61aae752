//! The analytic denoisers against their definition, computed on the host in another way.

use crate::testing::{constant, numbers};
use crate::{Condition, Denoiser, Gaussian, GaussianDenoiser, Level, MixtureDenoiser, Process};
use autograd::{Grad, Var, grad};

const X: [f64; 6] = [0.7, -1.1, 0.2, 1.9, -3.0, 0.4];

fn components() -> Vec<(f64, Gaussian)> {
    vec![
        (0.3, Gaussian::full(vec![-1.0, 0.2], vec![0.1, 0.05, 0.05, 0.2]).unwrap()),
        (0.7, Gaussian::diagonal(vec![0.8, -0.1], vec![0.3, 0.05]).unwrap()),
    ]
}

/// log of 0.3 N(x; ..) + 0.7 N(x; ..) at a noise level, by the inverse and determinant of 2 x 2 matrices.
fn log_density(level: &Level, x: [f64; 2]) -> f64 {
    let (a2, s2) = (level.alpha.powi(2), level.sigma.powi(2));
    let rows = [(0.3, [-1.0, 0.2], [0.1, 0.05, 0.2]), (0.7, [0.8, -0.1], [0.3, 0.0, 0.05])];
    let densities = rows.map(|(weight, mean, [xx, xy, yy])| {
        let [xx, xy, yy] = [a2 * xx + s2, a2 * xy, a2 * yy + s2];
        let [u, v] = [x[0] - level.alpha * mean[0], x[1] - level.alpha * mean[1]];
        let determinant = xx * yy - xy * xy;
        weight * (-0.5 * (yy * u * u - 2.0 * xy * u * v + xx * v * v) / determinant).exp() / determinant.sqrt()
    });
    densities.iter().sum::<f64>().ln()
}

#[test]
fn a_mixtures_score_is_the_gradient_of_its_log_density() {
    for (process, times) in
        [(Process::variance_preserving(), [0.1, 0.4, 1.0]), (Process::rectified_flow(), [0.2, 0.7, 1.0])]
    {
        let denoiser = MixtureDenoiser::new(process.clone(), components()).unwrap();
        for t in times {
            let level = process.level(t).unwrap();
            let score =
                numbers(&denoiser.estimate(&constant(&[3, 2], &X), t, &Condition::None).unwrap().score().unwrap());
            for (row, score) in X.chunks(2).zip(score.chunks(2)) {
                for axis in 0..2 {
                    let at =
                        |h: f64| log_density(&level, std::array::from_fn(|i| row[i] + if i == axis { h } else { 0.0 }));
                    let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!(
                        (score[axis] - difference).abs() < 1e-7 * (1.0 + difference.abs()),
                        "{} {difference}",
                        score[axis]
                    );
                }
            }
        }
    }
}

#[test]
fn one_component_is_a_gaussian_and_a_full_diagonal_is_a_diagonal() {
    let process = Process::variance_preserving();
    let full = Gaussian::full(vec![0.8, -0.1], vec![0.3, 0.0, 0.0, 0.05]).unwrap();
    let diagonal = Gaussian::diagonal(vec![0.8, -0.1], vec![0.3, 0.05]).unwrap();
    let denoisers: [Box<dyn Denoiser>; 3] = [
        Box::new(GaussianDenoiser::new(process.clone(), diagonal)),
        Box::new(GaussianDenoiser::new(process.clone(), full.clone())),
        Box::new(MixtureDenoiser::new(process, vec![(5.0, full)]).unwrap()),
    ];
    let x = constant(&[3, 1, 2], &X);
    let [a, b, c] = denoisers.map(|denoiser| numbers(&denoiser.denoise(&x, 0.3, &Condition::None).unwrap()));
    for i in 0..6 {
        assert!((a[i] - b[i]).abs() + (b[i] - c[i]).abs() < 1e-12, "{a:?} {b:?} {c:?}");
    }
}

/// d clean / dx = alpha v / (alpha^2 v + sigma^2): no more than sqrt(v) / 2 sigma, and without a spike at the noisy end, where
/// an estimate by x + sigma^2 score over alpha passes on the score's errors 152 times.
#[test]
fn the_clean_estimate_is_bounded_and_smooth_at_every_time() {
    let process = Process::variance_preserving();
    let v = 0.38;
    let denoiser = GaussianDenoiser::new(process.clone(), Gaussian::diagonal(vec![0.1], vec![v]).unwrap());
    for k in 0..=200 {
        let t = 1e-3 + (1.0 - 1e-3) * f64::from(k) / 200.0;
        let level = process.level(t).unwrap();
        let x = Var::leaf(constant(&[1, 1], &[1.3]).value().clone());
        let clean = denoiser.denoise(&x, t, &Condition::None).unwrap();
        let gain = numbers(grad(&clean, &[&x], Grad::default()).unwrap().get(0).unwrap())[0];
        assert!((gain - level.alpha * v / (level.alpha.powi(2) * v + level.sigma.powi(2))).abs() < 1e-12);
        assert!(gain <= v.sqrt() / (2.0 * level.sigma) + 1e-12);
        let clamped = clean.map(autograd::ops::pointwise::Function::Clamp { min: -3.0, max: 3.0 }).unwrap();
        assert_eq!(numbers(&clamped), numbers(&clean));
    }
}

#[test]
fn conversions_agree_with_the_state() {
    let process = Process::variance_preserving();
    let denoiser = GaussianDenoiser::new(process.clone(), components().remove(0).1);
    let estimate = denoiser.estimate(&constant(&[3, 2], &X), 0.4, &Condition::None).unwrap();
    let (alpha, sigma) = (estimate.alpha, estimate.sigma);
    let clean = numbers(&estimate.clean);
    let converted =
        [estimate.noise(), estimate.score(), estimate.velocity(), estimate.flow()].map(|x| numbers(&x.unwrap()));
    for i in 0..6 {
        let noise = (X[i] - alpha * clean[i]) / sigma;
        let want = [noise, -noise / sigma, alpha * noise - sigma * clean[i], noise - clean[i]];
        for (got, want) in converted.iter().zip(want) {
            assert!((got[i] - want).abs() < 1e-12 * (1.0 + want.abs()), "{} {want}", got[i]);
        }
    }
}

#[test]
fn what_is_no_distribution_is_refused() {
    assert!(Gaussian::full(vec![0.0, 0.0], vec![1.0, 2.0, 2.0, 1.0]).unwrap_err().is_usage());
    assert!(Gaussian::full(vec![0.0, 0.0], vec![1.0, 0.5, 0.4, 1.0]).unwrap_err().is_usage());
    assert!(Gaussian::full(vec![0.0, 0.0], vec![1.0, 1.0, 1.0, 1.0]).is_ok(), "semidefinite");
    assert!(Gaussian::diagonal(vec![0.0], vec![-1.0]).unwrap_err().is_usage());
    assert!(MixtureDenoiser::new(Process::edm(), vec![]).unwrap_err().is_usage());
}
