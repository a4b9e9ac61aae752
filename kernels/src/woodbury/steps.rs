//! The three steps on the processor: `t = P' v`, the small systems, the correction; in f32 and f64.

use super::{OP, Problem};
use crate::cholesky::{Factorise, LARGEST, Pivots};
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::triangular::{Lower, SIDE, Solve};
use crate::{KernelError, Real, Result, scratch};
use std::ops::Range;
use std::sync::Mutex;

/// Rows of y that are computed together.
const ROWS: usize = 256;

/// As [`super::apply`]; `sum` adds the products of some rows of P and v.
pub(super) fn run<T: Real>(
    problem: &Problem,
    cpu: &CpuContext,
    [p, v]: [&[T]; 2],
    [c, alpha]: [&[T]; 2],
    y: &mut [T],
    space: &mut [u8],
    sum: impl Fn([usize; 2], Range<usize>, &mut [T]) + Sync,
) -> Result {
    if y.is_empty() {
        return Ok(());
    }
    let Problem { tall, rank, sides, batch, .. } = problem;
    let (count, small, square) = (batch.count(), rank * sides, rank * rank);
    let own = count * (2 * small + square);
    let short = KernelError::Buffer { op: OP, got: space.len(), want: scratch::bytes_for::<T>(own) };
    let (own_space, space) = space.split_at_mut_checked(scratch::bytes_for::<T>(own)).ok_or(short)?;
    let (t, rest) = scratch::numbers::<T>(own_space, own, OP)?.split_at_mut(count * small);
    let (u, squares) = rest.split_at_mut(count * small);
    tall.run(cpu, t, space, sum)?;
    let (u_parts, square_parts, failed) = (Parts::new(&mut *u), Parts::new(squares), Mutex::new(None));
    cpu.team.share(count, (count * square * (rank + sides)) as u64, |matrices| {
        for matrix in matrices {
            let [.., c_at, alpha_at] = batch.element(matrix);
            let part = |size: usize| matrix * size..(matrix + 1) * size;
            // SAFETY: every matrix has parts of its own.
            let (l, u) = unsafe { (square_parts.part(part(square)), u_parts.part(part(small))) };
            let middle =
                Middle { problem, c: c.get(c_at..).unwrap_or(&[]), alpha: alpha[alpha_at], t: &t[part(small)], l, u };
            if let Err(what) = cpu.isa.run(middle) {
                let mut first = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if first.as_ref().is_none_or(|(other, _)| matrix < *other) {
                    *first = Some((matrix, what));
                }
            }
        }
    });
    if let Some((matrix, what)) = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        return Err(KernelError::Parameter { op: OP, what: format!("matrix {matrix} of the batch: {what}") });
    }
    let (y, blocks) = (Parts::new(y), tall.rows.div_ceil(ROWS));
    cpu.team.share(count * blocks, (2 * count * tall.rows * small) as u64, |items| {
        for item in items {
            let (matrix, first) = (item / blocks, item % blocks * ROWS);
            let [to, p_at, v_at, _, alpha_at] = batch.element(matrix);
            let rows = first..tall.rows.min(first + ROWS);
            // SAFETY: rows of y that this item alone writes.
            let y = unsafe { y.part(to + rows.start * sides..to + rows.end * sides) };
            let (p, v) = (p.get(p_at..).unwrap_or(&[]), &v[v_at..]);
            let u = &u[matrix * small..(matrix + 1) * small];
            cpu.isa.run(Correct { problem, rows, p, v, u, alpha: alpha[alpha_at], y });
        }
    });
    Ok(())
}

/// `u = t - alpha (alpha I + C)^-1 t` of one matrix; otherwise what is wrong with it.
struct Middle<'a, T> {
    problem: &'a Problem,
    c: &'a [T],
    alpha: T,
    t: &'a [T],
    /// Room for the factor.
    l: &'a mut [T],
    /// A right-hand side a row.
    u: &'a mut [T],
}

impl<T: Real> Kernel for Middle<'_, T> {
    type Out = std::result::Result<(), String>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Out {
        let Middle { problem: Problem { rank, sides, step, .. }, c, alpha, t, l, u } = self;
        let size = *rank;
        let positive = alpha > T::default();
        if !positive {
            return Err(format!("alpha is {}; it must be positive", alpha.to_f64()));
        }
        for i in 0..size {
            for j in 0..=i {
                let c = c[i * step[0] + j * step[1]];
                l[i * size + j] = if i == j { c + alpha } else { c };
            }
        }
        if let Err(failure) = s.call(Factorise { l: &mut *l, size, pivots: Pivots::Positive }) {
            let (row, pivot) = (failure.row, failure.pivot);
            return Err(format!("alpha I + C is not positive definite: pivot {row} is {pivot:e}; use a larger alpha"));
        }
        let lower = Lower { data: &*l, step: [size, 1], size };
        let mut room = [T::default(); LARGEST * SIDE];
        for first in (0..*sides).step_by(SIDE) {
            let (count, x) = (SIDE.min(sides - first), &mut room[..size * SIDE]);
            for (row, t) in x.chunks_exact_mut(SIDE).zip(t.chunks_exact(*sides)) {
                row[..count].copy_from_slice(&t[first..first + count]);
            }
            for transposed in [false, true] {
                s.call(Solve { l: lower, x: &mut *x, transposed });
            }
            for (k, row) in x.chunks_exact(SIDE).enumerate() {
                for side in 0..count {
                    u[(first + side) * size + k] = t[k * sides + first + side] - alpha * row[side];
                }
            }
        }
        Ok(())
    }
}

/// `y = (v - P u) / alpha` for some rows of one matrix.
struct Correct<'a, T> {
    problem: &'a Problem,
    rows: Range<usize>,
    p: &'a [T],
    v: &'a [T],
    /// A right-hand side a row.
    u: &'a [T],
    alpha: T,
    y: &'a mut [T],
}

impl<T: Real> Kernel for Correct<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Problem { tall, rank, sides, .. } = self.problem;
        for (row, y) in self.rows.zip(self.y.chunks_exact_mut(*sides)) {
            let p = if *rank == 0 { &[] } else { &self.p[row * tall.row[0]..][..*rank] };
            let v = &self.v[row * tall.row[1]..][..*sides];
            for side in 0..*sides {
                y[side] = (v[side] - dot(p, &self.u[side * rank..][..*rank])) / self.alpha;
            }
        }
    }
}

/// `sum of a b`, in 16 lanes that are added as a tree.
#[inline(always)]
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::default(); LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    for (a, b) in a.zip(b) {
        (0..LANES).for_each(|lane| lanes[lane] += a[lane] * b[lane]);
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane += *a * *b;
    }
    for half in [8, 4, 2, 1] {
        (0..half).for_each(|lane| lanes[lane] += lanes[lane + half]);
    }
    lanes[0]
}
