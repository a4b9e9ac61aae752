//! Softmax on a GPU.

use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::rows::Rows;
use crate::{Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "softmax.cu", text: include_str!("softmax.cu") };

/// Rows of a block; as in `softmax.cu`.
const ROWS: usize = 8;

pub(super) fn forward(cuda: &CudaContext, op: &'static str, rows: Rows, x: View, y: ViewMut) -> Result {
    let name = real(op, reals!("softmax"), y.dtype())?;
    let (x, y) = (x.pointer(op)?, y.pointer(op)?);
    let (count, width, aligned) = (rows.count as u32, rows.width as u32, aligned(&[x, y]));
    cuda.launch(&SOURCE, name, grid(rows), &[&x, &y, &count, &width, &aligned])
}

pub(super) fn backward(cuda: &CudaContext, op: &'static str, rows: Rows, y: View, g: View, dx: ViewMut) -> Result {
    let name = real(op, reals!("softmax_backward"), dx.dtype())?;
    let (y, g, dx) = (y.pointer(op)?, g.pointer(op)?, dx.pointer(op)?);
    let (count, width, aligned) = (rows.count as u32, rows.width as u32, aligned(&[y, g, dx]));
    cuda.launch(&SOURCE, name, grid(rows), &[&y, &g, &dx, &count, &width, &aligned])
}

fn grid(rows: Rows) -> Grid {
    Grid::new(rows.count.div_ceil(ROWS), 32 * ROWS)
}

/// Whether all start at 16-byte boundaries, as a kernel takes it.
fn aligned(pointers: &[DevicePtr]) -> u32 {
    pointers.iter().all(|pointer| pointer.address().is_multiple_of(16)).into()
}
