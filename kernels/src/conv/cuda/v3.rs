//! Convolution by warpgroups: when, in which tiles, and the launches. Problems and weights are those of version 2.

use super::v2::{Geometry, weight};
use super::{Geometry as Sizes, OP, Shares};
use crate::conv::Role;
use crate::conv::geometry::Conv;
use crate::cuda::hopper_loop::{Operand, Products, Tile, Tiles};
use crate::cuda::tensor_tile::{fits, is_aligned};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::epilogue::DeviceEpilogue;
use crate::{DType, Result, Scratch, View, ViewMut};

pub(crate) static V3: Source = Source { name: "conv_v3.cu", text: include_str!("v3.cu") };

/// Tiles, and blocks of each that a multiprocessor runs at once.
const TILES: [(Tile, usize); 3] = [([64, 64], 3), ([128, 64], 2), ([128, 128], 1)];

/// The names of a kernel: of bf16 and f16, in each of the tiles.
type Names = [[&'static str; 3]; 2];

macro_rules! names {
    ($name:literal) => {
        [
            [concat!($name, "_bf16_64x64"), concat!($name, "_bf16_128x64"), concat!($name, "_bf16_128x128")],
            [concat!($name, "_f16_64x64"), concat!($name, "_f16_128x64"), concat!($name, "_f16_128x128")],
        ]
    };
}

/// Whether the kernels of Hopper are wanted and can, of what version 2 can.
pub(super) fn suits(cuda: &CudaContext, dtype: DType, g: &Sizes) -> bool {
    let sizes = [g.n, g.o, g.ho, g.wo, g.h, g.w];
    cuda.allows_version(3) && matches!(dtype, DType::BF16 | DType::F16) && !sizes.contains(&0)
}

/// The kernel among `names`, in the largest tiles of which there are enough for every multiprocessor: each result is the
/// same sum in all of them. And its tile, tiles and grid.
fn choose(cuda: &CudaContext, dtype: DType, names: Names, p: &Products) -> Result<(&'static str, Tile, Tiles, Grid)> {
    let is_full = |&size: &usize| {
        let ([rows, columns], _) = TILES[size];
        let wanted = (rows == 64 || p.rows > 64) && (columns == 64 || p.columns > 64);
        wanted && p.tiles([rows, columns]).iter().product::<usize>() >= cuda.properties().multiprocessors
    };
    let size = (1..TILES.len()).rev().find(is_full).unwrap_or(0);
    let (tile, at_once) = TILES[size];
    let (tiles, grid) = p.launch(cuda, dtype, tile, at_once)?;
    Ok((names[usize::from(dtype == DType::F16)][size], tile, tiles, grid))
}

pub(super) fn forward(
    cuda: &CudaContext,
    p: &Conv,
    g: &Sizes,
    [x, w]: [View; 2],
    e: DeviceEpilogue,
    y: ViewMut,
    space: &Scratch,
) -> Result {
    let (w, dtype) = (weight(cuda, p, Role::Forward, w, space)?, y.dtype());
    let (products, operand) = to_image(g, g.n * g.ho * g.wo, g.o, g.kh * g.kw * g.c);
    let (name, [_, lines], tiles, grid) = choose(cuda, dtype, names!("conv_v3"), &products)?;
    let w = operand.map(cuda, dtype, w, lines)?;
    let (x, y) = (x.pointer(OP)?, y.pointer(OP)?);
    let aligned = u32::from(fits(dtype, g.o as usize) && [y, e.bias, e.residual].into_iter().all(is_aligned));
    cuda.launch(&V3, name, grid, &[&x, &w, &e, &y, &aligned, &Geometry::of(g), &tiles])
}

pub(super) fn input_gradient(
    cuda: &CudaContext,
    p: &Conv,
    g: &Sizes,
    [dy, w]: [View; 2],
    dx: ViewMut,
    space: &Scratch,
) -> Result {
    let (w, dtype) = (weight(cuda, p, Role::InputGradient, w, space)?, dx.dtype());
    let (products, operand) = to_image(g, g.n * g.h * g.w, g.c, g.kh * g.kw * g.o);
    let (name, [_, lines], tiles, grid) = choose(cuda, dtype, names!("conv_input_gradient_v3"), &products)?;
    let w = operand.map(cuda, dtype, w, lines)?;
    let (dy, dx) = (dy.pointer(OP)?, dx.pointer(OP)?);
    let aligned = u32::from(fits(dtype, g.c as usize) && is_aligned(dx));
    cuda.launch(&V3, name, grid, &[&dy, &w, &dx, &aligned, &Geometry::of(g), &tiles])
}

/// The products of pixels by channels, and their weights.
fn to_image(g: &Sizes, pixels: u32, channels: u32, depth: u32) -> (Products, Operand) {
    let [rows, columns, depth, count] = [pixels, channels, depth, g.groups].map(|n| n as usize);
    let weights = Operand { across: false, rows: columns, depth, count, step: depth, own: columns * depth };
    (Products { rows, columns, depth, share: depth, count }, weights)
}

/// The sums of each share of the output pixels, into `partial`.
pub(super) fn weight_gradient(
    cuda: &CudaContext,
    g: &Sizes,
    dtype: DType,
    [x, dy, partial]: [DevicePtr; 3],
    shares: Shares,
) -> Result {
    let [rows, columns, depth, count] = [g.o, g.c * g.kh * g.kw, g.n * g.ho * g.wo, g.groups].map(|n| n as usize);
    let products = Products { rows, columns, depth, share: shares.pixels, count };
    let (name, [lines, _], tiles, grid) = choose(cuda, dtype, names!("conv_weight_gradient_v3"), &products)?;
    let cotangent = Operand { across: true, rows, depth, count, step: rows * count, own: rows };
    let dy = cotangent.map(cuda, dtype, dy, lines)?;
    cuda.launch(&V3, name, grid, &[&x, &dy, &partial, &Geometry::of(g), &tiles])
}
