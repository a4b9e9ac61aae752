//! Small lower triangular matrices: solving with one, and the lower triangle of a matrix.
//!
//! ```text
//! L x = b,  or  L' x = b,     L [.., r, r],  b and x [.., r, m]
//! ```
//!
//! By columns of L: what is solved is taken from all rows that are left, so that an element is a sum in a fixed order
//! (Golub and Van Loan 2013, algorithm 3.1.3). What lies above the diagonal of L is not read. A diagonal of 0 gives infinity
//! or NaN, an infinite one gives 0.

pub(crate) mod cuda;
pub mod reference;
#[cfg(test)]
mod tests;

use crate::blocks::writable;
use crate::cholesky::{LARGEST, small};
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::matrix::{self, Matrices};
use crate::nest::Nest;
use crate::{Cost, DType, Device, KernelError, Layout, Real, Result, View, ViewMut};

const OP: &str = "solve_triangular";

/// Right-hand sides solved side by side.
pub(crate) const SIDE: usize = 16;

/// Solves `l x = b`, or `l' x = b` where `transposed` says so, for `l [.., r, r]` and `b [.., r, m]` of any strides, whose
/// batches repeat to that of `x [.., r, m]`, of any strides too; r at most [`LARGEST`], f32 or f64.
pub fn solve(d: &Device, transposed: bool, l: View, b: View, mut x: ViewMut) -> Result {
    let problem = Problem::new(transposed, l.layout(), b.layout(), x.layout())?;
    for got in [l.dtype(), b.dtype()] {
        if got != x.dtype() {
            return Err(KernelError::DType { op: OP, got, want: x.dtype().name() });
        }
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::solve(gpu, &problem, l, b, x),
    };
    match x.dtype() {
        DType::F32 => problem.run::<f32>(cpu, l.data(OP)?, b.data(OP)?, x.data(OP)?),
        DType::F64 => problem.run::<f64>(cpu, l.data(OP)?, b.data(OP)?, x.data(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// What [`solve`] costs: r^2 operations a right-hand side; operands and result once.
pub fn solve_cost(l: &Layout, x: &Layout, dtype: DType) -> Cost {
    let rows = l.shape.last().copied().unwrap_or(0);
    Cost { flops: (x.count() * rows) as u64, bytes: ((l.count() + 2 * x.count()) * dtype.size()) as u64 }
}

/// `y` is `x [.., r, m]` below the diagonal, `diagonal` times x on it, and 0 above; x of any strides, y row-major; f32 or
/// f64, on a GPU also bf16 and f16.
pub fn lower(d: &Device, diagonal: f64, x: View, mut y: ViewMut) -> Result {
    const OP: &str = "lower_triangle";
    crate::rows::shaped(OP, "y", y.layout(), &x.layout().shape)?;
    let from = Matrices::of(OP, "x", x.layout())?;
    matrix::row_major(OP, y.layout())?;
    let batch = matrix::batch(OP, [&Matrices::of(OP, "y", y.layout())?, &from])?;
    match d {
        Device::Cuda(gpu) => return cuda::lower(gpu, diagonal, x, y),
        Device::Cpu(_) if y.layout().count() == 0 => {}
        Device::Cpu(_) => match y.dtype() {
            DType::F32 => reference::lower::<f32>(&batch, &from, diagonal, x.data(OP)?, y.data(OP)?),
            DType::F64 => reference::lower::<f64>(&batch, &from, diagonal, x.data(OP)?, y.data(OP)?),
            got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
        },
    }
    Ok(())
}

/// What [`lower`] costs.
pub fn lower_cost(y: &Layout, dtype: DType) -> Cost {
    Cost { flops: 0, bytes: (2 * y.count() * dtype.size()) as u64 }
}

struct Problem {
    size: usize,
    sides: usize,
    transposed: bool,
    /// From row to row and column to column of x, l and b.
    step: [[usize; 2]; 3],
    /// Where the matrices of x, l and b start.
    batch: Nest<3>,
}

impl Problem {
    fn new(transposed: bool, l: &Layout, b: &Layout, x: &Layout) -> Result<Problem> {
        writable(OP, x)?;
        let (l, b, x) = (Matrices::of(OP, "l", l)?, Matrices::of(OP, "b", b)?, Matrices::of(OP, "x", x)?);
        small(OP, "l", &l)?;
        b.sized(OP, "b", l.rows, b.columns)?;
        x.sized(OP, "x", l.rows, b.columns)?;
        let batch = matrix::batch(OP, [&x, &l, &b])?;
        Ok(Problem { size: l.rows, sides: b.columns, transposed, step: [x.step, l.step, b.step], batch })
    }

    /// Some right-hand sides at a time are copied, solved in place and written back.
    fn run<T: Real>(&self, cpu: &CpuContext, l: &[T], b: &[T], x: &mut [T]) {
        let Problem { size, sides, transposed, step: [x_step, l_step, b_step], .. } = *self;
        let tiles = sides.div_ceil(SIDE);
        let items = self.batch.count() * tiles;
        if size == 0 || items == 0 {
            return;
        }
        let x = Parts::new(x);
        cpu.team.share(items, (items * SIDE * size * size) as u64, |items| {
            let mut room = [T::default(); LARGEST * SIDE];
            for item in items {
                let [to, lower, from] = self.batch.element(item / tiles);
                let first = item % tiles * SIDE;
                let count = SIDE.min(sides - first);
                let place = |[row, column]: [usize; 2], e: usize| e / SIDE * row + (first + e % SIDE) * column;
                for e in (0..size * SIDE).filter(|e| e % SIDE < count) {
                    room[e] = b[from + place(b_step, e)];
                }
                let l = Lower { data: &l[lower..], step: l_step, size };
                cpu.isa.run(Solve { l, x: &mut room[..size * SIDE], transposed });
                for e in (0..size * SIDE).filter(|e| e % SIDE < count) {
                    // SAFETY: elements of x that this item alone writes, inside its layout, whose view vouches for the
                    // buffer.
                    unsafe { x.pointer().add(to + place(x_step, e)).write(room[e]) };
                }
            }
        });
    }
}

/// A lower triangular matrix of any strides.
#[derive(Clone, Copy)]
pub(crate) struct Lower<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) step: [usize; 2],
    pub(crate) size: usize,
}

impl<T: Real> Lower<'_, T> {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> T {
        self.data[row * self.step[0] + column * self.step[1]]
    }
}

/// [`SIDE`] right-hand sides, in place.
pub(crate) struct Solve<'a, T> {
    pub(crate) l: Lower<'a, T>,
    pub(crate) x: &'a mut [T],
    pub(crate) transposed: bool,
}

impl<T: Real> Kernel for Solve<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        reference::solve(&self.l, self.x, self.transposed);
    }
}
