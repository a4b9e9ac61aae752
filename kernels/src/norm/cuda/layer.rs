//! Layer norm v2: which launches.

use super::group::name;
use super::operands::{Operands, Shape, aligned};
use super::tiling::{Content, Tiles};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::norm::Sizes;
use crate::norm::reference::{Norm, Sets};
use crate::{DType, Result};

pub(crate) static SOURCE: Source = Source { name: "layer_norm.cu", text: include_str!("layer.cu") };

/// Bytes of a row that a warp takes, at most.
const BY_WARP: usize = 4096;
const WARPS: usize = 8;
/// Shared memory that sums over a block take, and some to spare.
const SUMS: usize = 1024;

/// Who takes a row.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    by_warp: bool,
    grid: Grid,
}

/// How v2 takes the rows of a layer norm: of f32 or 16 bits, all `operands` at 16-byte boundaries, short enough to hold.
pub(super) fn rows(
    cuda: &CudaContext,
    norm: &Norm,
    dtype: DType,
    affine: &Operands,
    operands: &[DevicePtr],
) -> Option<Rows> {
    let Sizes { samples, positions, channels } = norm.sizes;
    let (row, tensors) = (channels * dtype.size(), operands.len() - 1);
    let fits = row > 0 && row.is_multiple_of(16) && row * tensors + SUMS <= cuda.properties().shared_memory;
    let is_ours = matches!(norm.sets, Sets::Positions) && dtype != DType::F64;
    if !fits || !is_ours || !aligned(operands) || !affine.are_aligned(dtype.size()) {
        return None;
    }
    let (count, by_warp) = (samples * positions, row <= BY_WARP);
    let rows = if by_warp { WARPS } else { 1 };
    Some(Rows { by_warp, grid: Grid::new(count.div_ceil(rows), 256).shared(rows * row * tensors) })
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
    cuda.launch(&SOURCE, name, rows.grid, &[&x, affine, &y, &mean, &rstd, shape])
}

pub(super) fn backward(
    cuda: &CudaContext,
    rows: &Rows,
    dtype: DType,
    shape: &Shape,
    affine: &Operands,
    [x, g, dx]: [DevicePtr; 3],
    [mean, rstd]: [DevicePtr; 2],
) -> Result {
    let name = match rows.by_warp {
        true => name!("layer_norm_backward_by_warp", dtype),
        false => name!("layer_norm_backward_by_block", dtype),
    };
    cuda.launch(&SOURCE, name, rows.grid, &[&x, affine, &mean, &rstd, &g, &dx, shape])
}

/// The tiles whose sums make the affine gradients.
pub(super) fn tiles(cuda: &CudaContext, sizes: &Sizes, dtype: DType) -> Option<Tiles> {
    let content = Content { width: 1, size: dtype.size(), tensors: 2, tables: 2, whole: false };
    if dtype == DType::F64 { None } else { Tiles::new(cuda, sizes, content) }
}

/// a and b, [samples, chunks, channels].
pub(super) fn sums(
    cuda: &CudaContext,
    tiles: &Tiles,
    dtype: DType,
    shape: &Shape,
    affine: &Operands,
    [x, g]: [DevicePtr; 2],
    [mean, rstd]: [DevicePtr; 2],
    [a, b]: [DevicePtr; 2],
) -> Result {
    let name = name!("layer_norm_sums", dtype);
    cuda.launch(&SOURCE, name, tiles.grid, &[&x, affine, &mean, &rstd, &g, &a, &b, shape, &tiles.tiling])
}
