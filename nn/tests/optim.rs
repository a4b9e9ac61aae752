//! Optimiser and average: what is refused, and that a run goes on bit for bit from its saved state.

use autograd::{Device, Grad, Tensor, Var, grad};
use nn::{Adam, Ema, Init, Linear, Module, Optimizer, SavedState, State};

/// A model with what trains it.
struct Run {
    model: Linear,
    optimizer: Optimizer,
    average: Ema,
}

impl Run {
    fn new(seed: u64) -> Run {
        let model = Linear::new(&mut Init::seeded(&Device::cpu(1), seed), 5, 3).unwrap();
        let settings = Adam { weight_decay: 0.1, ..Adam::default() };
        let optimizer = Optimizer::new(model.trainable(), settings).unwrap().clip(0.5);
        let average = Ema::new(model.trainable(), 0.9).unwrap().warm_up();
        Run { model, optimizer, average }
    }

    /// One step, to a target that depends on the step.
    fn step(&mut self) -> f64 {
        let x: Vec<f32> =
            (0..20).map(|i| ((i as u64 * 7 + self.optimizer.steps() * 3) % 11) as f32 / 11.0 - 0.5).collect();
        let x = Var::constant(Tensor::from_slice(&Device::cpu(1), &[4, 5], &x).unwrap());
        let x = Var::constant(x.value().to_device(self.model.weight.value().device()).unwrap());
        let loss = self.model.forward(&x).unwrap().shift(-1.0).unwrap().square().unwrap().mean().unwrap();
        let vars = self.optimizer.vars();
        let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap().into_vars();
        let norm = self.optimizer.step(&gradients, 0.05).unwrap();
        self.average.update().unwrap();
        norm
    }

    fn numbers(&mut self) -> Vec<Vec<f32>> {
        let values = || self.model.parameters().iter().map(|param| param.value().to_vec().unwrap()).collect::<Vec<_>>();
        let mut all = values();
        self.average.swap().unwrap();
        all.extend(values());
        self.average.swap().unwrap();
        assert_eq!(all[..2], values()[..], "swapped twice");
        all
    }
}

#[test]
fn a_run_goes_on_bit_for_bit_from_its_saved_state() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut first = Run::new(1);
    for _ in 0..5 {
        first.step();
    }
    let mut state = State::default();
    state.add_module("model.", &first.model);
    first.optimizer.add_to(&mut state);
    first.average.add_to(&mut state);
    state.save(&path).unwrap();
    for _ in 0..5 {
        first.step();
    }

    let mut second = Run::new(2);
    let saved = SavedState::read(&path).unwrap();
    saved.restore_module("model.", &second.model).unwrap();
    second.optimizer.restore(&saved).unwrap();
    second.average.restore(&saved).unwrap();
    assert_eq!(second.optimizer.steps(), 5);
    for _ in 0..5 {
        second.step();
    }
    assert_eq!(first.numbers(), second.numbers());
}

#[test]
fn a_gradient_that_is_not_finite_updates_nothing_and_names_its_parameter() {
    let mut run = Run::new(1);
    run.step();
    let before = run.numbers();
    let vars = run.optimizer.vars();
    let mut gradients: Vec<Option<Var>> = vars.iter().map(|var| Some(var.detach())).collect();
    let bad = Tensor::from_slice(vars[1].device(), &[3], &[0.0, f32::NAN, 1.0]).unwrap();
    gradients[1] = Some(Var::constant(bad));
    let error = run.optimizer.step(&gradients, 0.1).unwrap_err();
    assert!(error.to_string().starts_with("the gradient of bias is not finite in step 2"), "{error}");
    assert!(!error.is_usage());
    assert_eq!(run.numbers(), before);
    assert!(
        run.optimizer.step(&gradients[..1], 0.1).unwrap_err().to_string().starts_with("1 gradients for 2 parameters")
    );
    // Without a gradient a parameter stays, weight decay and all.
    run.optimizer.step(&[None, None], 0.1).unwrap();
    assert_eq!(run.numbers(), before);
}

#[test]
fn a_frozen_parameter_is_a_constant_until_thawed() {
    let run = Run::new(1);
    run.model.weight.set_trainable(false);
    assert_eq!(run.model.trainable().len(), 1);
    assert!(!run.model.weight.var().is_active());
    run.model.weight.set_trainable(true);
    assert!(run.model.weight.var().is_active());
    let other = Tensor::zeros(run.model.bias.value().device(), tensor::DType::F32, &[4]).unwrap();
    assert!(run.model.bias.set(other).unwrap_err().to_string().contains("it is f32 [3], not f32 [4]"));
}
