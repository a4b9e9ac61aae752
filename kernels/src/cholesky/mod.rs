//! The Cholesky factor of small matrices: `a = L L'` with L lower triangular, one of each matrix of a batch.
//!
//! Column after column is divided by the root of its pivot, and its outer product is taken from what is left (Golub and
//! Van Loan 2013, algorithm 4.2.2). Only the lower triangle of `a` is read; that of the result is zero above the diagonal.

pub(crate) mod cuda;
pub mod reference;
#[cfg(test)]
mod tests;

use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::matrix::{self, Matrices};
use crate::nest::Nest;
use crate::{Cost, DType, Device, KernelError, Layout, Real, Result, View, ViewMut};
use std::sync::Mutex;

const OP: &str = "cholesky";

/// The most rows of a matrix that is factorised or solved with: what shared memory of a GPU holds in f64.
pub const LARGEST: usize = 128;

/// What to do with a pivot that is not positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pivots {
    /// The matrix is not positive definite: an error that names it; on a GPU, where asking would mean waiting, NaN in
    /// its column and in all that depends on it.
    Positive,
    /// A pivot of at most this share of its own diagonal element becomes infinite, and the column below it 0: a solve
    /// with such a factor gives 0 there. So a column that depends on those before it drops out of a Gram matrix.
    Drop(f64),
}

/// `l = cholesky(a)` for symmetric `a [.., r, r]` of any strides and row-major `l` of the same shape, r at most
/// [`LARGEST`]; f32 or f64.
pub fn forward(d: &Device, pivots: Pivots, a: View, mut l: ViewMut) -> Result {
    let problem = Problem::new(pivots, a.layout(), l.layout())?;
    if a.dtype() != l.dtype() {
        return Err(KernelError::DType { op: OP, got: a.dtype(), want: l.dtype().name() });
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, &problem, a, l),
    };
    match a.dtype() {
        DType::F32 => problem.run::<f32>(cpu, a.data(OP)?, l.dense(OP)?),
        DType::F64 => problem.run::<f64>(cpu, a.data(OP)?, l.dense(OP)?),
        got => Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
}

/// What [`forward`] costs: r^3 / 3 operations a matrix; operand and result once.
pub fn forward_cost(l: &Layout, dtype: DType) -> Cost {
    let rows = l.shape.last().copied().unwrap_or(0);
    Cost { flops: (l.count() * rows / 3) as u64, bytes: (2 * l.count() * dtype.size()) as u64 }
}

/// An error unless matrices are square and small enough.
pub(crate) fn small(op: &'static str, what: &'static str, a: &Matrices) -> Result {
    a.sized(op, what, a.rows, a.rows)?;
    if a.rows <= LARGEST {
        return Ok(());
    }
    let what = format!("{what} has {} rows; matrices of at most {LARGEST} are factorised and solved with", a.rows);
    Err(KernelError::Shape { op, what })
}

struct Problem {
    size: usize,
    pivots: Pivots,
    /// From row to row and column to column of a.
    step: [usize; 2],
    /// Where the matrices of l and a start.
    batch: Nest<2>,
}

impl Problem {
    fn new(pivots: Pivots, a: &Layout, l: &Layout) -> Result<Problem> {
        let (a, to) = (Matrices::of(OP, "a", a)?, Matrices::of(OP, "the result", l)?);
        small(OP, "a", &a)?;
        to.sized(OP, "the result", a.rows, a.rows)?;
        matrix::row_major(OP, l)?;
        Ok(Problem { size: a.rows, pivots, step: a.step, batch: matrix::batch(OP, [&to, &a])? })
    }

    fn run<T: Real>(&self, cpu: &CpuContext, a: &[T], l: &mut [T]) -> Result {
        let size = self.size;
        if l.is_empty() {
            return Ok(());
        }
        let (l, failed) = (Parts::new(l), Mutex::new(None));
        let count = self.batch.count();
        cpu.team.share(count, (count * size * size * size / 3) as u64, |matrices| {
            for matrix in matrices {
                let [to, from] = self.batch.element(matrix);
                // SAFETY: every matrix of the result belongs to one range.
                let l = unsafe { l.part(to..to + size * size) };
                for (e, l) in l.iter_mut().enumerate() {
                    let (i, j) = (e / size, e % size);
                    *l = if j <= i { a[from + i * self.step[0] + j * self.step[1]] } else { T::default() };
                }
                if let Err(failure) = cpu.isa.run(Factorise { l, size, pivots: self.pivots }) {
                    let mut first = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    if first.as_ref().is_none_or(|(other, _)| matrix < *other) {
                        *first = Some((matrix, failure));
                    }
                }
            }
        });
        match failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            None => Ok(()),
            Some((matrix, Failure { row, pivot })) => {
                let what = format!(
                    "matrix {matrix} of the batch is not positive definite: pivot {row} is {pivot:e}; add a multiple of the \
                     identity"
                );
                Err(KernelError::Parameter { op: OP, what })
            }
        }
    }
}

/// A pivot that is not positive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) row: usize,
    pub(crate) pivot: f64,
}

/// One matrix, its lower triangle in rows of `size`, in place.
pub(crate) struct Factorise<'a, T> {
    pub(crate) l: &'a mut [T],
    pub(crate) size: usize,
    pub(crate) pivots: Pivots,
}

impl<T: Real> Kernel for Factorise<'_, T> {
    type Out = std::result::Result<(), Failure>;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Self::Out {
        reference::factorise(self.l, self.size, self.pivots)
    }
}
