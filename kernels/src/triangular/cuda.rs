//! Triangular matrices on a GPU.

use super::{OP, Problem, SIDE};
use crate::cholesky::cuda::{BLOCKS, triangle, wide};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::{DType, Result, View, ViewMut, matrix};

pub(crate) static SOURCE: Source = Source { name: "triangular.cu", text: include_str!("triangular.cu") };

/// Right-hand sides of a block: a power of two, as few as hold `sides`, at most [`SIDE`].
pub(crate) fn side(sides: usize) -> usize {
    sides.clamp(1, SIDE).next_power_of_two()
}

/// Bytes of shared memory of a packed triangle of `size` rows and `side` right-hand sides.
pub(crate) fn shared(size: usize, side: usize, dtype: DType) -> usize {
    triangle(size, dtype) + size * (side + 1) * dtype.size()
}

pub(super) fn solve(cuda: &CudaContext, problem: &Problem, l: View, b: View, x: ViewMut) -> Result {
    matrix::reachable(OP, &[l.layout(), b.layout(), x.layout()])?;
    let Problem { size, sides, transposed, step: [x_step, l_step, b_step], .. } = *problem;
    if x.layout().count() == 0 {
        return Ok(());
    }
    let name = wide(OP, ["solve_triangular_f32", "solve_triangular_f64"], x.dtype())?;
    let batch = DeviceNest::of(OP, &problem.batch)?;
    let side = side(sides);
    let blocks = [sides.div_ceil(side), BLOCKS.min(batch.count as usize), 1];
    let grid = Grid { blocks, ..Grid::new(1, 256) }.shared(shared(size, side, x.dtype()));
    let sizes: [u32; 4] = [size as u32, sides as u32, side as u32, transposed.into()];
    let steps = [x_step, l_step, b_step].map(|step| step.map(|step| step as u32));
    cuda.launch(&SOURCE, name, grid, &[&l.pointer(OP)?, &b.pointer(OP)?, &x.pointer(OP)?, &batch, &sizes, &steps])
}

pub(super) fn lower(cuda: &CudaContext, diagonal: f64, x: View, y: ViewMut) -> Result {
    const OP: &str = "lower_triangle";
    let [.., rows, columns] = *y.layout().shape else { return Ok(()) };
    let nest = DeviceNest::new(OP, [y.layout(), x.layout()])?;
    let count = nest.count as usize;
    if count == 0 {
        return Ok(());
    }
    let name = real(OP, reals!("lower_triangle"), y.dtype())?;
    let sizes = [rows as u32, columns as u32];
    cuda.launch(&SOURCE, name, Grid::stride(cuda, count), &[&x.pointer(OP)?, &y.pointer(OP)?, &nest, &sizes, &diagonal])
}
