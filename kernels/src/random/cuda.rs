//! Random numbers on a GPU.

use super::Stream;
use crate::cuda::elementwise::{Reals, real};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::nest::Nest;
use crate::{Result, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "random.cu", text: include_str!("random.cu") };

/// Draws `samples` samples from `first` on; `nest` as in `super::Fill`, `step` from sample to sample.
pub(super) fn fill(
    cuda: &CudaContext,
    op: &'static str,
    names: Reals,
    stream: &Stream,
    first: u32,
    samples: usize,
    nest: &Nest<2>,
    step: usize,
    y: ViewMut,
) -> Result {
    let name = real(op, names, y.dtype())?;
    let (nest, y) = (DeviceNest::of(op, nest)?, y.pointer(op)?);
    let blocks = samples * (nest.count as usize).div_ceil(4);
    let stream = [stream.seed as u32, (stream.seed >> 32) as u32, stream.step, stream.purpose];
    if blocks == 0 {
        return Ok(());
    }
    let grid = Grid::stride(cuda, blocks);
    cuda.launch(&SOURCE, name, grid, &[&y, &stream, &first, &(samples as u32), &nest, &(step as u32)])
}
