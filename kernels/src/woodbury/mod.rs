//! The inverse of a multiple of the identity and a matrix of low rank, applied (Woodbury 1950):
//!
//! ```text
//! (alpha I + P C P')^-1 v = (v - P C (alpha I + C)^-1 P' v) / alpha,      P' P = I
//! ```
//!
//! with P `[.., n, r]`, C `[.., r, r]` symmetric, of which the lower triangle is read, and v `[.., n, m]`. P is read twice:
//! once for `t = P' v` (as in [`crate::gram`]), once for `y = (v - P u) / alpha`, where between the two
//! `u = C (alpha I + C)^-1 t = t - alpha (alpha I + C)^-1 t` by Cholesky; no product of two matrices that commute only in
//! exact arithmetic is formed.

pub(crate) mod cuda;
pub mod reference;
mod steps;
#[cfg(test)]
mod tests;

use crate::cholesky::small;
use crate::gram;
use crate::matrix::{self, Matrices};
use crate::nest::Nest;
use crate::tile::Tile;
use crate::{Cost, DType, Device, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};

const OP: &str = "woodbury";

/// The operands of [`apply`].
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    /// `[.., n, r]`, orthonormal columns, unit stride along its rows.
    pub p: View<'a>,
    /// `[.., r, r]`, symmetric positive semidefinite, any strides; f32, or f64 for f64.
    pub c: View<'a>,
    /// `[..]`, positive; of C's dtype.
    pub alpha: View<'a>,
    /// `[.., n, m]`, unit stride along its rows.
    pub v: View<'a>,
}

/// `y = (alpha I + P C P')^-1 v`, row-major; the batches of the operands repeat to y's. r is at most
/// [`crate::cholesky::LARGEST`]. f32 or f64; on a GPU P, v and y may be bf16 or f16.
///
/// On the processor an alpha that is not positive, or an `alpha I + C` that is not positive definite, is an error that names
/// it; on a GPU, where asking would mean waiting, the results of that matrix are NaN. `scratch` is at least
/// [`apply_scratch`] bytes long.
pub fn apply(d: &Device, operands: &Operands, mut y: ViewMut, scratch: Scratch) -> Result {
    let Operands { p, c, alpha, v } = operands;
    let problem = Problem::new([p, c, alpha, v].map(|operand| operand.layout()), y.layout())?;
    let (own, wide) = (y.dtype(), y.dtype().wide());
    for (operand, want) in [(p, own), (v, own), (c, wide), (alpha, wide)] {
        if operand.dtype() != want {
            return Err(KernelError::DType { op: OP, got: operand.dtype(), want: want.name() });
        }
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::apply(gpu, &problem, operands, y, scratch),
    };
    let space = scratch.into_host(OP)?;
    match own {
        DType::F32 => {
            let (tile, tall) = (Tile::of(cpu.isa), [p.data::<f32>(OP)?, v.data::<f32>(OP)?]);
            let sum = |at, rows, t: &mut [f32]| problem.tall.outer(tile, tall, at, rows, t);
            steps::run(&problem, cpu, tall, [c.data(OP)?, alpha.data(OP)?], y.dense(OP)?, space, sum)
        }
        DType::F64 => {
            let tall = [p.data::<f64>(OP)?, v.data::<f64>(OP)?];
            let sum = |at, rows, t: &mut [f64]| gram::reference::add(&problem.tall, tall, at, rows, t);
            steps::run(&problem, cpu, tall, [c.data(OP)?, alpha.data(OP)?], y.dense(OP)?, space, sum)
        }
        got => Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
}

/// Bytes of scratch of [`apply`] from p to y.
pub fn apply_scratch(d: &Device, p: &Layout, y: &Layout, dtype: DType) -> usize {
    let ([.., rows, rank], [.., _, sides]) = (&*p.shape, &*y.shape) else { return 0 };
    let batch = y.count().checked_div(rows * sides).unwrap_or(0);
    let chunks = rows.div_ceil(gram::chunk(*rows)).max(1);
    let (small, sums) = (batch * rank * sides, batch * chunks * rank * sides);
    match (d, dtype) {
        (Device::Cuda(_), _) => (small + sums) * dtype.wide().size(),
        (_, DType::F64) => scratch::bytes_for::<f64>(2 * small + batch * rank * rank) + scratch::bytes_for::<f64>(sums),
        _ => scratch::bytes(2 * small + batch * rank * rank) + scratch::bytes(sums),
    }
}

/// What [`apply`] costs: two products with P; P twice, v and y.
pub fn apply_cost(p: &Layout, y: &Layout, dtype: DType) -> Cost {
    let rank = p.shape.last().copied().unwrap_or(0);
    Cost { flops: 4 * (y.count() * rank) as u64, bytes: ((2 * p.count() + 3 * y.count()) * dtype.size()) as u64 }
}

struct Problem {
    /// `t = P' v`, row-major.
    tall: gram::Problem,
    rank: usize,
    sides: usize,
    /// From row to row and column to column of C.
    step: [usize; 2],
    /// Where the matrices of y, P, v and C start, and alphas lie.
    batch: Nest<5>,
}

impl Problem {
    fn new([p, c, alpha, v]: [&Layout; 4], y: &Layout) -> Result<Problem> {
        matrix::row_major(OP, y)?;
        let of = |what, layout| Matrices::of(OP, what, layout);
        let (p, c, v, to) = (of("P", p)?, of("C", c)?, of("v", v)?, of("y", y)?);
        small(OP, "C", &c)?;
        c.sized(OP, "C", p.columns, p.columns)?;
        v.sized(OP, "v", p.rows, to.columns)?;
        to.sized(OP, "y", p.rows, to.columns)?;
        let mut shape = y.shape;
        let rows = shape.len() - 2;
        shape[rows] = p.columns;
        let t = of("P' v", &Layout::contiguous(shape))?;
        let batch = matrix::over(OP, [to.batch(), p.batch(), v.batch(), c.batch(), *alpha])?;
        let tall = gram::Problem::of(OP, &p, &v, &t)?;
        Ok(Problem { tall, rank: p.columns, sides: to.columns, step: c.step, batch })
    }
}
