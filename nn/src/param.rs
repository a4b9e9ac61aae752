//! A tensor that is learned.

use crate::error::{Error, Result};
use autograd::{Dims, Tensor, Var};
use std::sync::{Arc, RwLock};

/// A parameter. Cloning shares it: a model, its optimiser and its moving average speak of the same numbers.
///
/// Trainable, its [`var`](Param::var) is a leaf and gradients are taken with respect to it; frozen, a constant, and no op
/// records anything on its account.
#[derive(Clone, Debug)]
pub struct Param(Arc<RwLock<Var>>);

impl Param {
    /// A trainable parameter that takes `value` over: whoever else holds the same memory sees its updates.
    pub fn new(value: Tensor) -> Param {
        Param(Arc::new(RwLock::new(Var::leaf(value))))
    }

    /// What layers compute with. The same leaf until [`set`](Param::set) or [`set_trainable`](Param::set_trainable).
    pub fn var(&self) -> Var {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// The numbers.
    pub fn value(&self) -> Tensor {
        self.var().value().clone()
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> Dims {
        self.var().dims()
    }

    /// Whether gradients are taken with respect to it.
    pub fn is_trainable(&self) -> bool {
        self.var().is_active()
    }

    /// Thaws or freezes it; a new leaf, if it was frozen.
    pub fn set_trainable(&self, trainable: bool) {
        if trainable != self.is_trainable() {
            self.put(self.value(), trainable);
        }
    }

    /// Another tensor of the same shape, dtype and device in its place, taken over as by [`Param::new`].
    pub fn set(&self, value: Tensor) -> Result<()> {
        let old = self.value();
        if (value.shape(), value.dtype(), value.device()) != (old.shape(), old.dtype(), old.device()) {
            let [old, new] = [&old, &value].map(|x| format!("{} {:?}", x.dtype(), x.shape()));
            return Err(Error::argument(format!(
                "a parameter cannot change its shape, type or device: it is {old}, not {new}"
            )));
        }
        self.put(value, self.is_trainable());
        Ok(())
    }

    /// Changes the numbers in place; the leaf stays the same.
    pub fn update(&self, change: impl FnOnce(&mut Tensor) -> Result<(), tensor::Error>) -> Result<()> {
        Ok(change(&mut self.value())?)
    }

    fn put(&self, value: Tensor, trainable: bool) {
        let var = if trainable { Var::leaf(value) } else { Var::constant(value) };
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = var;
    }
}
