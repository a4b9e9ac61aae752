//! Orders of convergence, measured without drawing: errors are deterministic, in f64.

use crate::testing::{Normal, constant, law, numbers, order};
use crate::{
    Churn, Condition, Denoiser, Gaussian, GaussianDenoiser, Grid, MixtureDenoiser, Order, Process, Sampler, Table,
};

/// The end of the time axis is left out: near t = 0 a uniform grid is not yet in the range where orders show.
fn grid(steps: usize) -> Grid {
    Grid::new((0..=steps).map(|k| 1.0 - 0.9 * k as f64 / steps as f64).collect()).unwrap()
}

fn noisy_end(sampler: Sampler, process: &Process, steps: usize) -> Table {
    sampler.table(process, &grid(steps)).unwrap().without_mean()
}

fn follow(denoiser: &dyn Denoiser, table: &Table, start: &[f64]) -> Vec<f64> {
    let mut x = constant(&[start.len() / 2, 2], start);
    for row in table.rows() {
        x = row.step(denoiser, &Condition::None, &x, None).unwrap().next;
    }
    numbers(&x)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn mixture() -> Vec<(f64, Gaussian)> {
    vec![
        (0.3, Gaussian::full(vec![-1.0, 0.2], vec![0.1, 0.05, 0.05, 0.2]).unwrap()),
        (0.7, Gaussian::diagonal(vec![0.8, -0.1], vec![0.3, 0.05]).unwrap()),
    ]
}

#[track_caller]
fn assert_order(errors: [f64; 3], want: f64) {
    for pair in errors.windows(2) {
        assert!((order(pair[0], pair[1]) - want).abs() < 0.1, "errors {errors:?}, order {}", order(pair[0], pair[1]));
    }
}

const DETERMINISTIC: [(Sampler, f64); 3] = [
    (Sampler::ProbabilityFlow { order: Order::Euler }, 1.0),
    (Sampler::ProbabilityFlow { order: Order::Heun }, 2.0),
    (Sampler::Ddim { eta: 0.0 }, 1.0),
];

/// The flow of a Gaussian is known: it keeps (x - alpha m) / sqrt(alpha^2 v + sigma^2).
#[test]
fn flows_of_a_gaussian_converge_to_the_closed_form() {
    let process = Process::variance_preserving();
    let (mean, variance) = ([0.3, -0.5], [0.4, 1.7]);
    let denoiser =
        GaussianDenoiser::new(process.clone(), Gaussian::diagonal(mean.to_vec(), variance.to_vec()).unwrap());
    let start = [1.3, -0.4, -2.0, 0.1];
    let [from, to] = [1.0, 0.1].map(|t| process.level(t).unwrap());
    let exact: Vec<f64> = (0..4)
        .map(|i| {
            let data = Normal { mean: mean[i % 2], variance: variance[i % 2] };
            let (from, to) = (data.noised(&from), data.noised(&to));
            to.mean + (start[i] - from.mean) * (to.variance / from.variance).sqrt()
        })
        .collect();
    for (sampler, want) in DETERMINISTIC {
        let error = |steps| distance(&follow(&denoiser, &noisy_end(sampler, &process, steps), &start), &exact);
        assert_order([error(200), error(400), error(800)], want);
    }
}

#[test]
fn flows_of_a_mixture_converge_to_a_fine_grid() {
    let process = Process::variance_preserving();
    let denoiser = MixtureDenoiser::new(process.clone(), mixture()).unwrap();
    let start = [1.3, -0.4, -2.0, 0.1, 0.2, 0.3];
    let fine = Sampler::ProbabilityFlow { order: Order::Heun };
    let exact = follow(&denoiser, &noisy_end(fine, &process, 3200), &start);
    for (sampler, want) in DETERMINISTIC {
        let error = |steps| distance(&follow(&denoiser, &noisy_end(sampler, &process, steps), &start), &exact);
        assert_order([error(100), error(200), error(400)], want);
    }
}

/// Levels from 10 down to 0.1, evenly spaced to the power 1/7.
fn levels(steps: usize) -> Grid {
    let [from, to] = [10f64, 0.1].map(|sigma| sigma.powf(1.0 / 7.0));
    Grid::new((0..=steps).map(|k| (from + (to - from) * k as f64 / steps as f64).powi(7)).collect()).unwrap()
}

fn edm_end(churn: Churn, steps: usize) -> Table {
    Sampler::EdmHeun { churn }.table(&Process::edm(), &levels(steps)).unwrap().without_mean()
}

/// Without churn it is the probability flow, of second order, for a Gaussian and for a mixture.
#[test]
fn the_edm_sampler_is_of_second_order() {
    let (process, start) = (Process::edm(), [13.0, -4.0, -20.0, 1.0]);
    let (mean, variance) = ([0.3, -0.5], [0.4, 1.7]);
    let gaussian =
        GaussianDenoiser::new(process.clone(), Gaussian::diagonal(mean.to_vec(), variance.to_vec()).unwrap());
    let exact: Vec<f64> = (0..4)
        .map(|i| {
            let (m, v) = (mean[i % 2], variance[i % 2]);
            m + (start[i] - m) * ((v + 0.01) / (v + 100.0)).sqrt()
        })
        .collect();
    let mixture = MixtureDenoiser::new(process, mixture()).unwrap();
    let fine = follow(&mixture, &edm_end(Churn::NONE, 3200), &start);
    for (denoiser, exact) in [(&gaussian as &dyn Denoiser, exact), (&mixture, fine)] {
        let error = |steps| distance(&follow(denoiser, &edm_end(Churn::NONE, steps), &start), &exact);
        assert_order([error(100), error(200), error(400)], 2.0);
    }
}

/// Churn takes the law at sigma to that at sigma_hat without error, so the order stays that of the steps between.
#[test]
fn with_churn_the_edm_sampler_is_of_second_weak_order() {
    let process = Process::edm();
    let data = Normal { mean: 0.3, variance: 0.4 };
    let [from, to] = [10.0, 0.1].map(|sigma| data.noised(&process.level(sigma).unwrap()));
    let churn = Churn { amount: 20.0, min: 0.0, max: 1e3, scale: 1.0 };
    let ends = [400, 800, 1600].map(|steps| law(&process, &edm_end(churn, steps), data, from));
    assert_order(ends.map(|end| (end.variance - to.variance).abs()), 2.0);
}

#[test]
fn stochastic_samplers_have_weak_order_one() {
    let process = Process::variance_preserving();
    let data = Normal { mean: 0.3, variance: 0.4 };
    let [from, to] = [1.0, 0.1].map(|t| data.noised(&process.level(t).unwrap()));
    for sampler in [Sampler::EulerMaruyama, Sampler::Ddim { eta: 1.0 }, Sampler::Ddim { eta: 0.5 }] {
        let ends = [400, 800, 1600].map(|steps| law(&process, &noisy_end(sampler, &process, steps), data, from));
        // The mean of a Gaussian is carried by DDIM without error.
        if sampler == Sampler::EulerMaruyama {
            assert_order(ends.map(|end| (end.mean - to.mean).abs()), 1.0);
        }
        assert_order(ends.map(|end| (end.variance - to.variance).abs()), 1.0);
    }
}

/// One number whose density is carried from step to step on a fine grid: no sample is drawn.
mod density {
    use super::*;

    const POINTS: usize = 801;
    const LUMPS: [(f64, Normal); 2] =
        [(0.3, Normal { mean: -1.0, variance: 0.1 }), (0.7, Normal { mean: 0.8, variance: 0.3 })];

    fn place(i: usize) -> f64 {
        12.0 * i as f64 / (POINTS - 1) as f64 - 6.0
    }

    fn bell(x: f64, Normal { mean, variance }: Normal) -> f64 {
        (-(x - mean).powi(2) / (2.0 * variance)).exp() / (std::f64::consts::TAU * variance).sqrt()
    }

    /// Mean and mean square of the end of `table`, begun from the mixture's own law at its first time.
    fn end(process: &Process, denoiser: &dyn Denoiser, table: &Table) -> [f64; 2] {
        let level = process.level(table.rows()[0].t).unwrap();
        let places: Vec<f64> = (0..POINTS).map(place).collect();
        let spacing = place(1) - place(0);
        let begin = |&x: &f64| LUMPS.iter().map(|(weight, lump)| weight * bell(x, lump.noised(&level))).sum();
        let mut density: Vec<f64> = places.iter().map(begin).collect();
        for row in table.rows() {
            let x = constant(&[POINTS, 1], &places);
            let still = constant(&[POINTS, 1], &[0.0; POINTS]);
            let to = numbers(&row.step(denoiser, &Condition::None, &x, Some(&still)).unwrap().next);
            let mut next = vec![0.0; POINTS];
            for (mass, mean) in density.iter().map(|density| density * spacing).zip(to) {
                let near = |x: f64| ((x + 6.0) / spacing).clamp(0.0, (POINTS - 1) as f64) as usize;
                for i in near(mean - 9.0 * row.noise)..=near(mean + 9.0 * row.noise) {
                    next[i] += mass * bell(places[i], Normal { mean, variance: row.noise.powi(2) });
                }
            }
            density = next;
        }
        [1, 2].map(|power| density.iter().zip(&places).map(|(p, x)| p * x.powi(power)).sum::<f64>() * spacing)
    }

    #[test]
    fn stochastic_samplers_of_a_mixture_have_weak_order_one() {
        let process = Process::variance_preserving();
        let lumps = LUMPS.map(|(weight, Normal { mean, variance })| {
            (weight, Gaussian::diagonal(vec![mean], vec![variance]).unwrap())
        });
        let denoiser = MixtureDenoiser::new(process.clone(), lumps.to_vec()).unwrap();
        let level = process.level(0.1).unwrap();
        let moments = |lump: Normal| [lump.mean, lump.mean.powi(2) + lump.variance];
        let of = |which: usize| -> f64 {
            LUMPS.iter().map(|(weight, lump)| weight * moments(lump.noised(&level))[which]).sum()
        };
        for sampler in [Sampler::EulerMaruyama, Sampler::Ddim { eta: 1.0 }, Sampler::Ddim { eta: 0.5 }] {
            let ends = [100, 200, 400].map(|steps| end(&process, &denoiser, &noisy_end(sampler, &process, steps)));
            for (which, want) in [of(0), of(1)].into_iter().enumerate() {
                assert_order(ends.map(|end| (end[which] - want).abs()), 1.0);
            }
        }
    }
}
