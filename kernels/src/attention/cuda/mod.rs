//! Attention on a GPU.
//!
//! | version | idea | figure |
//! | --- | --- | --- |
//! | v1 | a warp a query, tiles of 32 keys in shared memory, on the ordinary cores | not yet measured |
//! | v2 | bf16 and f16 on the tensor cores, 64 queries a block, tiles of keys by cp.async | not yet measured |

mod choice;
mod operands;

use super::geometry::Sizes;
use super::{Attention, Rotation};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, Grid, Source};
use crate::{DType, KernelError, Result, Scratch, View, ViewMut, scratch};
use choice::{choose, names};
use operands::{Rows, Shape, Turns};

pub(crate) static V1: Source = Source { name: "attention_v1.cu", text: include_str!("v1.cu") };
pub(crate) static V2_FORWARD: Source = Source { name: "attention_v2_forward.cu", text: include_str!("v2_forward.cu") };
pub(crate) static V2_BACKWARD: Source =
    Source { name: "attention_v2_backward.cu", text: include_str!("v2_backward.cu") };

pub(super) fn forward(
    cuda: &CudaContext,
    op: &'static str,
    p: &Attention,
    rotation: Option<&Rotation>,
    sizes: &Sizes,
    [q, k, v]: [View; 3],
    out: ViewMut,
    lse: ViewMut,
) -> Result {
    let dtype = out.dtype();
    check(op, sizes, dtype, lse.dtype())?;
    let (shape, turns) = (Shape::of(p, sizes), Turns::of(op, rotation, sizes)?);
    let [q, k, v] = [Rows::of(op, &q, dtype)?, Rows::of(op, &k, dtype)?, Rows::of(op, &v, dtype)?];
    let (out, lse) = (Rows::of_mut(op, &out)?, lse.pointer(op)?);
    let (source, name, grid) = match choose(p, sizes, dtype, &turns, &[q, k, v, out]) {
        Ok(v2) if cuda.allows_version(2) => (&V2_FORWARD, v2.name(names!("attention_v2")), v2.forward(sizes)),
        _ => {
            let room = WARPS * (sizes.width + 1) + KEYS * (sizes.width + sizes.value_width + 2);
            (&V1, real(op, reals!("attention_v1"), dtype)?, v1_grid(sizes.queries, sizes, room, dtype))
        }
    };
    cuda.launch(source, name, grid, &[&q, &k, &v, &out, &lse, &turns, &shape])
}

pub(super) fn backward(
    cuda: &CudaContext,
    op: &'static str,
    p: &Attention,
    rotation: Option<&Rotation>,
    sizes: &Sizes,
    [q, k, v]: [View; 3],
    [out, lse, g]: [View; 3],
    [dq, dk, dv]: [ViewMut; 3],
    space: Scratch,
) -> Result {
    let dtype = dq.dtype();
    check(op, sizes, dtype, lse.dtype())?;
    let (shape, turns) = (Shape::of(p, sizes), Turns::of(op, rotation, sizes)?);
    let [q, k, v] = [Rows::of(op, &q, dtype)?, Rows::of(op, &k, dtype)?, Rows::of(op, &v, dtype)?];
    let ([out, g], lse) = ([Rows::of(op, &out, dtype)?, Rows::of(op, &g, dtype)?], lse.pointer(op)?);
    let [dq, dk, dv] = [Rows::of_mut(op, &dq)?, Rows::of_mut(op, &dk)?, Rows::of_mut(op, &dv)?];
    let inner = scratch::device(&space, backward_scratch(sizes, dtype), op)?;
    let name = real(op, reals!("attention_inner_v1"), dtype)?;
    cuda.launch(&V1, name, v1_grid(sizes.queries, sizes, 0, dtype), &[&out, &g, &inner, &shape])?;
    let (source, names, grids) = match choose(p, sizes, dtype, &turns, &[q, k, v, g, dq, dk, dv]) {
        Ok(v2) if cuda.allows_version(2) => {
            let names = [v2.name(names!("attention_dq_v2")), v2.name(names!("attention_dkdv_v2"))];
            (&V2_BACKWARD, names, [sizes.queries, sizes.keys].map(|rows| v2.backward(rows, sizes)))
        }
        _ => {
            let room = (WARPS + KEYS) * (sizes.width + sizes.value_width + 2);
            let names = [real(op, reals!("attention_dq_v1"), dtype)?, real(op, reals!("attention_dkdv_v1"), dtype)?];
            (&V1, names, [sizes.queries, sizes.keys].map(|rows| v1_grid(rows, sizes, room, dtype)))
        }
    };
    cuda.launch(source, names[0], grids[0], &[&q, &k, &v, &g, &lse, &inner, &dq, &turns, &shape])?;
    cuda.launch(source, names[1], grids[1], &[&q, &k, &v, &g, &lse, &inner, &dk, &dv, &turns, &shape])
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

/// v1: queries (or keys) of a block, and keys (or queries) of a tile; as in `v1.cu`.
const WARPS: usize = 8;
const KEYS: usize = 32;
/// The widest row: eight columns a lane.
const WIDEST: usize = 256;

fn v1_grid(rows: usize, sizes: &Sizes, room: usize, dtype: DType) -> Grid {
    let blocks = [rows.div_ceil(WARPS), sizes.pairs(), 1];
    Grid { blocks, threads: 32 * WARPS, shared: room * dtype.wide().size() }
}
