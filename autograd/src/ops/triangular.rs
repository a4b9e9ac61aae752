//! Small lower triangular matrices: solving, and the lower triangle itself (linear, its own adjoint).
//!
//! Of `L x = b`, with `tril` the lower triangle and g the cotangent of x (Giles 2008, section 2.2.3):
//!
//! ```text
//! dx = L^-1 (db - tril(dL) x)        b: L^-T g,   L: -tril(L^-T g x')
//! ```
//!
//! Of `L' x = b` the same with L' in place of L, and `-tril(x (L^-1 g)')`.

use super::{lift, only};
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Cotangents, Linear, LinearRule, Rule, SavedVars, Saves, record};
use crate::var::Var;
use smallvec::SmallVec;
use tensor::Tensor;

impl Var {
    /// The x of `L x = b`, or of `L' x = b` where `transposed` says so, L the lower triangle of this: `[.., r, r]` with b
    /// `[.., r, m]`, batches repeated to one, r at most 128; f32 or f64.
    #[track_caller]
    pub fn solve_triangular(&self, b: &Var, transposed: bool) -> Result<Var> {
        let value = self.value.solve_triangular(&b.value, transposed)?;
        let rule = Solve { transposed, rank: value.rank() };
        record(rule, Saves::Inputs, &[self, b], value.clone(), [value])
    }

    /// The x of `L L' x = b`, L the lower triangle of this, as [`Var::cholesky`] gives it.
    #[track_caller]
    pub fn solve_cholesky(&self, b: &Var) -> Result<Var> {
        self.solve_triangular(&self.solve_triangular(b, false)?, true)
    }

    /// Matrices `[.., r, m]`: as they are below the diagonal, `diagonal` times that on it, 0 above.
    #[track_caller]
    pub fn lower_triangle(&self, diagonal: f64) -> Result<Var> {
        let value = self.value.lower_triangle(diagonal)?;
        record(LinearRule(Lower { diagonal }), Saves::Nothing, &[self], value, [])
    }
}

struct Solve {
    transposed: bool,
    rank: usize,
}

impl Solve {
    /// L, and x: computed again where it must know its past.
    fn solution(&self, saved: &SavedVars) -> Result<(Var, Var)> {
        let (l, b) = (saved.input(0)?, saved.input(1)?);
        let x = match saved.extra.first() {
            Some(x) if l.is_plain() && b.is_plain() => Var::constant(x.clone()),
            _ => l.solve_triangular(b, self.transposed)?,
        };
        Ok((l.clone(), x))
    }
}

impl Rule for Solve {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        let (l, x) = self.solution(saved)?;
        let back = l.solve_triangular(cotangent, !self.transposed)?;
        let to_l = needs[0].then(|| {
            let (left, right) = if self.transposed { (&x, &back) } else { (&back, &x) };
            let outer = left.matmul(&right.transpose(0, 1)?)?.lower_triangle(1.0)?;
            outer.scale(-1.0)?.sum_to_lead(l.shape(), saved.lead)
        });
        let to_b = needs[1].then(|| back.sum_to_lead(saved.input(1)?.shape(), saved.lead));
        Ok(SmallVec::from_iter([to_l.transpose()?, to_b.transpose()?]))
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let lifted = |i: usize| {
            let tangent = tangents[i].as_ref();
            tangent.map(|dx| lift(dx, saved.input(i)?.rank(), self.rank, saved.lead)).transpose()
        };
        let mut change = lifted(1)?;
        let l = saved.input(0)?;
        if let Some(dl) = lifted(0)? {
            let (_, x) = self.solution(saved)?;
            let lower = dl.lower_triangle(1.0)?;
            let moved = if self.transposed { lower.transpose(0, 1)? } else { lower }.matmul(&x)?;
            change = Some(change.map_or_else(|| moved.scale(-1.0), |db| db.sub(&moved))?);
        }
        change.map(|change| l.solve_triangular(&change, self.transposed)).transpose()
    }
}

struct Lower {
    diagonal: f64,
}

impl Linear for Lower {
    fn name(&self) -> &'static str {
        "lower_triangle"
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        only(tangents)?.lower_triangle(self.diagonal)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        cotangent.lower_triangle(self.diagonal)
    }
}

/// `x + shift I` for `[.., r, r]`.
pub(super) fn shifted(x: &Var, shift: f64) -> Result<Var> {
    let size = x.shape().last().copied().unwrap_or(0);
    x.add(&Var::constant(Tensor::identity(x.device(), x.dtype(), size)?.scale(shift)?))
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let solve = |transposed: bool| {
        move |x: &[Var]| {
            let l = shifted(&x[0].cast(x[0].dtype().wide())?, 2.5)?;
            l.solve_triangular(&x[1].cast(l.dtype())?, transposed)
        }
    };
    let row = |transposed, shapes: &[&[usize]]| case(solve(transposed)).inputs(shapes).ulps(64.0);
    let lower = |x: &[Var]| x[0].lower_triangle(0.5);
    vec![
        (
            "solve_triangular",
            vec![
                row(false, &[&[2, 4, 4], &[2, 4, 3]]).batched(&[0, 1]),
                row(true, &[&[2, 4, 4], &[2, 4, 1]]).batched(&[0, 1]),
                row(false, &[&[3, 3], &[2, 3, 2]]).batched(&[1]),
                row(true, &[&[2, 1, 5, 5], &[3, 5, 20]]).batched(&[0]),
                row(true, &[&[1, 1], &[1, 1]]),
                row(false, &[&[0, 2, 2], &[0, 2, 1]]),
            ],
        ),
        (
            "lower_triangle",
            vec![
                case(lower).inputs(&[&[2, 4, 4]]).batched(&[0]),
                case(lower).inputs(&[&[3, 5]]),
                case(lower).inputs(&[&[2, 5, 2]]).batched(&[0]),
                case(lower).inputs(&[&[0, 2, 2]]),
            ],
        ),
    ]
}
