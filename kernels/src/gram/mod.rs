//! Products of tall matrices, `c = a' b`: a sum over their many rows, of which Gram matrices `p' p` are one.
//!
//! ```text
//! c[.., i, j] = sum over n of a[.., n, i] b[.., n, j]
//! ```
//!
//! The rows are cut into chunks, at most 256, whose sums are added in their order, in f64: a tree that depends on the
//! number of rows alone. Since a product of two numbers is the same either way round, `p' p` is symmetric bit for bit.

pub(crate) mod cuda;
pub mod reference;
#[cfg(test)]
mod tests;

use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::matrix::{self, Matrices};
use crate::nest::Nest;
use crate::tile::{Outer, Start, Tile};
use crate::{Cost, DType, Device, KernelError, Layout, Real, Result, Scratch, View, ViewMut, scratch};
use std::ops::Range;

const OP: &str = "gram";

/// Rows of a chunk of `rows`: at most 256 chunks, none shorter than 512.
pub(crate) fn chunk(rows: usize) -> usize {
    rows.div_ceil(256).next_multiple_of(64).max(512)
}

/// `c = a' b` for `a [.., n, r]`, `b [.., n, m]` of unit stride along their rows, whose batches repeat to that of the
/// row-major `c [.., r, m]`. All f32 or all f64; on a GPU a and b may be bf16 or f16, and c is then f32.
///
/// `scratch` is at least [`forward_scratch`] bytes long.
pub fn forward(d: &Device, a: View, b: View, mut c: ViewMut, scratch: Scratch) -> Result {
    let problem = Problem::new(a.layout(), b.layout(), c.layout())?;
    for (got, want) in [(b.dtype(), a.dtype()), (c.dtype(), a.dtype().wide())] {
        if got != want {
            return Err(KernelError::DType { op: OP, got, want: want.name() });
        }
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, &problem, a, b, c, scratch),
    };
    let space = scratch.into_host(OP)?;
    match a.dtype() {
        DType::F32 => {
            let (a, b, tile) = (a.data::<f32>(OP)?, b.data::<f32>(OP)?, Tile::of(cpu.isa));
            problem.run(cpu, c.dense(OP)?, space, |at, rows, c| problem.outer(tile, [a, b], at, rows, c))
        }
        DType::F64 => {
            let (a, b) = (a.data::<f64>(OP)?, b.data::<f64>(OP)?);
            problem.run(cpu, c.dense(OP)?, space, |at, rows, c| reference::add(&problem, [a, b], at, rows, c))
        }
        got => Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
}

/// Bytes of scratch of [`forward`] for a result of layout `c` and rows as `a` has.
pub fn forward_scratch(d: &Device, a: &Layout, c: &Layout, dtype: DType) -> usize {
    let rows = if let [.., rows, _] = *a.shape { rows } else { 0 };
    match (rows.div_ceil(chunk(rows)), d, dtype) {
        (0 | 1, ..) => 0,
        (chunks, Device::Cuda(_), _) => chunks * c.count() * dtype.wide().size(),
        (chunks, _, DType::F64) => scratch::bytes_for::<f64>(chunks * c.count()),
        (chunks, ..) => scratch::bytes(chunks * c.count()),
    }
}

/// What [`forward`] costs: a multiply-add a product, operands and result once.
pub fn forward_cost(a: &Layout, b: &Layout, c: &Layout, dtype: DType) -> Cost {
    let rows = if let [.., rows, _] = *a.shape { rows } else { 0 };
    let bytes = (a.count() + b.count()) * dtype.size() + c.count() * dtype.wide().size();
    Cost { flops: 2 * (c.count() * rows) as u64, bytes: bytes as u64 }
}

/// Checked operands.
pub(crate) struct Problem {
    pub(crate) rows: usize,
    /// Of the result: columns of a, and of b.
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// From row to row of a and b.
    pub(crate) row: [usize; 2],
    /// Where the matrices of c, a and b start.
    pub(crate) batch: Nest<3>,
}

impl Problem {
    fn new(a: &Layout, b: &Layout, c: &Layout) -> Result<Problem> {
        matrix::row_major(OP, c)?;
        let [a, b, c] = [("a", a), ("b", b), ("c", c)].map(|(what, layout)| Matrices::of(OP, what, layout));
        Problem::of(OP, &a?, &b?, &c?)
    }

