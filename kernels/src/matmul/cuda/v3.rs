//! The launch of version 3: tensor maps, and a block for each multiprocessor.

use super::Way;
use crate::cuda::hopper_loop::{Operand, Products, Tile};
use crate::cuda::{CudaContext, DevicePtr, Source};
use crate::epilogue::DeviceEpilogue;
use crate::matmul::problem::Problem;
use crate::{DType, Result};

pub(crate) static V3: Source = Source { name: "matmul_v3.cu", text: include_str!("v3.cu") };

const TILE: Tile = [128; 2];

/// The kernels, by whether `a` and `b` run along the depth (k) or across it (x).
const BF16: [[&str; 2]; 2] = [["matmul_v3_bf16_kk", "matmul_v3_bf16_kx"], ["matmul_v3_bf16_xk", "matmul_v3_bf16_xx"]];
const F16: [[&str; 2]; 2] = [["matmul_v3_f16_kk", "matmul_v3_f16_kx"], ["matmul_v3_f16_xk", "matmul_v3_f16_xx"]];

/// Those of shares of a sum, in bf16 and f16, whose `a` runs across the depth.
const SUMS: [[&str; 2]; 2] =
    [["matmul_v3_sum_bf16_xk", "matmul_v3_sum_bf16_xx"], ["matmul_v3_sum_f16_xk", "matmul_v3_sum_f16_xx"]];

/// The one loop of a batch that the kernel knows: matrices, and from one to the next in c, a and b.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    count: usize,
    steps: [usize; 3],
}

/// The batch, where the kernels of Hopper are wanted and can: matrices one step apart, as those of every contiguous batch,
/// and rows that do not repeat.
pub(super) fn suits(cuda: &CudaContext, dtype: DType, p: &Problem, ways: [Way; 2]) -> Option<Batch> {
    let mut loops = p.batch.loops().filter(|(count, _)| *count != 1);
    let (count, steps) = loops.next().unwrap_or((1, [0; 3]));
    let rows_apart = ways[0].step != 0 && ways[1].step != 0;
    let can = matches!(dtype, DType::BF16 | DType::F16) && rows_apart && loops.next().is_none();
    (cuda.allows_version(3) && can).then_some(Batch { count, steps })
}

/// Operands as `choose` found them; `aligned` as in `tensor_result.cuh`; `is_sum` for a result in f32.
pub(super) fn multiply(
    cuda: &CudaContext,
    dtype: DType,
    p: &Problem,
    batch: Batch,
    [a_way, b_way]: [Way; 2],
    [a, b, c]: [DevicePtr; 3],
    e: DeviceEpilogue,
    aligned: bool,
    is_sum: bool,
) -> Result {
    let Batch { count: matrices, steps: [c_matrix, a_matrix, b_matrix] } = batch;
    let map = |start, way: Way, rows: usize, lines: usize, own: usize| {
        let (count, own) = if own == 0 { (1, lines) } else { (matrices, own) };
        let operand = Operand { across: way.across == 1, rows, depth: p.k, count, step: way.step as usize, own };
        operand.map(cuda, dtype, start, lines)
    };
    let (a_map, b_map) = (map(a, a_way, p.m, TILE[0], a_matrix)?, map(b, b_way, p.n, TILE[1], b_matrix)?);
    let products = Products { rows: p.m, columns: p.n, depth: p.k, share: p.k, count: matrices };
    let (tiles, grid) = products.launch(cuda, dtype, TILE, 1)?;
    let names = if dtype == DType::BF16 { BF16 } else { F16 };
    let has_batch = [a_matrix, b_matrix].map(|step| u32::from(step != 0));
    let (c_row, c_matrix, aligned) = (p.c_row as u32, c_matrix as u32, u32::from(aligned));
    let name =
        if is_sum { SUMS[usize::from(dtype == DType::F16)][b_way.across] } else { names[a_way.across][b_way.across] };
    cuda.launch(&V3, name, grid, &[&a_map, &b_map, &e, &c, &c_row, &c_matrix, &aligned, &has_batch, &tiles])
}
