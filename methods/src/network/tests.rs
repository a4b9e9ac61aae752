use super::*;
use crate::testing::{constant, device, moments, numbers};
use crate::{Draw, Grid, Noise, Order, Part, Sampler, ScoreMatching, Times, Weight, sample};
use autograd::{Grad, grad};
use nn::{Adam, Init, Mlp, MlpConfig, Module, Optimizer};

fn network(outputs: usize, seed: u64) -> Mlp {
    let config = MlpConfig { inputs: 2, outputs, hidden: vec![64, 64], time_features: 32, ..MlpConfig::default() };
    Mlp::new(config, &mut Init::seeded(device(), seed)).unwrap()
}

fn training(prediction: Prediction) -> Training {
    Training { process: Process::variance_preserving(), prediction, time_scale: 1000.0, clip: None }
}

fn denoiser(prediction: Prediction) -> NetworkDenoiser {
    NetworkDenoiser::new(Arc::new(network(2, 3)), training(prediction))
}

const X: [f64; 8] = [0.7, -1.1, 0.2, 1.9, -0.3, 0.4, 1.0, -2.0];
const UNIT: Prediction = Prediction::Preconditioned { data_std: 0.6 };

#[test]
fn one_time_for_all_is_the_same_time_for_each() {
    let x = constant(&[4, 2], &X);
    for prediction in [Prediction::Noise, Prediction::Clean, Prediction::Velocity, Prediction::Flow, UNIT] {
        let denoiser = denoiser(prediction);
        let all = numbers(&denoiser.denoise(&x, 0.4, &Condition::None).unwrap());
        let each = numbers(&denoiser.denoise_each(&x, &[0.4; 4], &Condition::None).unwrap());
        assert!(all.iter().zip(&each).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + a.abs())), "{all:?} {each:?}");
    }
}

#[test]
fn rows_keep_their_bits_in_any_batch_and_states_their_dtype() {
    let denoiser = denoiser(UNIT);
    for dtype in [DType::F32, DType::F64] {
        let x = constant(&[4, 2], &X).cast(dtype).unwrap();
        let whole = denoiser.denoise(&x, 0.4, &Condition::None).unwrap();
        let row = denoiser.denoise(&x.narrow(0, 3, 1).unwrap(), 0.4, &Condition::None).unwrap();
        assert_eq!(whole.dtype(), dtype);
        assert_eq!(numbers(&whole)[6..], numbers(&row));
    }
}

#[test]
fn a_preconditioned_network_is_bounded_at_the_noisy_end_where_predicted_noise_is_not() {
    let x = constant(&[4, 2], &X);
    let largest = |denoiser: NetworkDenoiser| {
        numbers(&denoiser.denoise(&x, 1.0, &Condition::None).unwrap()).into_iter().fold(0.0_f64, |a, b| a.max(b.abs()))
    };
    assert!(largest(denoiser(UNIT)) < 1.0);
    assert!(largest(denoiser(Prediction::Noise)) > 20.0);
    let clipped = Training { clip: Some(1.5), ..training(Prediction::Noise) };
    assert_eq!(largest(NetworkDenoiser::new(Arc::new(network(2, 3)), clipped)), 1.5);
}

/// Sinusoidal features have periods up to 10000: of times in [0, 1] as they are they would be all but constant.
#[test]
fn the_network_can_tell_times_apart() {
    let features = nn::TimeFeatures::new(device(), 32, 0, false).unwrap();
    let at = |training: &Training, t: f64| {
        let time = Tensor::from_slice(device(), &[1], &[training.time_input(t)]).unwrap();
        features.forward(&time, tensor::DType::F64).unwrap().to_f64().unwrap()
    };
    let apart = |training: &Training| {
        let pairs = at(training, 0.1).into_iter().zip(at(training, 0.2));
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let scaled = training(UNIT);
    assert!(apart(&scaled) > 1.0, "{}", apart(&scaled));
    assert!(apart(&Training { time_scale: 1.0, ..scaled }) < 0.15);
}

#[test]
fn gradients_reach_the_state_always_and_the_weights_unless_frozen() {
    let denoiser = denoiser(UNIT);
    let x = Var::leaf(constant(&[4, 2], &X).value().clone());
    for frozen in [false, true] {
        denoiser.network().set_trainable(!frozen);
        let weights: Vec<Var> = denoiser.network().parameters().iter().map(|param| param.var()).collect();
        let loss = denoiser.denoise(&x, 0.4, &Condition::None).unwrap().square().unwrap().sum().unwrap();
        let wanted: Vec<&Var> = std::iter::once(&x).chain(&weights).collect();
        let found = grad(&loss, &wanted, Grad::default()).unwrap().into_vars();
        assert!(found[0].is_some() && found[1..].iter().all(|gradient| gradient.is_none() == frozen));
    }
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let x = constant(&[4, 2], &X);
    let wide = NetworkDenoiser::new(Arc::new(network(4, 3)), training(Prediction::Noise));
    let error = wide.denoise(&x, 0.4, &Condition::None).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().starts_with("the network answers [4, 4] to a state of shape [4, 2]"),
        "{error}"
    );
    let denoiser = denoiser(UNIT);
    assert!(denoiser.denoise(&x, 0.4, &Condition::Embedding(x.clone())).unwrap_err().is_usage());
    assert!(denoiser.denoise_each(&x, &[0.4; 3], &Condition::None).unwrap_err().is_usage());
    let flow = Training { process: Process::rectified_flow(), ..training(Prediction::Noise) };
    let error = NetworkDenoiser::new(Arc::new(network(2, 3)), flow).denoise(&x, 1.0, &Condition::None).unwrap_err();
    let want = "Noise cannot be turned into a clean estimate at t = 1, where alpha = 0; start below, or use another prediction";
    assert_eq!(error.to_string(), want);
    assert!(denoiser.denoise(&x, 1.4, &Condition::None).unwrap_err().is_usage());
}

