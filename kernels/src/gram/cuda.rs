//! Products of tall matrices on a GPU.
//!
//! | kernel | idea | figure |
//! | --- | --- | --- |
//! | `gram` | tiles of 64 x 64 in shared memory, the rows split over blocks | not yet measured |
//! | `gram_few` | for at most 4 columns of b: a is read once, whole warps along its rows | not yet measured |

use super::{OP, Problem, chunk};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::{DType, Result, Scratch, View, ViewMut, scratch};

pub(crate) static SOURCE: Source = Source { name: "gram.cu", text: include_str!("gram.cu") };

/// Columns of b that `gram_few` takes; columns of a in a block of it; rows and columns of a tile of `gram`. As in `gram.cu`.
const FEW: usize = 4;
const LANES: usize = 32;
const TILE: usize = 64;
/// The most chunks side by side along y and z; blocks stride through the rest.
const SIDE: usize = 1 << 15;

pub(super) fn forward(cuda: &CudaContext, problem: &Problem, a: View, b: View, c: ViewMut, space: Scratch) -> Result {
    crate::matrix::reachable(OP, &[a.layout(), b.layout(), c.layout()])?;
    let (dtype, chunks) = (a.dtype(), problem.chunks());
    let matrices = problem.batch.count();
    let count = c.layout().count();
    if count == 0 {
        return Ok(());
    }
    let c = c.pointer(OP)?;
    if chunks == 1 {
        return sums(cuda, problem, dtype, [a.pointer(OP)?, b.pointer(OP)?], c);
    }
    let partial = scratch::device(&space, chunks * count * dtype.wide().size(), OP)?;
    sums(cuda, problem, dtype, [a.pointer(OP)?, b.pointer(OP)?], partial)?;
    let name = if dtype == DType::F64 { "gram_total_f64" } else { "gram_total_f32" };
    let sizes = [(count / matrices) as u32, chunks as u32, count as u32];
    cuda.launch(&SOURCE, name, Grid::stride(cuda, count), &[&partial, &c, &sizes])
}

/// The sums of all chunks, `[matrix, chunk, i, j]` in f32, or f64 for f64. There is at least one.
pub(crate) fn sums(
    cuda: &CudaContext,
    problem: &Problem,
    dtype: DType,
    [a, b]: [DevicePtr; 2],
    to: DevicePtr,
) -> Result {
    let Problem { rows, height, width, row, .. } = *problem;
    let batch = DeviceNest::of(OP, &problem.batch)?;
    let chunks = problem.chunks();
    let work = batch.count as usize * chunks;
    let sizes: [u32; 8] = [rows, height, width, row[0], row[1], chunk(rows), chunks, work].map(|size| size as u32);
    let few = width <= FEW;
    let names = if few { reals!("gram_few") } else { reals!("gram") };
    let blocks = match few {
        true => [height.div_ceil(LANES), work.min(SIDE), 1],
        false => [height.div_ceil(TILE), width.div_ceil(TILE), work.min(SIDE)],
    };
    let grid = Grid { blocks, ..Grid::new(1, 256) };
    cuda.launch(&SOURCE, real(OP, names, dtype)?, grid, &[&a, &b, &to, &sizes, &batch])
}
