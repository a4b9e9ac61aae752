//! Matrix products on a GPU.
//!
//! | version | idea | figure |
//! | --- | --- | --- |
//! | v1 | tiles of 64 x 64 in shared memory on the ordinary cores, any strides | not yet measured |

use super::problem::Problem;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::{KernelError, Result, View, ViewMut};

pub(crate) static V1: Source = Source { name: "matmul_v1.cu", text: include_str!("v1.cu") };

const OP: &str = "matmul";
/// Rows and columns of a block's results; as in `tile.cuh`.
const TILE: usize = 64;

pub(super) fn forward(cuda: &CudaContext, a: View, b: View, bias: Option<View>, c: ViewMut) -> Result {
    let dtype = c.dtype();
    for operand in [Some(a), Some(b), bias].into_iter().flatten() {
        if operand.dtype() != dtype {
            return Err(KernelError::DType { op: OP, got: operand.dtype(), want: dtype.name() });
        }
    }
    let problem = Problem::new(a.layout(), b.layout(), bias.as_ref(), c.layout())?;
    if c.layout().count() == 0 {
        return Ok(());
    }
    let batch = DeviceNest::of(OP, &problem.batch)?;
    let [m, n, k] = [problem.m as u32, problem.n as u32, problem.k as u32];
    // [row, depth] of a, [column, depth] of b.
    let ([a_row, a_depth], [b_depth, b_column]) = (problem.a_step, problem.b_step);
    let (am, bm) = ([a_row as u32, a_depth as u32], [b_column as u32, b_depth as u32]);
    let bias = bias.map_or(Ok(DevicePtr::NULL), |bias| bias.pointer(OP))?;
    let blocks = [problem.m.div_ceil(TILE), problem.n.div_ceil(TILE), (batch.count as usize).min(1 << 15)];
    let grid = Grid { blocks, ..Grid::new(1, 256) };
    let (a, b, c) = (a.pointer(OP)?, b.pointer(OP)?, c.pointer(OP)?);
    let (name, c_row) = (real(OP, reals!("matmul_v1"), dtype)?, problem.c_row as u32);
    cuda.launch(&V1, name, grid, &[&a, &b, &bias, &c, &m, &n, &k, &am, &bm, &c_row, &batch])
}
