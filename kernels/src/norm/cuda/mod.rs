//! Both norms on a GPU.
//!
//! | version | idea | figure |
//! | --- | --- | --- |
//! | v1 | a block a set, element by element, three reads; any shape, f64 | not yet measured |
//! | v2 | tiles of 16-byte vectors that wait in shared memory: one read, one write | not yet measured |

pub(crate) mod group;
pub(crate) mod layer;
mod operands;
mod tiling;

use super::Sizes;
use super::affine::{Affine, AffineGradients};
use super::reference::{Norm, Sets};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::{DType, Result, Scratch, View, ViewMut, scratch};
use operands::{Operands, Shape, statistics, target};

pub(crate) static V1: Source = Source { name: "norm_v1.cu", text: include_str!("v1.cu") };
pub(crate) static GRADIENTS: Source = Source { name: "norm_gradients.cu", text: include_str!("gradients.cu") };

/// Positions whose shares of the affine gradients are summed by one block of v1. Fixed, so that a sum depends on its terms
/// alone.
const PART: usize = 256;
/// Channels of such a block, and of one of the gradients.
const CHANNELS: usize = 32;

pub(super) fn forward(
    cuda: &CudaContext,
    op: &'static str,
    norm: Norm,
    x: View,
    affine: &Affine,
    y: ViewMut,
    mean: ViewMut,
    rstd: ViewMut,
) -> Result {
    let dtype = y.dtype();
    statistics(op, dtype, [mean.dtype(), rstd.dtype()])?;
    let (shape, affine) = (Shape::of(&norm), Operands::of(op, &norm.sizes, affine, dtype)?);
    let name = real(op, reals!("norm_v1"), dtype)?;
    let operands = [x.pointer(op)?, y.pointer(op)?];
    let moments = [mean.pointer(op)?, rstd.pointer(op)?];
    if let Some(tiles) = group::tiles(cuda, &norm, dtype, &operands) {
        return group::forward(cuda, &tiles, dtype, &shape, &affine, operands, moments);
    }
    if let Some(rows) = layer::rows(cuda, &norm, dtype, &affine, &operands) {
        return layer::forward(cuda, &rows, dtype, &shape, &affine, operands, moments);
    }
    let ([x, y], [mean, rstd]) = (operands, moments);
    cuda.launch(&V1, name, Grid::new(sets(&norm), 256), &[&x, &affine, &y, &mean, &rstd, &shape])
}

pub(super) fn backward(
    cuda: &CudaContext,
    op: &'static str,
    norm: Norm,
    x: View,
    affine: &Affine,
    mean: View,
    rstd: View,
    g: View,
    dx: ViewMut,
    gradients: AffineGradients,
    space: Scratch,
) -> Result {
    let (dtype, sizes) = (dx.dtype(), norm.sizes);
    statistics(op, dtype, [mean.dtype(), rstd.dtype()])?;
    let (shape, affine) = (Shape::of(&norm), Operands::of(op, &sizes, affine, dtype)?);
    let operands = [x.pointer(op)?, g.pointer(op)?, dx.pointer(op)?];
    let moments = [mean.pointer(op)?, rstd.pointer(op)?];
    let (channel, sample) = ([sizes.channels], [sizes.samples, sizes.channels]);
    let wanted = [
        target(op, "dweight", &gradients.weight, &channel, dtype)?,
        target(op, "dbias", &gradients.bias, &channel, dtype)?,
        target(op, "dscale", &gradients.scale, &sample, dtype)?,
        target(op, "dshift", &gradients.shift, &sample, dtype)?,
    ];
    let wants_gradients = wanted != [DevicePtr::NULL; 4];
    let space = scratch::device(&space, backward_scratch(cuda, sizes, norm.sets, dtype), op)?;
    let names = [real(op, reals!("norm_backward_v1"), dtype)?, real(op, reals!("norm_sums_v1"), dtype)?];
    let ([x, g, dx], [mean, rstd]) = (operands, moments);

    // dx, and the sums a and b of each sample, part of its positions, and channel.
    let sums = |parts: usize| {
        let size = dtype.wide().size() * sizes.samples * parts * sizes.channels;
        [space, space.offset(size), space.offset(2 * size)]
    };
    let parts = if let Some(tiles) = group::tiles(cuda, &norm, dtype, &operands) {
        let parts = tiles.tiling.chunks as usize;
        group::backward(cuda, &tiles, dtype, &shape, &affine, operands, moments, sums(parts))?;
        parts
    } else if let Some(walk) = layer::walk(cuda, &norm, dtype, &affine, &operands) {
        let parts = layer::chunks(sizes.positions);
        layer::backward(cuda, &walk, dtype, &shape, &affine, operands, moments, sums(parts))?;
        parts
    } else {
        let grid = Grid::new(sets(&norm), 256);
        cuda.launch(&V1, names[0], grid, &[&x, &affine, &mean, &rstd, &g, &dx, &shape])?;
        let parts = sizes.positions.div_ceil(PART);
        if wants_gradients {
            let [a, b, _] = sums(parts);
            let blocks = [sizes.channels.div_ceil(CHANNELS), parts, sizes.samples];
            let grid = Grid { blocks, ..Grid::new(1, 256) };
            cuda.launch(&V1, names[1], grid, &[&x, &affine, &mean, &rstd, &g, &a, &b, &shape, &(PART as u32)])?;
        }
        parts
    };
    if !wants_gradients {
        return Ok(());
    }
    let name = real(op, reals!("norm_gradients"), dtype)?;
    let ([a, b, _], [weight, bias, scale, shift]) = (sums(parts), &wanted);
    let grid = Grid::new(sizes.channels.div_ceil(CHANNELS), 1024);
    cuda.launch(&GRADIENTS, name, grid, &[&a, &b, &affine, weight, bias, scale, shift, &shape, &(parts as u32)])
}

/// Bytes of scratch of [`backward`]: two sums for each sample, part and channel, and two means for each set of a group norm.
pub(super) fn backward_scratch(cuda: &CudaContext, sizes: Sizes, sets: Sets, dtype: DType) -> usize {
    let norm = Norm { sizes, sets, eps: 0.0, silu: false };
    let (parts, means) = match sets {
        Sets::Groups(groups) => {
            let tiles = group::tiles(cuda, &norm, dtype, &[DevicePtr::NULL; 3]);
            (tiles.map_or(0, |tiles| tiles.tiling.chunks as usize), groups)
        }
        Sets::Positions => (layer::chunks(sizes.positions), 0),
    };
    let parts = parts.max(sizes.positions.div_ceil(PART));
    2 * dtype.wide().size() * sizes.samples * (parts * sizes.channels + means)
}

/// What shares a mean.
fn sets(norm: &Norm) -> usize {
    match norm.sets {
        Sets::Groups(groups) => norm.sizes.samples * groups,
        Sets::Positions => norm.sizes.samples * norm.sizes.positions,
    }
}
