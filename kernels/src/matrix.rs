//! Operands seen as batches of matrices: the last two axes, of any strides; the axes before are a batch, and repeat.

use crate::layout::Dims;
use crate::nest::Nest;
use crate::{KernelError, Layout, Result};

/// The matrices of an operand `[.., rows, columns]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// From row to row, and from column to column, in elements.
    pub(crate) step: [usize; 2],
    /// The axes before.
    batch: Layout,
}

impl Matrices {
    /// The matrices of `layout`; an error below two axes.
    pub(crate) fn of(op: &'static str, what: &'static str, layout: &Layout) -> Result<Matrices> {
        let (&[.., rows, columns], &[.., down, along]) = (&*layout.shape, &*layout.strides) else {
            let what = format!("{what} has shape {:?}, expected a matrix [.., rows, columns]", layout.shape);
            return Err(KernelError::Shape { op, what });
        };
        Ok(Matrices { rows, columns, step: [down, along], batch: outer(layout, 2) })
    }

    /// The axes before the last two.
    pub(crate) fn batch(&self) -> Layout {
        self.batch
    }

    /// An error unless the matrices are `rows` by `columns`.
    pub(crate) fn sized(&self, op: &'static str, what: &'static str, rows: usize, columns: usize) -> Result {
        if [self.rows, self.columns] == [rows, columns] {
            return Ok(());
        }
        let what = format!("{what} is {} by {}, expected {rows} by {columns}", self.rows, self.columns);
        Err(KernelError::Shape { op, what })
    }

    /// An error unless the numbers of a row are neighbours.
    pub(crate) fn in_rows(&self, op: &'static str, what: &'static str) -> Result {
        let fits = self.columns <= 1 || self.step[1] == 1;
        if fits { Ok(()) } else { Err(KernelError::Order { op, what, want: "of unit stride along its rows" }) }
    }
}

/// The axes of `layout` but the last `count`.
fn outer(layout: &Layout, count: usize) -> Layout {
    let rank = layout.rank() - count;
    let (mut shape, mut strides) = (Dims::filled(rank, 0), Dims::filled(rank, 0));
    shape.copy_from_slice(&layout.shape[..rank]);
    strides.copy_from_slice(&layout.strides[..rank]);
    Layout { shape, strides, offset: layout.offset }
}

/// Where each matrix of every operand starts, in the order of the first, the result, to whose batch the others repeat.
pub(crate) fn batch<const N: usize>(op: &'static str, operands: [&Matrices; N]) -> Result<Nest<N>> {
    over(op, operands.map(|operand| operand.batch))
}

/// The same for the layouts of batches.
pub(crate) fn over<const N: usize>(op: &'static str, mut batches: [Layout; N]) -> Result<Nest<N>> {
    let shape = batches[0].shape;
    for batch in &mut batches {
        let unfit =
            || KernelError::Shape { op, what: format!("a batch {:?} does not repeat to {shape:?}", batch.shape) };
        *batch = batch.broadcast(shape).ok_or_else(unfit)?;
    }
    Ok(Nest::new(batches.each_ref()))
}

/// An error unless the result is row-major.
pub(crate) fn row_major(op: &'static str, layout: &Layout) -> Result {
    if layout.is_contiguous() {
        return Ok(());
    }
    Err(KernelError::Order { op, what: "the result", want: "row-major" })
}

/// An error unless a GPU reaches every element of all operands with 31 bits.
pub(crate) fn reachable(op: &'static str, operands: &[&Layout]) -> Result {
    match operands.iter().map(|operand| operand.end()).max().unwrap_or(0) {
        end if end < 1 << 31 => Ok(()),
        end => {
            let what = format!("{op}: {end} elements; an operand has fewer than 2^31 on a GPU; use a smaller batch");
            Err(KernelError::Device { what })
        }
    }
}
