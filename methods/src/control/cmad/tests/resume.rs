//! A training that was saved and taken up again has the bits of one that never stopped.

use super::{gaussian, run};
use crate::control::cmad::{
    Aggregator, Control, Descent, Order, Problem, Rates, Report, Response, RewardInformed, Rollout, Running, Scheme,
    Sight, Training,
};
use crate::cost::{Quadratic, Seam, Total};
use crate::noise::Noise;
use crate::testing::device;
use autograd::{DType, Memory};
use nn::{Adam, Init, Mlp, MlpConfig, SavedState, State};
use std::sync::Arc;

const RATES: Rates = Rates { control: 1e-2, aggregator: 3e-2 };

fn training(scheme: Scheme) -> Training {
    let mut init = Init::seeded(device(), 4);
    let mut control = || -> Arc<dyn Control> {
        let config = MlpConfig { inputs: 24, outputs: 8, hidden: vec![10], time_features: 8, ..MlpConfig::default() };
        let descent = Descent { scale: 0.5, data_variance: 0.5, time_scale: 1000.0 };
        let network = Box::new(Mlp::new(config, &mut init).unwrap());
        Arc::new(RewardInformed::new(network, "layers.1", Sight::Published, descent, &mut init).unwrap())
    };
    let stripes = Aggregator::stripes(device(), 2, [4, 2]).unwrap();
    let seam = Seam { beta: 1.0, gamma: 0.1, eps: 1e-2, map: stripes.seams([4, 2]).unwrap() };
    let problem = Problem {
        agents: vec![gaussian(&[0.3; 8], 0.4), gaussian(&[-0.3; 8], 0.4)],
        aggregator: Aggregator::learned(&stripes, 2.0).unwrap(),
        cost: Arc::new(Total(vec![(1.0, Arc::new(Quadratic { weight: 0.5, centre: 0.8 })), (1.0, Arc::new(seam))])),
        energy_weights: vec![0.1, 0.2],
        running: Running::Constant(1.0),
        object: [1, 4, 2],
    };
    let controls = vec![control(), control()];
    Training::new(problem, controls, scheme, Adam::default(), Some(0.5)).unwrap().balanced(0.3)
}

fn updates(training: &mut Training, count: u64) -> Vec<Report> {
    let base = run(4, DType::F32, Noise::new(6), 3);
    let base = Rollout { memory: Memory::States, ..base };
    let one = |_| {
        let run = base.fresh(&Noise::new(6), training.updates()).unwrap();
        training.update(&run, RATES).unwrap()
    };
    (0..count).map(one).collect()
}

fn bits(training: &Training) -> Vec<Vec<f64>> {
    let mut state = State::default();
    training.add_to(&mut state).unwrap();
    state.tensors.values().map(|tensor| tensor.to_f64().unwrap()).collect()
}

#[test]
fn going_on_from_a_file_gives_the_bits_of_never_stopping() {
    for scheme in [
        Scheme::Joint,
        Scheme::ControlWise { inner: 2, response: Response::Total, order: Order::GaussSeidel },
        Scheme::ControlWise { inner: 2, response: Response::Best, order: Order::Jacobi },
    ] {
        let mut whole = training(scheme);
        updates(&mut whole, 4);
        let (folder, mut state) = (tempfile::tempdir().unwrap(), State::default());
        whole.add_to(&mut state).unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        state.save(&path).unwrap();
        let reports = updates(&mut whole, 4);
        let mut taken_up = training(scheme);
        taken_up.restore(&SavedState::read(&path).unwrap()).unwrap();
        assert_eq!(taken_up.updates(), 4);
        assert_eq!(updates(&mut taken_up, 4), reports);
        assert_eq!(bits(&taken_up), bits(&whole));
    }
}

#[test]
fn in_the_middle_of_a_jacobi_round_there_is_nothing_whole_to_save() {
    let mut training = training(Scheme::ControlWise { inner: 1, response: Response::Total, order: Order::Jacobi });
    updates(&mut training, 3);
    let error = training.add_to(&mut State::default()).unwrap_err();
    assert!(error.to_string().contains("rounds of 2 updates, not after 3"), "{error}");
    updates(&mut training, 1);
    training.add_to(&mut State::default()).unwrap();
}

#[test]
fn only_what_moves_is_updated() {
    let mut training = training(Scheme::ControlWise { inner: 1, response: Response::Total, order: Order::GaussSeidel });
    let before = bits(&training);
    updates(&mut training, 1);
    let moved: Vec<bool> = bits(&training).iter().zip(&before).map(|(now, before)| now != before).collect();
    let mut state = State::default();
    training.add_to(&mut state).unwrap();
    for (name, moved) in state.tensors.keys().zip(moved) {
        // The network's own layers stay where they are while the last one is zero.
        let of_the_second = name.starts_with("controls.1") || name.starts_with("optimizers.1");
        assert!(!(of_the_second && moved), "{name}");
        let must = ["controls.0.correction.layers.1.weight", "controls.0.gain.out.bias", "aggregator.logits"];
        assert!(moved || !must.contains(&name.as_str()), "{name}");
    }
}
