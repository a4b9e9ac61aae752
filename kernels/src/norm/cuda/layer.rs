//! Layer norm v2: which launches.

use super::group::name;
use super::operands::{Operands, Shape, aligned};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::norm::Sizes;
use crate::norm::reference::{Norm, Sets};
use crate::{DType, Result};

pub(crate) static FORWARD: Source = Source { name: "layer_norm_forward.cu", text: include_str!("layer_forward.cu") };
pub(crate) static BACKWARD: Source = Source { name: "layer_norm_backward.cu", text: include_str!("layer_backward.cu") };

/// Bytes of a row that a warp takes in the forward, at most.
const BY_WARP: usize = 4096;
const WARPS: usize = 8;
/// Shared memory that sums over a block take, and some to spare.
const SUMS: usize = 1024;
/// Channels of a row that a thread has in the backward, at most, rows that are under way, and threads that share a row, at
/// most; as in `layer_backward.cu`.
const CHANNELS: usize = 16;
const STAGES: usize = 2;
const THREADS: usize = 512;
/// Chunks of a sample's positions in the backward, at most: blocks that are on a GPU of 128 multiprocessors at once, two
/// on each. And positions of one, at least: the sums of a chunk are few beside it.
const CHUNKS: usize = 256;
const POSITIONS: usize = 16;

/// Who takes a row.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    by_warp: bool,
    grid: Grid,
}

/// Whether v2 takes the rows of a layer norm: of f32 or 16 bits, in vectors, all `operands` at 16-byte boundaries.
fn is_ours(cuda: &CudaContext, norm: &Norm, dtype: DType, affine: &Operands, operands: &[DevicePtr]) -> bool {
    let row = norm.sizes.channels * dtype.size();
    let is_layer = matches!(norm.sets, Sets::Positions) && dtype != DType::F64;
    cuda.allows_version(2)
        && is_layer
        && row > 0
        && row.is_multiple_of(16)
        && aligned(operands)
        && affine.are_aligned(dtype.size())
}

/// How v2 takes them in the forward, where they are short enough to hold.
pub(super) fn rows(
    cuda: &CudaContext,
    norm: &Norm,
    dtype: DType,
    affine: &Operands,
    operands: &[DevicePtr],
) -> Option<Rows> {
    let Sizes { samples, positions, channels } = norm.sizes;
    let row = channels * dtype.size();
    if row + SUMS > cuda.properties().shared_memory || !is_ours(cuda, norm, dtype, affine, operands) {
        return None;
    }
    let (count, by_warp) = (samples * positions, row <= BY_WARP);
    let rows = if by_warp { WARPS } else { 1 };
    Some(Rows { by_warp, grid: Grid::new(count.div_ceil(rows), 256).shared(rows * row) })
}

pub(super) fn forward(
    cuda: &CudaContext,
    rows: &Rows,
    dtype: DType,
    shape: &Shape,
    affine: &Operands,
    [x, y]: [DevicePtr; 2],
    [mean, rstd]: [DevicePtr; 2],
) -> Result {
    let name = if rows.by_warp { name!("layer_norm_by_warp", dtype) } else { name!("layer_norm_by_block", dtype) };
    cuda.launch(&FORWARD, name, rows.grid, &[&x, affine, &y, &mean, &rstd, shape])
}

/// Chunks of positions, and who takes a row of one.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    rows: Rows,
    chunk: u32,
}

/// How v2 takes the rows in the backward: two tensors of some rows, and tables of gains and offsets.
pub(super) fn walk(
    cuda: &CudaContext,
    norm: &Norm,
    dtype: DType,
    affine: &Operands,
    operands: &[DevicePtr],
) -> Option<Walk> {
    let Sizes { samples, positions, channels } = norm.sizes;
    let by_warp = channels <= 32 * CHANNELS;
    let (rows, threads) = match by_warp {
        true => (WARPS, 32 * WARPS),
        false => (1, channels.div_ceil(CHANNELS).next_multiple_of(32)),
    };
    let shared = STAGES * 2 * rows * channels * dtype.size() + 2 * channels * size_of::<f32>();
    let fits = threads <= THREADS && shared + SUMS <= cuda.properties().shared_memory;
    if !fits || !is_ours(cuda, norm, dtype, affine, operands) {
        return None;
    }
    let grid = Grid::new(samples * chunks(positions), threads).shared(shared);
    Some(Walk { rows: Rows { by_warp, grid }, chunk: chunk(positions) as u32 })
}

/// Positions of a chunk: a function of their number alone, so that a sample's sums do not depend on what is beside it.
fn chunk(positions: usize) -> usize {
    positions.div_ceil(CHUNKS).max(POSITIONS)
}

/// Chunks of a sample.
pub(super) fn chunks(positions: usize) -> usize {
    positions.div_ceil(chunk(positions))
}

/// dx, and the sums a and b that the affine gradients are made of, [samples, chunks, channels].
pub(super) fn backward(
    cuda: &CudaContext,
    walk: &Walk,
    dtype: DType,
    shape: &Shape,
    affine: &Operands,
    [x, g, dx]: [DevicePtr; 3],
    [mean, rstd]: [DevicePtr; 2],
    [a, b, _]: [DevicePtr; 3],
) -> Result {
    let Walk { rows: Rows { by_warp, grid }, chunk } = *walk;
    let name = match by_warp {
        true => name!("layer_norm_backward_by_warp", dtype),
        false => name!("layer_norm_backward_by_block", dtype),
    };
    cuda.launch(&BACKWARD, name, grid, &[&x, affine, &mean, &rstd, &g, &dx, &a, &b, shape, &chunk])
}
