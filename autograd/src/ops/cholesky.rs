//! The Cholesky factor of small matrices (Murray 2016, "Differentiation of the Cholesky decomposition").
//!
//! With `phi` the lower triangle with half its diagonal, of `a = L L'` and the cotangent g of L:
//!
//! ```text
//! dL = L phi(L^-1 da L^-T),      a: (s + s') / 2,   s = L^-T phi(L' g) L^-1
//! ```
//!
//! The matrix is symmetric, and so is its gradient.

use super::triangular::shifted;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Cotangents, Rule, SavedVars, Saves, record};
use crate::var::Var;
use smallvec::SmallVec;

impl Var {
    /// The lower triangular L with `L L'` = this, for symmetric positive definite matrices `[.., r, r]`, r at most 128; f32 or
    /// f64. Others are an error, or NaN on a GPU: see [`tensor::Tensor::cholesky`].
    #[track_caller]
    pub fn cholesky(&self) -> Result<Var> {
        let value = self.value.cholesky()?;
        record(Cholesky, Saves::Inputs, &[self], value.clone(), [value])
    }
}

struct Cholesky;

impl Cholesky {
    /// L, computed again where it must know its past.
    fn factor(&self, saved: &SavedVars) -> Result<Var> {
        let a = saved.input(0)?;
        match saved.extra.first() {
            Some(l) if a.is_plain() => Ok(Var::constant(l.clone())),
            _ => a.cholesky(),
        }
    }
}

/// `(x + x') / 2`
fn symmetric(x: &Var) -> Result<Var> {
    Var::combine(&[(0.5, x), (0.5, &x.transpose(0, 1)?)])
}

impl Rule for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, _needs: &[bool]) -> Result<Cotangents> {
        let l = self.factor(saved)?;
        let phi = l.transpose(0, 1)?.matmul(cotangent)?.lower_triangle(0.5)?;
        let left = l.solve_triangular(&phi, true)?;
        let both = l.solve_triangular(&left.transpose(0, 1)?, true)?;
        Ok(SmallVec::from_iter([Some(symmetric(&both)?)]))
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let l = self.factor(saved)?;
        let change = |da: &Var| {
            let left = l.solve_triangular(da, false)?;
            let both = l.solve_triangular(&left.transpose(0, 1)?, false)?;
            l.matmul(&symmetric(&both)?.lower_triangle(0.5)?)
        };
        tangents[0].as_ref().map(change).transpose()
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let gram = |x: &[Var]| shifted(&x[0].gram(&x[0])?, 1.0)?.cholesky();
    let sum = |x: &[Var]| {
        let x = x[0].cast(x[0].dtype().wide())?;
        shifted(&x.add(&x.transpose(0, 1)?)?, 8.0)?.cholesky()
    };
    let inverse = |x: &[Var]| {
        let l = shifted(&x[0].gram(&x[0])?, 1.0)?.cholesky()?;
        l.solve_cholesky(&x[1].cast(l.dtype())?)
    };
    vec![(
        "cholesky",
        vec![
            case(gram).inputs(&[&[2, 5, 4]]).ulps(64.0).batched(&[0]),
            case(gram).inputs(&[&[30, 20]]).ulps(64.0),
            case(gram).inputs(&[&[3, 1]]),
            case(gram).inputs(&[&[0, 3, 2]]),
            case(sum).inputs(&[&[2, 3, 3]]).ulps(64.0).batched(&[0]),
            case(inverse).inputs(&[&[2, 4, 3], &[2, 3, 2]]).ulps(200.0).batched(&[0, 1]),
        ],
    )]
}
