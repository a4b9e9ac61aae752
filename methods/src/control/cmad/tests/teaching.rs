//! Works teach the cheapest control that leads to them: for Gaussian works, a closed form.

use super::{alone, gaussian, run};
use crate::control::cmad::{
    Aggregator, Control, Descent, Lesson, LinearGain, Problem, RewardInformed, Running, See, Sight, Steering, Teaching,
};
use crate::cost::Quadratic;
use crate::error::Result;
use crate::noise::Noise;
use crate::process::Process;
use crate::testing::{device, numbers};
use autograd::{DType, Tensor, Var};
use nn::{Adam, Init, Mlp, MlpConfig, Module, SavedState, State, Visitor};
use std::sync::{Arc, Mutex};

fn problem(pixels: usize, aggregator: Aggregator) -> Problem {
    let agents = aggregator.agents();
    Problem {
        agents: vec![gaussian(&vec![0.2; pixels], 0.4); agents],
        aggregator,
        cost: Arc::new(Quadratic { weight: 0.8, centre: 1.0 }),
        energy_weights: vec![0.5; agents],
        running: Running::Constant(0.0),
        object: [1, pixels, 1],
    }
}

fn column(values: &[f64]) -> Tensor {
    Tensor::from_slice(device(), &[values.len(), 1, 1, 1], values).unwrap()
}

/// Agents N(.2, .4), works N(1.1, .1): u = g (score of the noised works - score of the noised agents), affine in x. Four
/// points have all moments that a regression on affine functions knows of.
#[test]
fn gaussian_works_teach_the_difference_of_two_scores() {
    let (t, mean, variance) = (0.4, 1.1, 0.1f64);
    let problem = problem(1, alone());
    let (high, low) = (mean + variance.sqrt(), mean - variance.sqrt());
    let lesson = problem.lesson(&[column(&[high, high, low, low])], &[column(&[1.0, -1.0, 1.0, -1.0])], t).unwrap();
    let table = Arc::new(LinearGain::new(Tensor::zeros(device(), DType::F64, &[1, 2]).unwrap()).unwrap());
    let adam = Adam { beta2: 0.99, ..Adam::default() };
    let mut teaching = Teaching::new(problem, vec![table.clone()], adam, 1e9).unwrap();
    let lessons = [lesson];
    let first = teaching.study(&lessons, 0.05).unwrap();
    assert_eq!(first.controlled, first.free);
    let rates = (0..1500).map(|k| 0.05 * 0.99f64.powi(k));
    let last = rates.map(|rate| teaching.study(&lessons, rate).unwrap()).last().unwrap();
    let level = Process::variance_preserving().level(t).unwrap();
    let (a, s2, g) = (level.alpha, level.sigma.powi(2), level.diffusion_squared().sqrt());
    let (of_works, of_agents) = (1.0 / (a * a * variance + s2), 1.0 / (a * a * 0.4 + s2));
    let slope = g * (of_agents - of_works);
    let offset = g * a * (mean * of_works - 0.2 * of_agents);
    let learned = numbers(&table.table.var());
    assert!((learned[0] - slope).abs() < 1e-6 && (learned[1] - offset).abs() < 1e-6, "{learned:?} {slope} {offset}");
    // What a regression explains is the square of its answer.
    let energy = [(high, 1.0), (high, -1.0), (low, 1.0), (low, -1.0)].map(|(work, noise)| {
        let x = a * work + s2.sqrt() * noise;
        (slope * x + offset).powi(2)
    });
    let explained = 0.5 * s2 * energy.iter().sum::<f64>() / 4.0;
    assert!((last.free - last.controlled - explained).abs() < 1e-6, "{last:?} {explained}");
}

/// Remembers the gradient it was shown, and does nothing.
#[derive(Default)]
struct Witness(Mutex<Option<Vec<f64>>>);

impl Control for Witness {
    fn act(&self, see: &See) -> Result<Var> {
        self.0.lock().unwrap().get_or_insert_with(|| numbers(see.pull));
        Ok(Var::constant(Tensor::zeros(see.state.device(), see.state.dtype(), see.state.shape())?))
    }
}