#[test]
fn a_configuration_reads_as_it_was_written() {
    let text = r#"{"process":{"kind":"variance_preserving","beta_min":0.1,"beta_max":20.0,"eps":0.001},"prediction":{"preconditioned":{"data_std":0.6}},"time_scale":1000.0}"#;
    let read: Training = serde_json::from_str(text).unwrap();
    assert_eq!(read, training(UNIT));
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let plain = r#"{"process":{"kind":"edm","sigma_min":0.002,"sigma_max":80.0},"prediction":"epsilon"}"#;
    assert_eq!(serde_json::from_str::<Training>(plain).unwrap().time_scale, 1.0);
}

/// Trained on a slanted Gaussian of covariance [[.4, .2], [.2, .7]] around (.3, -.5), from new weights.
#[test]
fn a_network_learns_to_sample_its_data() {
    let denoiser = NetworkDenoiser::new(Arc::new(network(2, 1)), training(UNIT));
    let matching = ScoreMatching {
        process: denoiser.process().clone(),
        times: Times::Uniform { stratified: true },
        weight: Weight::Prediction(UNIT),
    };
    let mut optimizer = Optimizer::new(denoiser.network().trainable(), Adam::default()).unwrap();
    let factor =
        constant(&[2, 2], &[0.4_f64.sqrt(), 0.0, 0.2 / 0.4_f64.sqrt(), 0.6_f64.sqrt()]).cast(DType::F32).unwrap();
    let mean = constant(&[2], &[0.3, -0.5]).cast(DType::F32).unwrap();
    for step in 0..400 {
        let place = crate::Place { device: device(), dtype: DType::F32, shape: &[256, 2] };
        let normal = Noise::new(4).normal(crate::Purpose::Shuffle, step, &place, 0).unwrap();
        let clean = Var::constant(normal).linear(&factor, Some(&mean)).unwrap();
        let noised = matching.noised(clean.value(), &Noise::new(4), Part { step, first: 0, of: 256 }).unwrap();
        let estimate =
            denoiser.denoise_each(&Var::constant(noised.x.clone()), &noised.times, &Condition::None).unwrap();
        let loss = noised.loss(&estimate).unwrap();
        let vars = optimizer.vars();
        let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap().into_vars();
        optimizer.step(&gradients, 3e-3 * (1.0 - step as f64 / 400.0)).unwrap();
    }
    denoiser.network().set_trainable(false);
    let sampler = Sampler::ProbabilityFlow { order: Order::Heun };
    let table = sampler.table(denoiser.process(), &Grid::quadratic(denoiser.process(), 30).unwrap()).unwrap();
    let draw = Draw {
        device: device(),
        dtype: sampler.dtype(),
        shape: &[2],
        samples: 0..4096,
        batch: 1024,
        noise: Noise::new(9),
        condition: Condition::None,
    };
    let (mean, covariance) = moments(&sample(&denoiser, &table, &draw, &mut |_| Ok(())).unwrap());
    let near = |got: &[f64], want: &[f64], tolerance: f64| got.iter().zip(want).all(|(a, b)| (a - b).abs() < tolerance);
    assert!(near(&mean, &[0.3, -0.5], 0.06), "{mean:?}");
    assert!(near(&covariance, &[0.4, 0.2, 0.2, 0.7], 0.06), "{covariance:?}");
}
