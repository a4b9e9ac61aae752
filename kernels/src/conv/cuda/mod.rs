//! Convolution and its gradients on a GPU.
//!
//! Figures: 3 x 3, 64 images of 128 channels to 128, 64 x 64, forward, on an H200, 2026-11-26; `bench/records/h200` has all.
//!
//! | version | idea | figure |
//! | --- | --- | --- |
//! | v1 | implicit matrix products on the ordinary cores | f32 12.6 TFLOP/s |
//! | v2 | the same from a ring of stages: the tensor cores (mma.sync), or the ordinary ones for f32 | f32 29, tf32 105, bf16 232 |
//! | v3 | the same on Hopper's (wgmma), images gathered, matrices by TMA; bf16 and f16 | bf16 437, .61 of cuDNN |
//!
//! [`v2::suits`] says where version 2 runs, [`v3::suits`] where version 3 does in its place; version 1 does the rest.

mod v2;
mod v3;

use super::Role;
use super::geometry::Conv;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, Grid, Source};
use crate::{DType, Device, Epilogue, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};

pub(crate) static V1: Source = Source { name: "conv_v1.cu", text: include_str!("v1.cu") };
pub(crate) use v2::V2;
pub(crate) use v3::V3;

const OP: &str = "conv";
/// Rows and columns of a block's results; as in `tile.cuh`.
const TILE: usize = 64;
/// Output pixels of a share of a weight gradient, at the least.
const SHARE: usize = 256;
/// Tiles of 128 x 128 that the shares of a weight gradient are to come to: a few for every multiprocessor there is. More
/// shares than that would be written and read again for nothing.
const TILES: usize = 528;
/// Shares, at most.
const SHARES: usize = 64;

/// Operands have been checked.
pub(super) fn forward(
    d: &Device,
    cuda: &CudaContext,
    p: &Conv,
    x: View,
    w: View,
    e: Epilogue,
    mut y: ViewMut,
    space: Scratch,
) -> Result {
    let dtype = same(y.dtype(), &[Some(x), Some(w), e.bias])?;
    let g = Geometry::of(p, x.layout(), w.layout(), y.layout())?;
    let tiled = cuda.allows_version(2) && v2::suits(dtype, &[g.c as usize], &[x.pointer(OP)?]);
    let (at_once, later) = e.split(tiled && dtype.size() == 2);
    let e = at_once.on_device(OP)?;
    if tiled {
        let run = if v3::suits(cuda, dtype, &g) { v3::forward } else { v2::forward };
        run(cuda, p, &g, [x, w], e, y.again(), &space)?;
        return later.finish(d, OP, y);
    }
    let (x, w, to) = (x.pointer(OP)?, w.pointer(OP)?, y.pointer(OP)?);
    let grid = g.grid(g.n * g.ho * g.wo, g.o);
    cuda.launch(&V1, real(OP, reals!("conv_v1"), dtype)?, grid, &[&x, &w, &e, &to, &g])?;
    later.finish(d, OP, y)
}

/// Operands have been checked.
pub(super) fn input_gradient(cuda: &CudaContext, p: &Conv, dy: View, w: View, dx: ViewMut, space: Scratch) -> Result {
    let dtype = same(dx.dtype(), &[Some(dy), Some(w)])?;
    let g = Geometry::of(p, dx.layout(), w.layout(), dy.layout())?;
    if cuda.allows_version(2) && v2::suits(dtype, &[g.o as usize], &[dy.pointer(OP)?]) {
        let run = if v3::suits(cuda, dtype, &g) { v3::input_gradient } else { v2::input_gradient };
        return run(cuda, p, &g, [dy, w], dx, &space);
    }
    let (dy, w, dx) = (dy.pointer(OP)?, w.pointer(OP)?, dx.pointer(OP)?);
    let grid = g.grid(g.n * g.h * g.w, g.c);
    cuda.launch(&V1, real(OP, reals!("conv_input_gradient_v1"), dtype)?, grid, &[&dy, &w, &dx, &g])
}

