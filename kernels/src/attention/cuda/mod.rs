//! Attention on a GPU.
//!
//! | version | idea | figure |
//! | --- | --- | --- |
//! | v1 | a warp a query, tiles of 32 keys in shared memory, on the ordinary cores | not yet measured |

use super::Attention;
use super::geometry::Sizes;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::{DType, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};

pub(crate) static V1: Source = Source { name: "attention_v1.cu", text: include_str!("v1.cu") };

/// Queries (or keys) of a block, and keys (or queries) of a tile; as in `v1.cu`.
const WARPS: usize = 8;
const KEYS: usize = 32;
/// The widest row: eight columns a lane.
const WIDEST: usize = 256;

pub(super) fn forward(
    cuda: &CudaContext,
    op: &'static str,
    p: &Attention,
    sizes: &Sizes,
    [q, k, v]: [View; 3],
    out: ViewMut,
    lse: ViewMut,
) -> Result {
    let dtype = out.dtype();
    check(op, sizes, dtype, lse.dtype())?;
    let shape = Shape::of(p, sizes);
    let [q, k, v] = [Rows::of(op, &q, dtype)?, Rows::of(op, &k, dtype)?, Rows::of(op, &v, dtype)?];
    let (out, lse) = (Rows::of_mut(op, &out)?, lse.pointer(op)?);
    let room = WARPS * (sizes.width + 1) + KEYS * (sizes.width + sizes.value_width + 2);
    let grid = grid(sizes.queries, sizes.pairs(), room, dtype);
    cuda.launch(&V1, real(op, reals!("attention_v1"), dtype)?, grid, &[&q, &k, &v, &out, &lse, &shape])
}

pub(super) fn backward(
    cuda: &CudaContext,
    op: &'static str,
    p: &Attention,
    sizes: &Sizes,
    [q, k, v]: [View; 3],
    [out, lse, g]: [View; 3],
    [dq, dk, dv]: [ViewMut; 3],
    space: Scratch,
) -> Result {
    let dtype = dq.dtype();
    check(op, sizes, dtype, lse.dtype())?;
    let shape = Shape::of(p, sizes);
    let [q, k, v] = [Rows::of(op, &q, dtype)?, Rows::of(op, &k, dtype)?, Rows::of(op, &v, dtype)?];
    let ([out, g], lse) = ([Rows::of(op, &out, dtype)?, Rows::of(op, &g, dtype)?], lse.pointer(op)?);
    let [dq, dk, dv] = [Rows::of_mut(op, &dq)?, Rows::of_mut(op, &dk)?, Rows::of_mut(op, &dv)?];
    let inner = scratch::device(&space, backward_scratch(sizes, dtype), op)?;
    let name = real(op, reals!("attention_inner_v1"), dtype)?;
    cuda.launch(&V1, name, grid(sizes.queries, sizes.pairs(), 0, dtype), &[&out, &g, &inner, &shape])?;
    let room = (WARPS + KEYS) * (sizes.width + sizes.value_width + 2);
    let name = real(op, reals!("attention_dq_v1"), dtype)?;
    let over = grid(sizes.queries, sizes.pairs(), room, dtype);
    cuda.launch(&V1, name, over, &[&q, &k, &v, &g, &lse, &inner, &dq, &shape])?;
    let name = real(op, reals!("attention_dkdv_v1"), dtype)?;
    let over = grid(sizes.keys, sizes.pairs(), room, dtype);
    cuda.launch(&V1, name, over, &[&q, &k, &v, &g, &lse, &inner, &dk, &dv, &shape])
}

/// Bytes of scratch of [`backward`]: a number for each query.
pub(super) fn backward_scratch(sizes: &Sizes, dtype: DType) -> usize {
    sizes.pairs() * sizes.queries * dtype.wide().size()
}

fn check(op: &'static str, sizes: &Sizes, dtype: DType, lse: DType) -> Result {
    if lse != dtype.wide() {
        return Err(KernelError::DType { op, got: lse, want: dtype.wide().name() });
    }
    let widest = sizes.width.max(sizes.value_width);
    if widest > WIDEST {
        let what = format!("heads of {widest} numbers; on a GPU they are at most {WIDEST} wide");
        return Err(KernelError::Shape { op, what });
    }
    Ok(())
}

fn grid(rows: usize, pairs: usize, room: usize, dtype: DType) -> Grid {
    let blocks = [rows.div_ceil(WARPS), pairs, 1];
    Grid { blocks, threads: 32 * WARPS, shared: room * dtype.wide().size() }
}

/// `Shape` of `v1.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Shape {
    heads: u32,
    queries: u32,
    keys: u32,
    width: u32,
    value_width: u32,
    unused: u32,
    scale: f64,
}

// SAFETY: six u32 and an f64, without padding.
unsafe impl bytemuck::Zeroable for Shape {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Shape {}

impl Shape {
    fn of(p: &Attention, sizes: &Sizes) -> Shape {
        Shape {
            heads: sizes.heads as u32,
            queries: sizes.queries as u32,
            keys: sizes.keys as u32,
            width: sizes.width as u32,
            value_width: sizes.value_width as u32,
            unused: 0,
            scale: p.scale,
        }
    }
}

/// `Rows` of `v1.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Rows {
    data: DevicePtr,
    batch: u64,
    head: u64,
    position: u64,
}

// SAFETY: u64 throughout.
unsafe impl bytemuck::Zeroable for Rows {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Rows {}

impl Rows {
    fn of(op: &'static str, view: &View, dtype: DType) -> Result<Rows> {
        if view.dtype() != dtype {
            return Err(KernelError::DType { op, got: view.dtype(), want: dtype.name() });
        }
        Rows::at(op, view.layout(), view.pointer(op)?)
    }

    fn of_mut(op: &'static str, view: &ViewMut) -> Result<Rows> {
        if !view.layout().is_injective() {
            return Err(KernelError::Order { op, what: "the result", want: "free of repeated elements" });
        }
        Rows::at(op, view.layout(), view.pointer(op)?)
    }

    fn at(op: &'static str, layout: &Layout, data: DevicePtr) -> Result<Rows> {
        if layout.shape[3] > 1 && layout.strides[3] != 1 {
            return Err(KernelError::Order { op, what: "an operand", want: "of unit stride along its last axis" });
        }
        let [batch, head, position] = [0, 1, 2].map(|axis| layout.strides[axis] as u64);
        Ok(Rows { data, batch, head, position })
    }
}
