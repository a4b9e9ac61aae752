use super::*;
use crate::Betas;
use crate::Discrete;
use crate::testing::device;
use autograd::{Grad, grad};

fn matching(process: Process, stratified: bool) -> ScoreMatching {
    let weight = Weight::Prediction(Prediction::Preconditioned { data_std: 0.4_f64.sqrt() });
    ScoreMatching { process, times: Times::Uniform { stratified }, weight }
}

/// Data N(0.3, 0.4).
fn data(n: usize) -> Tensor {
    let place = Place { device: device(), dtype: tensor::DType::F64, shape: &[n, 1] };
    let normal = Noise::new(5).normal(Purpose::Shuffle, 0, &place, 0).unwrap();
    Tensor::combine(&[(0.4_f64.sqrt(), &normal), (0.3, &Tensor::full(device(), tensor::DType::F64, &[], 1.0).unwrap())])
        .unwrap()
}

/// The clean estimate of such data at each sample's time, its gain multiplied by `factor`.
fn estimate(noised: &Noised, process: &Process, factor: &Var) -> Var {
    let levels: Vec<Level> = noised.times.iter().map(|&t| process.level(t).unwrap()).collect();
    let gain = |level: &Level| level.alpha * 0.4 / (level.alpha.powi(2) * 0.4 + level.sigma.powi(2));
    let gains = Var::constant(per_sample(&noised.x, &levels, gain).unwrap());
    let centres = Var::constant(per_sample(&noised.x, &levels, |level| 0.3 * level.alpha).unwrap());
    let centred = Var::constant(noised.x.clone()).sub(&centres).unwrap();
    centred.mul(&gains).unwrap().mul(factor).unwrap().shift(0.3).unwrap()
}

const WHOLE: Part = Part { step: 3, first: 0, of: 8192 };

/// With the weights of a network that predicts numbers of unit variance, the exact denoiser's loss is 1 at every time, so
/// the mean of 8192 is 1 with deviation sqrt(2 / 8192) = .016; and it cannot be improved.
#[test]
fn the_exact_denoiser_has_the_least_loss() {
    for process in [Process::variance_preserving(), Process::edm(), Process::rectified_flow()] {
        let matching = matching(process.clone(), true);
        let noised = matching.noised(&data(8192), &Noise::new(1), WHOLE).unwrap();
        let factor = Var::leaf(Tensor::full(noised.x.device(), tensor::DType::F64, &[], 1.0).unwrap());
        let loss = noised.loss(&estimate(&noised, &process, &factor)).unwrap();
        assert!((loss.value().item().unwrap() - 1.0).abs() < 0.07, "{loss:?}");
        let slope = grad(&loss, &[&factor], Grad::default()).unwrap().get(0).unwrap().value().item().unwrap();
        let at = |factor: f64| {
            let factor = Var::constant(Tensor::full(noised.x.device(), tensor::DType::F64, &[], factor).unwrap());
            noised.loss(&estimate(&noised, &process, &factor)).unwrap().value().item().unwrap()
        };
        // The loss is a parabola in the factor; its least value is within the noise of the draw.
        let curvature = at(1.5) + at(0.5) - 2.0 * at(1.0);
        let best = 1.0 - slope / (4.0 * curvature);
        assert!((best - 1.0).abs() < 0.05, "{}: best factor {best}", process.name());
    }
}

#[test]
fn a_batch_may_be_taken_in_parts() {
    let matching = matching(Process::variance_preserving(), true);
    let clean = data(7);
    let part = |first, n| {
        let noised = matching
            .noised(&clean.narrow(0, first, n).unwrap(), &Noise::new(1), Part { step: 3, first, of: 7 })
            .unwrap();
        let bits: Vec<u64> = noised.x.to_f64().unwrap().into_iter().map(f64::to_bits).collect();
        (noised.times.clone(), bits, noised)
    };
    let (times, x, noised) = part(0, 7);
    let (first, second) = (part(0, 3), part(3, 4));
    assert_eq!([first.0, second.0].concat(), times);
    assert_eq!([first.1, second.1].concat(), x);
    let loss = |noised: &Noised| noised.loss(&Var::constant(noised.x.clone())).unwrap().value().item().unwrap();
    assert!((loss(&first.2) + loss(&second.2) - loss(&noised)).abs() < 1e-12 * loss(&noised));
    let later = matching.noised(&clean, &Noise::new(1), Part { step: 4, first: 0, of: 7 }).unwrap();
    assert!(later.times.iter().zip(&times).all(|(a, b)| a != b));
    assert!(matching.noised(&clean, &Noise::new(1), Part { step: 0, first: 1, of: 7 }).unwrap_err().is_usage());
}

#[test]
fn stratified_times_have_one_in_every_part() {
    let noised = matching(Process::variance_preserving(), true)
        .noised(&data(64), &Noise::new(1), Part { step: 0, first: 0, of: 64 })
        .unwrap();
    for (i, t) in noised.times.iter().enumerate() {
        assert_eq!(((t - 1e-3) / (1.0 - 1e-3) * 64.0) as usize, i);
    }
    let discrete = Process::Discrete(Discrete::new(Betas::SquaredCosine, 100).unwrap());
    let noised =
        matching(discrete, false).noised(&data(2000), &Noise::new(1), Part { step: 0, first: 0, of: 2000 }).unwrap();
    let mut counts = [0; 100];
    noised.times.iter().for_each(|&t| counts[t as usize] += 1);
    assert!(
        noised.times.iter().all(|t| t.fract() == 0.0) && counts.iter().all(|&n| (3..45).contains(&n)),
        "{counts:?}"
    );
}

#[test]
fn log_normal_times_are_those_of_edm() {
    let times = Times::LogNormal { mean: -1.2, std: 1.2 };
    let matching = ScoreMatching { times, ..matching(Process::edm(), false) };
    let noised = matching.noised(&data(8192), &Noise::new(1), WHOLE).unwrap();
    let logs: Vec<f64> = noised.times.iter().map(|t| t.ln()).collect();
    let mean = logs.iter().sum::<f64>() / 8192.0;
    let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 8192.0;
    assert!(
        (mean + 1.2).abs() < 4.5 * 1.2 / 8192_f64.sqrt()
            && (variance - 1.44).abs() < 4.5 * 1.44 * (2.0 / 8192_f64).sqrt()
    );
}

#[test]
fn weights_are_those_of_the_papers() {
    let level = Process::edm().level(2.0).unwrap();
    let edm = Weight::Prediction(Prediction::Preconditioned { data_std: 0.5 }).at(&level);
    assert!((edm - (4.0 + 0.25) / (2.0 * 0.5_f64).powi(2)).abs() < 1e-12);
    let level = Process::variance_preserving().level(0.5).unwrap();
    let score = (level.alpha / level.sigma.powi(2)).powi(2);
    assert!((Weight::Prediction(Prediction::Noise).at(&level) / (level.sigma.powi(2) * score) - 1.0).abs() < 1e-12);
    let beta = 0.1 + 0.5 * 19.9;
    assert!((Weight::Likelihood.at(&level) / (beta / 2.0 * score) - 1.0).abs() < 1e-12);
}
