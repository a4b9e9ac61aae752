//! Softmax on a GPU.

use crate::cuda::elementwise::{Reals, real, reals};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::rows::Rows;
use crate::{DType, Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "softmax.cu", text: include_str!("softmax.cu") };

/// Rows of a block of eight warps, and the widest that a warp takes; as in `softmax.cu`.
const ROWS: usize = 8;
const NARROW: usize = 1024;
/// Vectors of 16 bytes that a thread of a block holds of a longer row, at most, and the threads that hold all of it.
const VECTORS: usize = 4;
const THREADS: [usize; 2] = [64, 512];

pub(super) fn forward(cuda: &CudaContext, op: &'static str, rows: Rows, x: View, y: ViewMut) -> Result {
    let names = by(rows, reals!("softmax_by_warp"), reals!("softmax_by_block"));
    let (name, grid) = (real(op, names, y.dtype())?, grid(rows, y.dtype()));
    let (x, y) = (x.pointer(op)?, y.pointer(op)?);
    let (count, width, aligned) = (rows.count as u32, rows.width as u32, aligned(&[x, y]));
    cuda.launch(&SOURCE, name, grid, &[&x, &y, &count, &width, &aligned])
}

pub(super) fn backward(cuda: &CudaContext, op: &'static str, rows: Rows, y: View, g: View, dx: ViewMut) -> Result {
    let names = by(rows, reals!("softmax_backward_by_warp"), reals!("softmax_backward_by_block"));
    let (name, grid) = (real(op, names, dx.dtype())?, grid(rows, dx.dtype()));
    let (y, g, dx) = (y.pointer(op)?, g.pointer(op)?, dx.pointer(op)?);
    let (count, width, aligned) = (rows.count as u32, rows.width as u32, aligned(&[y, g, dx]));
    cuda.launch(&SOURCE, name, grid, &[&y, &g, &dx, &count, &width, &aligned])
}

fn by(rows: Rows, warp: Reals, block: Reals) -> Reals {
    if rows.width <= NARROW { warp } else { block }
}

fn grid(rows: Rows, dtype: DType) -> Grid {
    if rows.width <= NARROW {
        return Grid::new(rows.count.div_ceil(ROWS), 32 * ROWS);
    }
    let [least, most] = THREADS;
    let vectors = (rows.width * dtype.size()).div_ceil(16);
    Grid::new(rows.count, vectors.div_ceil(VECTORS).next_power_of_two().clamp(least, most))
}

/// Whether all start at 16-byte boundaries, as a kernel takes it.
fn aligned(pointers: &[DevicePtr]) -> u32 {
    pointers.iter().all(|pointer| pointer.address().is_multiple_of(16)).into()
}
