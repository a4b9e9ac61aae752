//! Group norm v2: which launches.

use super::operands::{Operands, Shape, aligned};
use super::tiling::{Content, Tiles};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::norm::reference::{Norm, Sets};
use crate::{DType, Result};

pub(crate) static FORWARD: Source = Source { name: "group_norm_forward.cu", text: include_str!("group_forward.cu") };
pub(crate) static BACKWARD: Source = Source { name: "group_norm_backward.cu", text: include_str!("group_backward.cu") };

/// Sets that a block of a `join` kernel computes.
const JOINED: usize = 8;

/// `group_norm_f32`, `group_norm_bf16`, `group_norm_f16`, for one of those dtypes.
macro_rules! name {
    ($name:literal, $dtype:expr) => {
        match $dtype {
            DType::BF16 => concat!($name, "_bf16"),
            DType::F16 => concat!($name, "_f16"),
            _ => concat!($name, "_f32"),
        }
    };
}
pub(super) use name;

/// The tiles of a group norm that v2 takes: of f32 or 16 bits, all `operands` at 16-byte boundaries.
pub(super) fn tiles(cuda: &CudaContext, norm: &Norm, dtype: DType, operands: &[DevicePtr]) -> Option<Tiles> {
    let is_ours = cuda.allows_version(2) && dtype != DType::F64 && aligned(operands);
    let (Sets::Groups(groups), true) = (norm.sets, is_ours) else { return None };
    let width = norm.sizes.channels.checked_div(groups)?;
    // x and y; or x, g and dx.
    let (tensors, tables, sums) = if operands.len() == 2 { (1, 4, 2) } else { (2, 6, 1) };
    let content = Content { width, size: dtype.size(), tensors, tables, sums };
    if width == 0 { None } else { Tiles::new(cuda, &norm.sizes, content) }
}

pub(super) fn forward(
    cuda: &CudaContext,
    tiles: &Tiles,
    dtype: DType,
    shape: &Shape,
    affine: &Operands,
    [x, y]: [DevicePtr; 2],
    [mean, rstd]: [DevicePtr; 2],
) -> Result {
    let Tiles { tiling, grid } = *tiles;
    if tiling.chunks == 1 {
        let name = name!("group_norm", dtype);
        return cuda.launch(&FORWARD, name, grid, &[&x, affine, &y, &mean, &rstd, shape, &tiling]);
    }
    // What chunks found waits in y, which is larger, and is not written before it has been read.
    let parts = y;
    cuda.launch(&FORWARD, name!("group_norm_parts", dtype), grid, &[&x, &parts, shape, &tiling])?;
    cuda.launch(&FORWARD, "group_norm_join", joined(shape), &[&parts, &mean, &rstd, shape, &tiling])?;
    cuda.launch(&FORWARD, name!("group_norm_map", dtype), grid, &[&x, affine, &y, &mean, &rstd, shape, &tiling])
}

/// dx, and the sums a and b that the affine gradients are made of, [samples, chunks, channels].
pub(super) fn backward(
    cuda: &CudaContext,
    tiles: &Tiles,
    dtype: DType,
    shape: &Shape,
    affine: &Operands,
    [x, g, dx]: [DevicePtr; 3],
    [mean, rstd]: [DevicePtr; 2],
    [a, b, means]: [DevicePtr; 3],
) -> Result {
    let Tiles { tiling, grid } = *tiles;
    if tiling.chunks == 1 {
        let name = name!("group_norm_backward", dtype);
        return cuda.launch(&BACKWARD, name, grid, &[&x, affine, &mean, &rstd, &g, &dx, &a, &b, shape, &tiling]);
    }
    let name = name!("group_norm_backward_parts", dtype);
    cuda.launch(&BACKWARD, name, grid, &[&x, affine, &mean, &rstd, &g, &a, &b, shape, &tiling])?;
    let name = name!("group_norm_backward_join", dtype);
    cuda.launch(&BACKWARD, name, joined(shape), &[&a, &b, affine, &means, shape, &tiling])?;
    let name = name!("group_norm_backward_map", dtype);
    cuda.launch(&BACKWARD, name, grid, &[&x, affine, &mean, &rstd, &g, &dx, &means, shape, &tiling])
}

fn joined(shape: &Shape) -> Grid {
    Grid::new(shape.sets().div_ceil(JOINED), 32 * JOINED)
}
