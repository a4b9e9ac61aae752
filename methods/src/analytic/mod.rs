//! Data whose clean estimate is known in closed form: Gaussians and mixtures of Gaussians.
//!
//! If x_0 ~ N(m, C), then x_t ~ N(alpha m, S) with S = alpha^2 C + sigma^2 I, and E[x_0 | x_t = x] = m + alpha C S^-1 (x - alpha m).
//! For a mixture it is the average of the components' estimates, weighted by how likely each is to have made `x`. Written in
//! differentiable ops, of every derivative; the ground truth of every method's tests. For a few dimensions: a full
//! covariance is inverted at every call.

mod gaussian;
mod small;
#[cfg(test)]
mod tests;

pub use gaussian::Gaussian;

use crate::denoiser::{Condition, Denoiser};
use crate::error::{Error, Result};
use crate::process::Process;
use autograd::Var;

/// `x` `[n, ..]` as `[n, d]`.
fn rows(x: &Var, dimension: usize) -> Result<Var> {
    let n = x.shape().first().copied().unwrap_or(0);
    if x.shape().iter().skip(1).product::<usize>() != dimension || x.rank() == 0 {
        let what =
            format!("samples of {dimension} elements are expected behind the leading axis, not shape {:?}", x.shape());
        return Err(Error::argument(what));
    }
    Ok(x.reshape(&[n, dimension])?)
}

/// The exact denoiser of Gaussian data. Ignores the condition.
#[derive(Clone, Debug)]
pub struct GaussianDenoiser {
    process: Process,
    data: Gaussian,
}

impl GaussianDenoiser {
    /// For data of this distribution.
    pub fn new(process: Process, data: Gaussian) -> GaussianDenoiser {
        GaussianDenoiser { process, data }
    }
}

impl Denoiser for GaussianDenoiser {
    fn process(&self) -> &Process {
        &self.process
    }

    fn denoise(&self, x: &Var, t: f64, _condition: &Condition) -> Result<Var> {
        let map = self.data.posterior_mean(&self.process.level(t)?)?;
        Ok(map.apply(&rows(x, self.data.dimension())?)?.reshape(x.shape())?)
    }
}

/// The exact denoiser of a mixture of Gaussians. Ignores the condition.
#[derive(Clone, Debug)]
pub struct MixtureDenoiser {
    process: Process,
    log_weights: Vec<f64>,
    components: Vec<Gaussian>,
}

impl MixtureDenoiser {
    /// Components with weights above 0 (of any sum), all of one dimension.
    pub fn new(process: Process, components: Vec<(f64, Gaussian)>) -> Result<MixtureDenoiser> {
        let (weights, components): (Vec<f64>, Vec<Gaussian>) = components.into_iter().unzip();
        let sound = weights.iter().all(|&w| w > 0.0 && w.is_finite());
        let alike = components.windows(2).all(|pair| pair[0].dimension() == pair[1].dimension());
        if components.is_empty() || !sound || !alike {
            return Err(Error::argument(
                "a mixture needs components of one dimension, each with a finite weight above 0",
            ));
        }
        Ok(MixtureDenoiser { process, log_weights: weights.iter().map(|w| w.ln()).collect(), components })
    }
}

impl Denoiser for MixtureDenoiser {
    fn process(&self) -> &Process {
        &self.process
    }

    fn denoise(&self, x: &Var, t: f64, _condition: &Condition) -> Result<Var> {
        let level = self.process.level(t)?;
        let flat = rows(x, self.components[0].dimension())?;
        let (mut logits, mut means) = (Vec::new(), Vec::new());
        for (log_weight, component) in self.log_weights.iter().zip(&self.components) {
            logits.push(component.log_density(&flat, &level)?.shift(*log_weight)?);
            means.push(component.posterior_mean(&level)?.apply(&flat)?);
        }
        let shares = Var::concat(&logits.iter().collect::<Vec<_>>(), 1)?.softmax()?;
        let mut sum: Option<Var> = None;
        for (k, mean) in means.iter().enumerate() {
            let part = mean.mul(&shares.narrow(1, k, 1)?)?;
            sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
        }
        Ok(sum.unwrap_or(flat).reshape(x.shape())?)
    }
}
