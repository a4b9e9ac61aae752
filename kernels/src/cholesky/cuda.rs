//! Cholesky factors on a GPU.

use super::{OP, Pivots, Problem};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::{DType, KernelError, Result, View, ViewMut, matrix};

pub(crate) static SOURCE: Source = Source { name: "cholesky.cu", text: include_str!("cholesky.cu") };

/// The most blocks; they stride through the rest of the batch.
pub(crate) const BLOCKS: usize = 1 << 15;

/// Bytes of a packed triangle of `size` rows.
pub(crate) fn triangle(size: usize, dtype: DType) -> usize {
    size * (size + 1) / 2 * dtype.size()
}

/// The one of two kernels for `dtype`.
pub(crate) fn wide(op: &'static str, names: [&'static str; 2], dtype: DType) -> Result<&'static str> {
    match dtype {
        DType::F32 => Ok(names[0]),
        DType::F64 => Ok(names[1]),
        got => Err(KernelError::DType { op, got, want: "f32 or f64" }),
    }
}

pub(super) fn forward(cuda: &CudaContext, problem: &Problem, a: View, l: ViewMut) -> Result {
    matrix::reachable(OP, &[a.layout(), l.layout()])?;
    if l.layout().count() == 0 {
        return Ok(());
    }
    let name = wide(OP, ["cholesky_f32", "cholesky_f64"], l.dtype())?;
    let batch = DeviceNest::of(OP, &problem.batch)?;
    let floor = if let Pivots::Drop(floor) = problem.pivots { floor.max(0.0) } else { -1.0 };
    let sizes = [problem.size as u32, problem.step[0] as u32, problem.step[1] as u32];
    let grid = Grid::new(BLOCKS.min(batch.count as usize), 256).shared(triangle(problem.size, l.dtype()));
    cuda.launch(&SOURCE, name, grid, &[&a.pointer(OP)?, &l.pointer(OP)?, &batch, &sizes, &floor])
}