    /// As part of the op `op`.
    pub(crate) fn of(op: &'static str, a: &Matrices, b: &Matrices, c: &Matrices) -> Result<Problem> {
        b.sized(op, "b", a.rows, b.columns)?;
        c.sized(op, "c", a.columns, b.columns)?;
        a.in_rows(op, "a")?;
        b.in_rows(op, "b")?;
        let batch = matrix::batch(op, [c, a, b])?;
        Ok(Problem { rows: a.rows, height: c.rows, width: c.columns, row: [a.step[0], b.step[0]], batch })
    }

    pub(crate) fn chunks(&self) -> usize {
        self.rows.div_ceil(chunk(self.rows)).max(1)
    }

    /// Sums of chunks by `sum(places of a and b, rows, sums)`, which finds zeros or numbers to be overwritten, and their
    /// totals in `c`.
    pub(crate) fn run<T: Real>(
        &self,
        cpu: &CpuContext,
        c: &mut [T],
        space: &mut [u8],
        sum: impl Fn([usize; 2], Range<usize>, &mut [T]) + Sync,
    ) -> Result {
        let (chunks, each, size) = (self.chunks(), chunk(self.rows), self.height * self.width);
        if c.is_empty() {
            return Ok(());
        }
        let several = if chunks == 1 { 0 } else { chunks * c.len() };
        let partial = scratch::numbers::<T>(space, several, OP)?;
        let sums = Parts::new(if chunks == 1 { &mut *c } else { &mut *partial });
        let one = |item: usize| {
            let ([_, a, b], first) = (self.batch.element(item / chunks), item % chunks * each);
            // SAFETY: every item has sums of its own.
            let sums = unsafe { sums.part(item * size..(item + 1) * size) };
            sum([a, b], first..self.rows.min(first + each), sums);
        };
        let items = self.batch.count() * chunks;
        if 2 * items * size * each.min(self.rows) < crate::tile::ALONE {
            (0..items).for_each(one);
        } else {
            cpu.team.run(items, one);
        }
        if chunks > 1 {
            total(c, partial, chunks, size);
        }
        Ok(())
    }

    /// The sums of some rows, by the micro-kernel of outer products.
    pub(crate) fn outer(&self, tile: Tile, [a, b]: [&[f32]; 2], at: [usize; 2], rows: Range<usize>, c: &mut [f32]) {
        /// Rows that stay in the second cache.
        const BLOCK: usize = 512;
        if rows.is_empty() {
            return c.fill(0.0);
        }
        for first in rows.clone().step_by(BLOCK) {
            let outer = Outer {
                a: a[at[0] + first * self.row[0]..].as_ptr(),
                a_step: [0, self.row[0]],
                b: b[at[1] + first * self.row[1]..].as_ptr(),
                b_step: [0, self.row[1]],
                rows: 1,
                columns: BLOCK.min(rows.end - first),
                c: c.as_mut_ptr(),
                c_row: self.width,
                height: self.height,
                width: self.width,
                start: if first == rows.start { Start::Zero } else { Start::Result },
            };
            // SAFETY: rows of a and b inside their layouts, whose views vouch for the buffers; `c` holds `height` rows of
            // `width`, and is this call's alone.
            unsafe { outer.run(tile) };
        }
    }
}

/// `c[m] = partial[m, 0] + partial[m, 1] + ..`, matrix by matrix of `size` numbers, in f64.
fn total<T: Real>(c: &mut [T], partial: &[T], chunks: usize, size: usize) {
    let mut sums = [0.0f64; 256];
    for (c, partial) in c.chunks_exact_mut(size).zip(partial.chunks_exact(chunks * size)) {
        for (first, c) in (0..size).step_by(sums.len()).zip(c.chunks_mut(sums.len())) {
            let sums = &mut sums[..c.len()];
            sums.fill(0.0);
            for partial in partial.chunks_exact(size) {
                sums.iter_mut().zip(&partial[first..]).for_each(|(sum, x)| *sum += x.to_f64());
            }
            c.iter_mut().zip(sums).for_each(|(c, sum)| *c = T::from_f64(*sum));
        }
    }
}
