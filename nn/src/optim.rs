//! Adam and AdamW over a list of parameters, with clipping by the global norm of the gradient.

use crate::error::{Error, Kind, Result};
use crate::param::Param;
use crate::state::{SavedState, State};
use autograd::{Tensor, Var};
pub use tensor::ops::optim::Adam;
use tensor::ops::optim::{AdamStep, Numbers, adam, clip, squares};

/// Added to the norm in the factor of clipping, as PyTorch's `clip_grad_norm_` does.
const CLIP_EPS: f64 = 1e-6;

/// Adam (Kingma and Ba 2015); with a weight decay AdamW (Loshchilov and Hutter 2019).
pub struct Optimizer {
    name: String,
    settings: Adam,
    max_norm: Option<f64>,
    slots: Vec<Slot>,
    step: u64,
}

/// A parameter with the running means of its gradient and of its square.
struct Slot {
    name: String,
    param: Param,
    m: Param,
    v: Param,
}

impl Optimizer {
    /// For parameters with their names, such as [`Module::trainable`](crate::Module::trainable) answers.
    pub fn new(params: Vec<(String, Param)>, settings: Adam) -> Result<Optimizer> {
        let slot = |(name, param): (String, Param)| {
            let value = param.value();
            let zeros = || Ok::<_, Error>(Param::new(value.scale(0.0)?));
            Ok(Slot { name, m: zeros()?, v: zeros()?, param })
        };
        let slots = params.into_iter().map(slot).collect::<Result<_>>()?;
        Ok(Optimizer { name: "optimizer".into(), settings, max_norm: None, slots, step: 0 })
    }

    /// The same, with gradients whose norm over all parameters is more than `max_norm` scaled down to it.
    pub fn clip(self, max_norm: f64) -> Optimizer {
        Optimizer { max_norm: Some(max_norm), ..self }
    }

    /// The same, saved under `name` in the place of `optimizer`: for several optimisers in one file.
    pub fn named(self, name: &str) -> Optimizer {
        Optimizer { name: name.into(), ..self }
    }

    /// What it updates.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        self.slots.iter().map(|slot| &slot.param)
    }

    /// What to take gradients with respect to, in the order in which [`Optimizer::step`] wants them.
    pub fn vars(&self) -> Vec<Var> {
        self.slots.iter().map(|slot| slot.param.var()).collect()
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Updates every parameter in place from its gradient; one without stays as it is. Answers the norm of all gradients
    /// together, before clipping. A gradient that is not finite is an error, and nothing is updated.
    pub fn step(&mut self, gradients: &[Option<Var>], lr: f64) -> Result<f64> {
        if gradients.len() != self.slots.len() {
            let (got, want) = (gradients.len(), self.slots.len());
            return Err(Error::argument(format!(
                "{got} gradients for {want} parameters; take them of `vars`, in that order"
            )));
        }
        let norm = self.norm(gradients)?;
        let scale = self.max_norm.map_or(1.0, |max_norm| (max_norm / (norm + CLIP_EPS)).min(1.0));
        self.step += 1;
        let numbers = AdamStep::new(&self.settings, lr, self.step, scale);
        adam(Numbers::Given(&numbers), &self.moved_by(gradients))?;
        Ok(norm)
    }

    /// [`Optimizer::step`] of a recording: with the `numbers` `[8]`, f64, on the device, which [`Optimizer::numbers`] gives for
    /// each step; every parameter has a gradient. Answers the norm `[1]` and the sum of squares of each gradient, in f64; where
    /// the norm is not finite, nothing is updated, and [`Optimizer::check`] says why. Steps are not counted here.
    pub fn record_step(&self, gradients: &[Option<Var>], numbers: &Tensor) -> Result<(Tensor, Tensor)> {
        let given: Vec<&Tensor> = gradients.iter().flatten().map(Var::value).collect();
        let most = self.max_norm.unwrap_or(f64::INFINITY);
        if given.len() != self.slots.len() {
            let (got, want) = (given.len(), self.slots.len());
            return Err(Error::argument(format!("{got} gradients for {want} parameters; a recorded step takes all")));
        }
        let squares = squares(&given)?;
        let norm = clip(&squares, most, CLIP_EPS, &numbers.narrow(0, 0, 1)?)?;
        adam(Numbers::Table(numbers), &self.moved_by(gradients))?;
        Ok((norm, squares))
    }

    /// An error that names the first parameter whose gradient, of these sums of `squares`, is not finite.
    pub fn check(&self, squares: &[f64]) -> Result<()> {
        match squares.iter().zip(&self.slots).find(|(square, _)| !square.is_finite()) {
            Some((_, slot)) => Err(Kind::Diverged { parameter: slot.name.clone(), step: self.step }.into()),
            None => Ok(()),
        }
    }

    /// Counts a step, and answers its numbers for [`Optimizer::record_step`].
    pub fn numbers(&mut self, lr: f64) -> [f64; 8] {
        self.step += 1;
        AdamStep::new(&self.settings, lr, self.step, 1.0).array()
    }

    /// The parameters that have a gradient.
    fn moved_by(&self, gradients: &[Option<Var>]) -> Vec<tensor::ops::optim::Slot> {
        let moved = |(slot, gradient): (&Slot, &Option<Var>)| {
            let gradient = gradient.as_ref()?.value().clone();
            let [param, m, v] = [&slot.param, &slot.m, &slot.v].map(Param::value);
            Some(tensor::ops::optim::Slot { param, gradient, m, v })
        };
        self.slots.iter().zip(gradients).filter_map(moved).collect()
    }

    /// The norm of all gradients together; one wait for the device.
    fn norm(&self, gradients: &[Option<Var>]) -> Result<f64> {
        let given: Vec<usize> = (0..gradients.len()).filter(|&i| gradients[i].is_some()).collect();
        let values: Vec<&Tensor> = gradients.iter().flatten().map(Var::value).collect();
        if values.is_empty() {
            return Ok(0.0);
        }
        let squares = squares(&values)?.to_vec::<f64>()?;
        match squares.iter().position(|square| !square.is_finite()) {
            None => Ok(squares.iter().sum::<f64>().sqrt()),
            Some(i) => {
                let parameter = self.slots[given[i]].name.clone();
                Err(Kind::Diverged { parameter, step: self.step + 1 }.into())
            }
        }
    }

    /// Adds the moments, `optimizer.m.` and `optimizer.v.` before the parameters' names, and the number of steps.
    pub fn add_to(&self, state: &mut State) {
        for slot in &self.slots {
            state.tensors.insert(format!("{}.m.{}", self.name, slot.name), slot.m.value());
            state.tensors.insert(format!("{}.v.{}", self.name, slot.name), slot.v.value());
        }
        state.metadata.insert(format!("{}.step", self.name), self.step.to_string());
    }

    /// Goes on from what [`Optimizer::add_to`] saved.
    pub fn restore(&mut self, state: &SavedState) -> Result<()> {
        let moments = |which: fn(&Slot) -> &Param| -> Vec<(String, Param)> {
            self.slots.iter().map(|slot| (slot.name.clone(), which(slot).clone())).collect()
        };
        let step = state.number(&format!("{}.step", self.name))?;
        state.restore(&format!("{}.m.", self.name), &moments(|slot| &slot.m))?;
        state.restore(&format!("{}.v.", self.name), &moments(|slot| &slot.v))?;
        self.step = step;
        Ok(())
    }
}