/// Operands have been checked.
pub(super) fn weight_gradient(cuda: &CudaContext, p: &Conv, x: View, dy: View, dw: ViewMut, space: Scratch) -> Result {
    let dtype = same(dw.dtype(), &[Some(x), Some(dy)])?;
    let g = Geometry::of(p, x.layout(), dw.layout(), dy.layout())?;
    let shares = Shares::of(dy.layout(), dw.layout());
    let room = weight_gradient_scratch(dy.layout(), dw.layout(), dtype);
    let partial = scratch::device(&space, room, OP)?;
    let (x, dy, dw) = (x.pointer(OP)?, dy.pointer(OP)?, dw.pointer(OP)?);
    if cuda.allows_version(2) && v2::suits(dtype, &[g.c as usize, g.o as usize], &[x, dy]) {
        let run = if v3::suits(cuda, dtype, &g) { v3::weight_gradient } else { v2::weight_gradient };
        run(cuda, &g, dtype, [x, dy, partial], shares)?;
    } else {
        let mut grid = g.grid(g.o, g.c * g.kh * g.kw);
        grid.blocks[2] *= shares.count;
        let name = real(OP, reals!("conv_weight_gradient_v1"), dtype)?;
        cuda.launch(&V1, name, grid, &[&x, &dy, &partial, &g, &(shares.pixels as u32)])?;
    }
    let grid = Grid::stride(cuda, (g.groups * g.o * g.c * g.kh * g.kw) as usize);
    cuda.launch(&V1, real(OP, reals!("conv_add_shares"), dtype)?, grid, &[&partial, &dw, &g, &(shares.count as u32)])
}

/// Bytes of scratch of [`forward`] and [`input_gradient`]; `w` is the layout of the weight.
pub(super) fn weight_scratch(p: &Conv, role: Role, w: &Layout, dtype: DType) -> usize {
    v2::weight_scratch(p, role, w, dtype)
}

/// Bytes of scratch of [`weight_gradient`].
pub(super) fn weight_gradient_scratch(y: &Layout, w: &Layout, dtype: DType) -> usize {
    dtype.wide().size() * w.count() * Shares::of(y, w).count
}

/// How many shares the output pixels fall into, and the pixels of one, whole stages of version 3: a function of the shape
/// alone.
#[derive(Clone, Copy)]
struct Shares {
    count: usize,
    pixels: usize,
}

impl Shares {
    fn of(y: &Layout, w: &Layout) -> Shares {
        let all = y.shape[0] * y.shape[2] * y.shape[3];
        // What is summed is [o, c kh kw] for each group, which is never more tiles than this.
        let tiles = w.shape[0].div_ceil(128) * w.shape[1..].iter().product::<usize>().div_ceil(128);
        let most = TILES.div_ceil(tiles.max(1)).min(SHARES);
        let pixels = all.div_ceil(all.div_ceil(SHARE).clamp(1, most)).max(1).next_multiple_of(64);
        Shares { count: all.div_ceil(pixels).max(1), pixels }
    }
}

fn same(dtype: DType, operands: &[Option<View>]) -> Result<DType> {
    match operands.iter().flatten().find(|view| view.dtype() != dtype) {
        None => Ok(dtype),
        Some(other) => Err(KernelError::DType { op: OP, got: other.dtype(), want: dtype.name() }),
    }
}

/// `Geometry` of `v1.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Geometry {
    n: u32,
    c: u32,
    h: u32,
    w: u32,
    o: u32,
    ho: u32,
    wo: u32,
    kh: u32,
    kw: u32,
    stride: [u32; 2],
    before: [u32; 2],
    dilation: [u32; 2],
    groups: u32,
    weight: [u32; 4],
}

// SAFETY: u32 throughout, so no padding.
unsafe impl bytemuck::Zeroable for Geometry {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Geometry {}

impl Geometry {
    fn of(p: &Conv, x: &Layout, w: &Layout, y: &Layout) -> Result<Geometry> {
        let most = [x, w, y].map(|layout| layout.end()).into_iter().max().unwrap_or(0);
        let reach = p.padding.iter().flatten().chain(&p.dilation).copied().max().unwrap_or(0);
        if most >= 1 << 31 || reach >= 1 << 20 {
            let what = format!("{p:?} of {:?} with {:?}: at most 2^31 elements on a GPU", x.shape, w.shape);
            return Err(KernelError::Shape { op: OP, what });
        }
        let pair = |of: [usize; 2]| of.map(|n| n as u32);
        Ok(Geometry {
            n: x.shape[0] as u32,
            c: w.shape[1] as u32,
            h: x.shape[2] as u32,
            w: x.shape[3] as u32,
            o: (w.shape[0] / p.groups) as u32,
            ho: y.shape[2] as u32,
            wo: y.shape[3] as u32,
            kh: w.shape[2] as u32,
            kw: w.shape[3] as u32,
            stride: pair(p.stride),
            before: pair([p.padding[0][0], p.padding[1][0]]),
            dilation: pair(p.dilation),
            groups: p.groups as u32,
            weight: std::array::from_fn(|axis| w.strides[axis] as u32),
        })
    }

    /// Tiles over `rows` x `columns`, for every group.
    fn grid(&self, rows: u32, columns: u32) -> Grid {
        let tiles = |count: u32| (count as usize).div_ceil(TILE);
        Grid { blocks: [tiles(rows), tiles(columns), self.groups as usize], ..Grid::new(1, 256) }
    }
}
