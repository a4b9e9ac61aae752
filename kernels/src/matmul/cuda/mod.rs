//! Matrix products on a GPU.
//!
//! Figures: 4096 x 4096 x 4096 on an H200, 2026-11-26; `bench/records/h200` has all.
//!
//! | version | idea | figure |
//! | --- | --- | --- |
//! | v1 | tiles of 64 x 64 in shared memory on the ordinary cores, any strides | f32 20 TFLOP/s |
//! | v2 | tiles on the tensor cores (mma.sync), or the ordinary for f32, fed by cp.async through four stages | f32 31, tf32 112, bf16 273 |
//! | v3 | tiles of 128 x 128 on Hopper's (wgmma), fed by TMA through four stages; bf16 and f16 | bf16 667, .84 of cuBLAS |
//!
//! Few results of a long depth are computed in shares of it ([`split`]). [`choose`] says whether version 2 can run, [`v3::suits`] whether version 3 may in its place.

mod split;
mod v3;

use super::problem::Problem;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::tensor_tile::{self, Names, tensor_names};
use crate::cuda::{CudaContext, DevicePtr, Grid, Parameter, Source};
use crate::{DType, Device, Epilogue, KernelError, Layout, Result, Scratch, View, ViewMut};

pub(crate) static V1: Source = Source { name: "matmul_v1.cu", text: include_str!("v1.cu") };
pub(crate) static V2: Source = Source { name: "matmul_v2.cu", text: include_str!("v2.cu") };
pub(crate) use split::SHARES;
pub(crate) use v3::V3;

const OP: &str = "matmul";
/// Rows and columns of a block's results in version 1; as in `tile.cuh`.
const TILE: usize = 64;
/// The most matrices side by side; blocks stride through the rest.
const MATRICES: usize = 1 << 15;

/// The kernels of version 2, by whether `a` and `b` run along the depth (k) or across it (x).
const V2_NAMES: [[Names; 2]; 2] = [
    [tensor_names!("matmul_v2_kk"), tensor_names!("matmul_v2_kx")],
    [tensor_names!("matmul_v2_xk"), tensor_names!("matmul_v2_xx")],
];

/// Those of shares of a sum, whose `a` runs across the depth: in 16 bits, of one size.
const V2_SUMS: [Names; 2] = [
    [["matmul_v2_sum_xk_bf16_64x64"; 3], ["matmul_v2_sum_xk_f16_64x64"; 3], [""; 3], [""; 3]],
    [["matmul_v2_sum_xx_bf16_64x64"; 3], ["matmul_v2_sum_xx_f16_64x64"; 3], [""; 3], [""; 3]],
];

/// Operands are checked here. `d` is the device of `cuda`.
pub(super) fn forward(
    d: &Device,
    cuda: &CudaContext,
    a: View,
    b: View,
    e: Epilogue,
    c: ViewMut,
    space: Scratch,
) -> Result {
    if a.dtype() != c.dtype() {
        return Err(KernelError::DType { op: OP, got: a.dtype(), want: c.dtype().name() });
    }
    split::forward(cuda, [a, b], e, c, space, |a, b, e, c| whole(d, cuda, a, b, e, c))
}

/// Bytes of scratch of [`forward`].
pub(super) fn forward_scratch(a: &Layout, b: &Layout, dtype: DType) -> usize {
    split::forward_scratch(a, b, dtype)
}

