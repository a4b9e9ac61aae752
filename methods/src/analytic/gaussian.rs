//! A Gaussian seen through the noising: its posterior mean and its density, as affine maps.

use super::small::{inverse_lower, lower, product, square};
use crate::error::{Error, Result};
use crate::process::Level;
use autograd::{Tensor, Var};

/// N(mean, covariance) over samples of any shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    mean: Vec<f64>,
    covariance: Covariance,
}

#[derive(Clone, Debug, PartialEq)]
enum Covariance {
    Diagonal(Vec<f64>),
    Full(Vec<f64>),
}

impl Gaussian {
    /// Independent elements; a variance may be 0.
    pub fn diagonal(mean: Vec<f64>, variance: Vec<f64>) -> Result<Gaussian> {
        let sound = mean.iter().chain(&variance).all(|x| x.is_finite()) && variance.iter().all(|&v| v >= 0.0);
        if mean.is_empty() || mean.len() != variance.len() || !sound {
            return Err(Error::argument(
                "a Gaussian needs as many variances, finite and not negative, as finite means",
            ));
        }
        Ok(Gaussian { mean, covariance: Covariance::Diagonal(variance) })
    }

    /// A covariance matrix, row-major, symmetric and positive semidefinite.
    pub fn full(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Gaussian> {
        let d = mean.len();
        let symmetric = || (0..d).all(|i| (0..i).all(|j| covariance[i * d + j] == covariance[j * d + i]));
        // A semidefinite matrix has a Cholesky factor once a little is added to its diagonal.
        let definite = || {
            let ridge = 1e-12 * (0..d).map(|i| covariance[i * d + i].abs()).fold(f64::MIN_POSITIVE, f64::max);
            lower(&covariance, d, 1.0, ridge).is_some()
        };
        if d == 0 || covariance.len() != d * d || mean.iter().any(|x| !x.is_finite()) || !symmetric() || !definite() {
            return Err(Error::argument(
                "a Gaussian of d means needs a symmetric positive semidefinite d x d covariance",
            ));
        }
        Ok(Gaussian { mean, covariance: Covariance::Full(covariance) })
    }

    /// Elements of a sample.
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// The clean estimate of `x` `[n, d]` as an affine map.
    pub(super) fn posterior_mean(&self, level: &Level) -> Result<Affine> {
        let Level { alpha: a, sigma, .. } = *level;
        let matrix = match &self.covariance {
            Covariance::Diagonal(v) => {
                Matrix::Diagonal(v.iter().map(|v| a * v / (a * a * v + sigma * sigma)).collect())
            }
            Covariance::Full(c) => {
                let d = self.dimension();
                Matrix::Full(product(a, c, &square(&self.whitening(c, level)?, d), d))
            }
        };
        let shift = matrix.times(&self.mean).iter().zip(&self.mean).map(|(k, m)| m - a * k).collect();
        Ok(Affine { matrix, shift })
    }

    /// log N(x; alpha m, alpha^2 C + sigma^2 I) of `x` `[n, d]`, less d/2 ln(2 pi). Shape `[n, 1]`.
    pub(super) fn log_density(&self, x: &Var, level: &Level) -> Result<Var> {
        let Level { alpha: a, sigma, .. } = *level;
        let (matrix, log_deviations): (_, f64) = match &self.covariance {
            Covariance::Diagonal(v) => {
                let deviations: Vec<f64> = v.iter().map(|v| (a * a * v + sigma * sigma).sqrt()).collect();
                let logs = deviations.iter().map(|s| s.ln()).sum();
                (Matrix::Diagonal(deviations.iter().map(|s| 1.0 / s).collect()), logs)
            }
            Covariance::Full(c) => {
                let whitening = self.whitening(c, level)?;
                let d = self.dimension();
                let logs = (0..d).map(|i| -whitening[i * d + i].ln()).sum();
                (Matrix::Full(whitening), logs)
            }
        };
        let shift = matrix.times(&self.mean).iter().map(|m| -a * m).collect();
        let white = Affine { matrix, shift }.apply(x)?;
        Ok(white.square()?.sum_keep(&[1])?.scale(-0.5)?.shift(-log_deviations)?)
    }

    /// L^-1 of alpha^2 C + sigma^2 I = L L^T.
    fn whitening(&self, covariance: &[f64], level: &Level) -> Result<Vec<f64>> {
        let factor = lower(covariance, self.dimension(), level.alpha.powi(2), level.sigma.powi(2));
        let factor =
            factor.ok_or_else(|| Error::argument(format!("the covariance at t = {} is singular in f64", level.t)))?;
        Ok(inverse_lower(&factor, self.dimension()))
    }
}

/// x -> A x + b for the rows of x `[n, d]`.
pub(super) struct Affine {
    matrix: Matrix,
    shift: Vec<f64>,
}

enum Matrix {
    Diagonal(Vec<f64>),
    Full(Vec<f64>),
}

impl Matrix {
    fn times(&self, x: &[f64]) -> Vec<f64> {
        match self {
            Matrix::Diagonal(a) => a.iter().zip(x).map(|(a, x)| a * x).collect(),
            Matrix::Full(a) => a.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect(),
        }
    }
}

impl Affine {
    pub(super) fn apply(&self, x: &Var) -> Result<Var> {
        let d = self.shift.len();
        let shift = constant(x, &[d], &self.shift)?;
        Ok(match &self.matrix {
            Matrix::Diagonal(a) => x.mul(&constant(x, &[d], a)?)?.add(&shift)?,
            Matrix::Full(a) => x.linear(&constant(x, &[d, d], a)?, Some(&shift))?,
        })
    }
}

/// Numbers beside `like`: its device and dtype.
fn constant(like: &Var, shape: &[usize], numbers: &[f64]) -> Result<Var> {
    Ok(Var::constant(Tensor::from_slice(like.device(), shape, numbers)?.cast(like.dtype())?))
}
