//! A pretrained model as every method sees it: the clean estimate E[x_0 | x_t = x] of a noisy state.
//!
//! The clean estimate is the one currency because it is bounded at every noise level, where the score grows like 1/sigma
//! and Tweedie's x + sigma^2 score divides by alpha, 1/152 at the noisy end of the variance-preserving process. (A
//! network that predicts noise divides by alpha as well: its estimate is bounded once `Training::clip` says so.)

use crate::error::Result;
use crate::process::Process;
use autograd::{Tensor, Var};

/// What a model is told besides the state and the time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// An embedding `[n, ..]`, one row for each sample, or `[1, ..]`, the same for all.
    Embedding(Var),
}

impl Condition {
    /// The condition of samples `start .. start + count` of those it was made for.
    pub fn narrow(&self, start: usize, count: usize) -> Result<Condition> {
        Ok(match self {
            Condition::Embedding(rows) if rows.shape().first() != Some(&1) => {
                Condition::Embedding(rows.narrow(0, start, count)?)
            }
            same => same.clone(),
        })
    }
}

/// A model of the data at every noise level.
pub trait Denoiser: Send + Sync {
    /// The noising it was trained for.
    fn process(&self) -> &Process;

    /// The clean estimate of `x` `[n, ..]` at time `t`, in the shape and dtype of `x` and differentiable in it. Row `i`
    /// depends on row `i` alone.
    fn denoise(&self, x: &Var, t: f64, condition: &Condition) -> Result<Var>;

    /// The same with its numbers of `t` in a table, where it has such a form: a step of a sampler can then be recorded once and
    /// replayed at every time.
    fn tabulated(&self) -> Option<&dyn Tabulated> {
        None
    }

    /// The same, ready for conversion.
    fn estimate(&self, x: &Var, t: f64, condition: &Condition) -> Result<Estimate> {
        let level = self.process().level(t)?;
        Ok(Estimate { x: x.clone(), clean: self.denoise(x, t, condition)?, alpha: level.alpha, sigma: level.sigma })
    }
}

/// A denoiser that depends on the time through a few numbers.
pub trait Tabulated: Send + Sync {
    /// Those numbers at time `t`, as many at every time.
    fn numbers(&self, t: f64) -> Result<Vec<f64>>;

    /// [`Denoiser::denoise`], bit for bit, at the time whose numbers `row` `[numbers]`, f64, holds when the work is done.
    fn denoise_by(&self, x: &Var, row: &Tensor, condition: &Condition) -> Result<Var>;
}

/// A clean estimate with the state it was made from, x = alpha clean + sigma noise.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The noisy state.
    pub x: Var,
    /// The estimate of E[x_0 | x].
    pub clean: Var,
    /// Scale of the signal in `x`.
    pub alpha: f64,
    /// Standard deviation of the noise in `x`.
    pub sigma: f64,
}

impl Estimate {
    /// (x - alpha clean) / sigma, the noise that is left.
    pub fn noise(&self) -> Result<Var> {
        let Estimate { alpha, sigma, .. } = *self;
        Ok(Var::combine(&[(1.0 / sigma, &self.x), (-alpha / sigma, &self.clean)])?)
    }

    /// (alpha clean - x) / sigma^2, the gradient of log p_t at `x`.
    pub fn score(&self) -> Result<Var> {
        let Estimate { alpha, sigma, .. } = *self;
        Ok(Var::combine(&[(-1.0 / sigma / sigma, &self.x), (alpha / sigma / sigma, &self.clean)])?)
    }

    /// alpha noise - sigma clean (Salimans and Ho 2022; `v_prediction` in diffusers).
    pub fn velocity(&self) -> Result<Var> {
        let Estimate { alpha, sigma, .. } = *self;
        Ok(Var::combine(&[(alpha / sigma, &self.x), (-alpha * alpha / sigma - sigma, &self.clean)])?)
    }

    /// noise - clean, the velocity of the straight path (rectified flow).
    pub fn flow(&self) -> Result<Var> {
        let Estimate { alpha, sigma, .. } = *self;
        Ok(Var::combine(&[(1.0 / sigma, &self.x), (-alpha / sigma - 1.0, &self.clean)])?)
    }
}