/// The product of `a` and `b`. A result in f32 of operands of 16 bits is shares of a sum, as [`split`] alone asks for.
fn whole(d: &Device, cuda: &CudaContext, a: View, b: View, e: Epilogue, c: ViewMut) -> Result {
    let dtype = a.dtype();
    let is_sum = c.dtype() != dtype;
    for operand in [Some(b), e.bias].into_iter().flatten() {
        if operand.dtype() != dtype {
            return Err(KernelError::DType { op: OP, got: operand.dtype(), want: dtype.name() });
        }
    }
    let problem = Problem::new(a.layout(), b.layout(), e.bias.as_ref(), c.layout())?;
    if c.layout().count() == 0 {
        return Ok(());
    }
    let batch = DeviceNest::of(OP, &problem.batch)?;
    let (a, b, to) = (a.pointer(OP)?, b.pointer(OP)?, c.pointer(OP)?);
    let [m, n, k] = [problem.m as u32, problem.n as u32, problem.k as u32];
    let (matrices, c_row) = ((batch.count as usize).min(MATRICES), problem.c_row as u32);
    let ways = choose(dtype, &problem, a, b).filter(|_| cuda.allows_version(2));
    let (at_once, later) = e.split(ways.is_some() && dtype.size() == 2);
    let e = at_once.on_device(OP)?;
    if let Some(ways) = ways {
        let starts = problem.batch.loops().all(|(_, [to, ..])| tensor_tile::fits(c.dtype(), to));
        let aligned = starts && [e.bias, e.residual, to].into_iter().all(tensor_tile::is_aligned);
        let aligned = aligned && tensor_tile::fits(c.dtype(), problem.c_row);
        if let Some(batch) = v3::suits(cuda, dtype, &problem, ways) {
            v3::multiply(cuda, dtype, &problem, batch, ways, [a, b, to], e, aligned, is_sum)?;
            return later.finish(d, OP, c);
        }
        let names = if is_sum { V2_SUMS[ways[1].across] } else { V2_NAMES[ways[0].across][ways[1].across] };
        let (name, grid) = tensor_tile::tiles(cuda, names, dtype, [problem.m, problem.n], matrices);
        let ([a_step, b_step], aligned) = (ways.map(|way| way.step), u32::from(aligned));
        let parameters: [&dyn Parameter; 12] =
            [&a, &b, &e, &to, &m, &n, &k, &a_step, &b_step, &c_row, &aligned, &batch];
        cuda.launch(&V2, name, grid, &parameters)?;
        return later.finish(d, OP, c);
    }
    // [row, depth] of a, [column, depth] of b.
    let ([a_row, a_depth], [b_depth, b_column]) = (problem.a_step, problem.b_step);
    let (am, bm) = ([a_row as u32, a_depth as u32], [b_column as u32, b_depth as u32]);
    let grid = Grid { blocks: [problem.m.div_ceil(TILE), problem.n.div_ceil(TILE), matrices], ..Grid::new(1, 256) };
    let name = if is_sum { reals!("matmul_v1_sum") } else { reals!("matmul_v1") };
    let name = real(OP, name, dtype)?;
    cuda.launch(&V1, name, grid, &[&a, &b, &e, &to, &m, &n, &k, &am, &bm, &c_row, &batch])?;
    later.finish(d, OP, c)
}

/// How memory runs in an operand of version 2.
#[derive(Clone, Copy)]
struct Way {
    /// 0 along the depth, 1 across it: over the rows of `a` or the columns of `b`.
    across: usize,
    /// Elements from one run to the next.
    step: u32,
}

/// The ways of `a` and `b` if version 2 can run: numbers that the kernels take, and operands whose every 16 bytes lie
/// at a boundary of 16 and belong to one row, or one depth. Nothing of this depends on how many rows there are where rows
/// run along the depth, so a row has the same bits in batches of every size.
fn choose(dtype: DType, p: &Problem, a: DevicePtr, b: DevicePtr) -> Option<[Way; 2]> {
    let way = |start: DevicePtr, [across, depth]: [usize; 2], count: usize, operand: usize| {
        let fits = |elements| tensor_tile::fits(dtype, elements);
        let starts = p.batch.loops().all(|(_, steps)| fits(steps[operand]));
        if !tensor_tile::is_aligned(start) || !starts {
            None
        } else if depth == 1 && fits(p.k) && (count == 1 || fits(across)) {
            Some(Way { across: 0, step: across as u32 })
        } else if across == 1 && fits(count) && fits(depth) {
            Some(Way { across: 1, step: depth as u32 })
        } else {
            None
        }
    };
    if !tensor_tile::takes(dtype) || p.k == 0 {
        return None;
    }
    let [b_depth, b_column] = p.b_step;
    Some([way(a, p.a_step, p.m, 1)?, way(b, [b_column, b_depth], p.n, 2)?])
}
