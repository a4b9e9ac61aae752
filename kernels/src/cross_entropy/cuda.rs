//! Cross-entropy on a GPU. Labels are not looked at by the host: one that is no class makes its row NaN.

use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, Grid, Source};
use crate::rows::Rows;
use crate::{DType, KernelError, Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "cross_entropy.cu", text: include_str!("cross_entropy.cu") };

/// Rows of a block; as in `cross_entropy.cu`.
const ROWS: usize = 8;

pub(super) fn forward(
    cuda: &CudaContext,
    op: &'static str,
    rows: Rows,
    x: View,
    labels: View,
    loss: ViewMut,
) -> Result {
    integers(op, &labels)?;
    let name = real(op, reals!("cross_entropy"), loss.dtype())?;
    let (x, labels, loss) = (x.pointer(op)?, labels.pointer(op)?, loss.pointer(op)?);
    cuda.launch(&SOURCE, name, grid(rows), &[&x, &labels, &loss, &(rows.count as u32), &(rows.width as u32)])
}

pub(super) fn backward(
    cuda: &CudaContext,
    op: &'static str,
    rows: Rows,
    x: View,
    labels: View,
    g: View,
    dx: ViewMut,
) -> Result {
    integers(op, &labels)?;
    let name = real(op, reals!("cross_entropy_backward"), dx.dtype())?;
    let (x, labels, g, dx) = (x.pointer(op)?, labels.pointer(op)?, g.pointer(op)?, dx.pointer(op)?);
    cuda.launch(&SOURCE, name, grid(rows), &[&x, &labels, &g, &dx, &(rows.count as u32), &(rows.width as u32)])
}

fn integers(op: &'static str, labels: &View) -> Result {
    let got = labels.dtype();
    if got == DType::I64 { Ok(()) } else { Err(KernelError::DType { op, got, want: "i64 labels" }) }
}

fn grid(rows: Rows) -> Grid {
    Grid::new(rows.count.div_ceil(ROWS), 32 * ROWS)
}
