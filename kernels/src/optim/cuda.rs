//! Parameter updates on a GPU.

use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, Grid, Source};
use crate::dtype::with_real;
use crate::{Result, Scratch, View, ViewMut, scratch};

pub(crate) static SOURCE: Source = Source { name: "optim.cu", text: include_str!("optim.cu") };

/// Elements of a thread at once: 16 bytes of f32.
const LANES: usize = 4;
/// Blocks that sum apart, at most, and the least elements of one.
const PIECES: usize = 1024;
const LEAST: usize = 4096;

pub(super) fn adam(
    cuda: &CudaContext,
    scalars: [f64; 8],
    param: &ViewMut,
    grad: &View,
    m: &ViewMut,
    v: &ViewMut,
) -> Result {
    const OP: &str = "adam";
    let name = with_real(param.dtype(), OP, || Ok("adam_f32"), || Ok("adam_f64"))?;
    let count = grad.layout().count();
    let (param, grad, m, v) = (param.pointer(OP)?, grad.pointer(OP)?, m.pointer(OP)?, v.pointer(OP)?);
    let grid = Grid::stride(cuda, count.div_ceil(LANES));
    cuda.launch(&SOURCE, name, grid, &[&param, &grad, &m, &v, &(count as u64), &scalars])
}

pub(super) fn ema(cuda: &CudaContext, rate: f64, average: &ViewMut, param: &View) -> Result {
    const OP: &str = "ema";
    let name = with_real(average.dtype(), OP, || Ok("ema_f32"), || Ok("ema_f64"))?;
    let count = param.layout().count();
    let (average, param) = (average.pointer(OP)?, param.pointer(OP)?);
    cuda.launch(&SOURCE, name, Grid::stride(cuda, count.div_ceil(LANES)), &[&average, &param, &(count as u64), &rate])
}

/// Bytes of scratch of [`sum_of_squares`].
pub(super) fn sum_of_squares_scratch(count: usize) -> usize {
    8 * pieces(count)
}

pub(super) fn sum_of_squares(cuda: &CudaContext, x: &View, y: &ViewMut, space: Scratch) -> Result {
    const OP: &str = "sum_of_squares";
    let (first, second) = (
        real(OP, reals!("sum_of_squares"), x.dtype())?,
        with_real(y.dtype(), OP, || Ok("sum_of_partials_f32"), || Ok("sum_of_partials_f64"))?,
    );
    let count = x.layout().count();
    let partial = scratch::device(&space, sum_of_squares_scratch(count), OP)?;
    let blocks = pieces(count);
    cuda.launch(&SOURCE, first, Grid::new(blocks, 256), &[&x.pointer(OP)?, &partial, &(count as u64)])?;
    cuda.launch(&SOURCE, second, Grid::new(1, 256), &[&partial, &y.pointer(OP)?, &(blocks as u32)])
}

fn pieces(count: usize) -> usize {
    count.div_ceil(LEAST).clamp(1, PIECES)
}
