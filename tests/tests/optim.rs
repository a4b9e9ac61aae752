//! Adam, AdamW, clipping and the moving average against recorded runs of PyTorch, in f64 to rounding: gradients are taken
//! here, so a step that is off throws all later ones off.

use autograd::{DType, Device, Grad, Tensor, Var, grad};
use consort_tests::fixture;
use nn::{Adam, Ema, Optimizer, Param, SavedState};

const STEPS: usize = 10;
const RATE: f64 = 0.05;

struct Settings {
    name: &'static str,
    decoupled: f64,
    /// Added to the gradient, by the caller: plain Adam's form of weight decay.
    l2: f64,
    max_norm: Option<f64>,
}

/// x = [a, b] of `0.5 x' A x - c' x`, and what minimises it.
struct Problem {
    file: SavedState,
    device: Device,
    params: Vec<(String, Param)>,
    optimizer: Optimizer,
    average: Ema,
}

impl Problem {
    fn new(settings: &Settings) -> Problem {
        let (file, device) = (SavedState::read(&fixture("optim.safetensors")).unwrap(), Device::cpu(1));
        let start = file.tensor("start", &device).unwrap();
        let part = |from, count, shape: &[usize]| {
            start.narrow(0, from, count).unwrap().reshape(shape).unwrap().copy().unwrap()
        };
        let params: Vec<(String, Param)> =
            vec![("a".into(), Param::new(part(0, 4, &[2, 2]))), ("b".into(), Param::new(part(4, 3, &[3])))];
        let adam = Adam { weight_decay: settings.decoupled, ..Adam::default() };
        let mut optimizer = Optimizer::new(params.clone(), adam).unwrap();
        if let Some(max_norm) = settings.max_norm {
            optimizer = optimizer.clip(max_norm);
        }
        let average = Ema::new(params.clone(), 0.999).unwrap();
        Problem { file, device, params, optimizer, average }
    }

    fn constant(&self, name: &str) -> Var {
        Var::constant(self.file.tensor(name, &self.device).unwrap())
    }

    fn gradients(&self) -> Vec<Option<Var>> {
        let vars = self.optimizer.vars();
        let x = Var::concat(&[&vars[0].reshape(&[4]).unwrap(), &vars[1]], 0).unwrap();
        let product = self.constant("A").matmul(&x.reshape(&[7, 1]).unwrap()).unwrap().reshape(&[7]).unwrap();
        let loss =
            Var::combine(&[(0.5, &x.mul(&product).unwrap()), (-1.0, &x.mul(&self.constant("c")).unwrap())]).unwrap();
        grad(&loss.sum().unwrap(), &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap().into_vars()
    }

    fn x(&self) -> Vec<f64> {
        flat(self.params.iter().map(|(_, param)| param.value()))
    }

    /// Row `step` of what was recorded under `name`.
    fn recorded(&self, run: &str, name: &str, step: usize) -> Vec<f64> {
        let all = self.file.tensor(&format!("{run}.{name}"), &self.device).unwrap().to_f64().unwrap();
        let width = all.len() / STEPS;
        all[step * width..(step + 1) * width].to_vec()
    }
}

fn flat(parts: impl Iterator<Item = Tensor>) -> Vec<f64> {
    parts.flat_map(|part| part.to_f64().unwrap()).collect()
}

fn check(settings: Settings) {
    let mut problem = Problem::new(&settings);
    for step in 0..STEPS {
        let close = |what: &str, got: &[f64], want: &[f64]| {
            let fits =
                got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-13 * b.abs().max(1.0));
            assert!(fits, "{} step {step}: {what} is {got:?}, recorded {want:?}", settings.name);
        };
        let mut gradients = problem.gradients();
        let all = flat(gradients.iter().flatten().map(|gradient| gradient.value().clone()));
        close("gradient", &all, &problem.recorded(settings.name, "grad", step));
        if settings.l2 != 0.0 {
            for (gradient, (_, param)) in gradients.iter_mut().zip(&problem.params) {
                let decayed = Var::combine(&[(1.0, gradient.as_ref().unwrap()), (settings.l2, &param.var().detach())]);
                *gradient = Some(decayed.unwrap());
            }
        }
        let norm = problem.optimizer.step(&gradients, RATE).unwrap();
        problem.average.update().unwrap();
        if settings.max_norm.is_some() {
            close("norm", &[norm], &problem.recorded(settings.name, "norm", step));
        }
        close("x", &problem.x(), &problem.recorded(settings.name, "x", step));
        let mut state = nn::State::default();
        problem.optimizer.add_to(&mut state);
        for name in ["m", "v"] {
            let moments = ["a", "b"].map(|param| state.tensors[&format!("optimizer.{name}.{param}")].clone());
            close(name, &flat(moments.into_iter()), &problem.recorded(settings.name, name, step));
        }
        problem.average.swap().unwrap();
        close("average", &problem.x(), &problem.recorded(settings.name, "ema", step));
        problem.average.swap().unwrap();
    }
    assert_eq!(problem.params[0].1.value().dtype(), DType::F64);
}

#[test]
fn adam() {
    check(Settings { name: "adam", decoupled: 0.0, l2: 0.0, max_norm: None });
}

#[test]
fn adam_with_decay_in_the_gradient() {
    check(Settings { name: "adam-l2", decoupled: 0.0, l2: 0.01, max_norm: None });
}

#[test]
fn adam_with_decoupled_decay() {
    check(Settings { name: "adamw", decoupled: 0.01, l2: 0.0, max_norm: None });
}

#[test]
fn clipping_by_the_norm_of_all_gradients_together() {
    check(Settings { name: "adamw-clip", decoupled: 0.01, l2: 0.0, max_norm: Some(5.5) });
}
