//! Costs: differentiable numbers, one for each clean image of a batch.

mod classifier;
mod quadratic;
mod seam;

pub use classifier::{Classifier, NegativeLogLikelihood};
pub use quadratic::Quadratic;
pub use seam::{Seam, SeamMap};

use crate::error::Result;
use autograd::{Tensor, Var};
use std::sync::Arc;

/// A differentiable cost of clean images. Images of a batch do not know each other.
pub trait Cost: Send + Sync {
    /// Its name in tables.
    fn name(&self) -> &str;
    /// One number for each image `[n, ..]`: `[n]`, in the images' dtype.
    fn per_sample(&self, clean: &Var) -> Result<Var>;
}

/// A weighted sum of costs.
pub struct Total(pub Vec<(f64, Arc<dyn Cost>)>);

impl Cost for Total {
    fn name(&self) -> &str {
        "total"
    }
    fn per_sample(&self, clean: &Var) -> Result<Var> {
        let n = clean.shape().first().copied().unwrap_or(0);
        let none = Var::constant(Tensor::zeros(clean.device(), clean.dtype(), &[n])?);
        self.0.iter().try_fold(none, |sum, (weight, cost)| {
            Ok(Var::combine(&[(1.0, &sum), (*weight, &cost.per_sample(clean)?)])?)
        })
    }
}