impl Module for Witness {
    fn visit(&self, _: &mut Visitor<'_>) {}
}

#[test]
fn a_lesson_shows_controls_the_gradient_that_a_rollout_shows_them() {
    let problem = problem(4, Aggregator::stripes(device(), 2, [4, 1]).unwrap());
    let run = run(2, DType::F64, Noise::new(3), 5);
    let witnesses = || [(); 2].map(|()| Arc::new(Witness::default()));
    let (played, taught) = (witnesses(), witnesses());
    let controls = |of: &[Arc<Witness>; 2]| of.iter().map(|one| one.clone() as Arc<dyn Control>).collect::<Vec<_>>();
    let mut start = vec![];
    let mut look = |moment: &crate::control::cmad::Moment| {
        if moment.step == 0 {
            start = moment.states.iter().map(|x| x.value().clone()).collect();
        }
        Ok(())
    };
    problem.watch(&Steering::Controls(controls(&played)), &run, &mut look).unwrap();
    // At t = 1, a work of zeros under this noise is the state that the run starts from.
    let sigma = Process::variance_preserving().level(1.0).unwrap().sigma;
    let noise: Vec<Tensor> = start.iter().map(|x| x.scale(1.0 / sigma).unwrap()).collect();
    let zeros: Vec<Tensor> = start.iter().map(|x| x.scale(0.0).unwrap()).collect();
    let lesson = problem.lesson(&zeros, &noise, 1.0).unwrap();
    let refused = problem.lesson(&zeros[1..], &noise, 1.0).err().unwrap();
    assert!(refused.is_usage() && refused.to_string().contains("1 canvases and 2 of noise for 2 agents"), "{refused}");
    let mut teaching = Teaching::new(problem, controls(&taught), Adam::default(), 1.0).unwrap();
    drop(teaching.study(&[lesson], 0.0)); // nothing can be learned by those who cannot learn
    for (played, taught) in played.iter().zip(&taught) {
        let (played, taught) = (played.0.lock().unwrap(), taught.0.lock().unwrap());
        let (played, taught) = (played.as_ref().unwrap(), taught.as_ref().unwrap());
        assert!(played.iter().any(|pull| *pull != 0.0) && played.len() == taught.len());
        assert!(played.iter().zip(taught).all(|(a, b)| (a - b).abs() < 1e-12), "{played:?} {taught:?}");
    }
}

#[test]
fn teaching_goes_on_from_a_file_with_the_same_bits() {
    let problem = problem(4, Aggregator::stripes(device(), 2, [4, 1]).unwrap());
    let normal = |step: u64| Tensor::normal(device(), DType::F32, &[3, 1, 4, 1], &stream(step), 0).unwrap();
    let lesson = |k: u64| {
        let [works, noise] = [0, 1].map(|what| vec![normal(4 * k + 2 * what), normal(4 * k + 2 * what + 1)]);
        problem.lesson(&works, &noise, 0.1 + 0.1 * k as f64).unwrap()
    };
    let lessons: Vec<[Lesson; 2]> = (0..6).map(|k| [lesson(k), lesson(k + 1)]).collect();
    let study = |teaching: &mut Teaching, some: std::ops::Range<usize>| {
        some.map(|k| teaching.study(&lessons[k], 3e-3).unwrap()).collect::<Vec<_>>()
    };
    let bits = |teaching: &Teaching| {
        let mut state = State::default();
        teaching.add_to(&mut state);
        state.tensors.values().map(|tensor| tensor.to_f64().unwrap()).collect::<Vec<_>>()
    };
    let mut whole = networks(&problem);
    study(&mut whole, 0..3);
    let (folder, mut state) = (tempfile::tempdir().unwrap(), State::default());
    whole.add_to(&mut state);
    let path = folder.path().join("checkpoint.safetensors");
    state.save(&path).unwrap();
    let late = study(&mut whole, 3..6);
    let mut taken_up = networks(&problem);
    let saved = SavedState::read(&path).unwrap();
    assert!(Teaching::is_in(&saved));
    taken_up.restore(&saved).unwrap();
    assert_eq!((taken_up.studies(), study(&mut taken_up, 3..6)), (3, late));
    assert_eq!(bits(&taken_up), bits(&whole));
    let nothing = whole.study(&[], 1e-3).unwrap_err();
    assert!(nothing.is_usage() && nothing.to_string().contains("no lessons"), "{nothing}");
}

fn stream(step: u64) -> tensor::ops::random::Stream {
    Noise::new(2).stream(crate::noise::Purpose::TrainNoise, step as usize)
}

fn networks(problem: &Problem) -> Teaching {
    let mut init = Init::seeded(device(), 4);
    let mut control = || -> Arc<dyn Control> {
        let config = MlpConfig { inputs: 12, outputs: 4, hidden: vec![16], time_features: 8, ..MlpConfig::default() };
        let descent = Descent { scale: 0.5, data_variance: 0.4, time_scale: 1000.0 };
        let network = Box::new(Mlp::new(config, &mut init).unwrap());
        Arc::new(RewardInformed::new(network, "layers.1", Sight::Published, descent, &mut init).unwrap())
    };
    Teaching::new(problem.clone(), vec![control(), control()], Adam::default(), 1.0).unwrap()
}
