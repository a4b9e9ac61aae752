//! `weight |x - centre|^2`: the cost whose optimal control is known in closed form.

use super::Cost;
use crate::error::Result;
use autograd::Var;

/// A quadratic bowl around one number.
pub struct Quadratic {
    /// Its steepness.
    pub weight: f64,
    /// Its bottom.
    pub centre: f64,
}

impl Cost for Quadratic {
    fn name(&self) -> &str {
        "quadratic"
    }
    fn per_sample(&self, clean: &Var) -> Result<Var> {
        Ok(clean.shift(-self.centre)?.square()?.sum_per_sample()?.scale(self.weight)?)
    }
}
