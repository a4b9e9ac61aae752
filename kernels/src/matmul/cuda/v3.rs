//! The launch of version 3: tensor maps, and a block for each multiprocessor.

use super::{OP, Way};
use crate::cuda::nest::{Divisor, divisor};
use crate::cuda::tensor_map::TensorMap;
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::matmul::problem::Problem;
use crate::{DType, KernelError, Result};

pub(crate) static V3: Source = Source { name: "matmul_v3.cu", text: include_str!("v3.cu") };

/// Rows, and columns, of a tile; its depth; threads of a block; stages of its ring, and the bytes of their barriers.
const TILE: usize = 128;
const DEPTH: usize = 64;
const THREADS: usize = 384;
const STAGES: usize = 4;
const BARRIERS: usize = 2 * STAGES * size_of::<u64>();

/// The kernels, by whether `a` and `b` run along the depth (k) or across it (x).
const BF16: [[&str; 2]; 2] = [["matmul_v3_bf16_kk", "matmul_v3_bf16_kx"], ["matmul_v3_bf16_xk", "matmul_v3_bf16_xx"]];
const F16: [[&str; 2]; 2] = [["matmul_v3_f16_kk", "matmul_v3_f16_kx"], ["matmul_v3_f16_xk", "matmul_v3_f16_xx"]];

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
    (cuda.uses_hopper() && can).then_some(Batch { count, steps })
}

/// Operands as `choose` found them; `aligned` as in `tensor_result.cuh`.
pub(super) fn multiply(
    cuda: &CudaContext,
    dtype: DType,
    p: &Problem,
    batch: Batch,
    [a_way, b_way]: [Way; 2],
    [a, b, bias, c]: [DevicePtr; 4],
    aligned: bool,
) -> Result {
    let Batch { count: matrices, steps: [c_matrix, a_matrix, b_matrix] } = batch;
    let map = |start, way: Way, rows: usize, own: usize| {
        let (matrices, own) = if own == 0 { (1, TILE) } else { (matrices, own) };
        let (sizes, tile) = match way.across {
            0 => ([p.k, rows, matrices], [DEPTH as u32, TILE as u32, 1]),
            _ => ([rows, p.k, matrices], [DEPTH as u32, DEPTH as u32, 1]),
        };
        // The one row of a matrix may be any step from the next.
        let step = if sizes[1] == 1 { TILE } else { way.step as usize };
        TensorMap::new(cuda, dtype, start, sizes, [step, own], tile)
    };
    let (a_map, b_map) = (map(a, a_way, p.m, a_matrix)?, map(b, b_way, p.n, b_matrix)?);
    let [down, across] = [p.m, p.n].map(|n| n.div_ceil(TILE));
    let count = down * across * matrices;
    if count >= 1 << 31 {
        return Err(KernelError::Shape { op: OP, what: format!("{count} tiles; a GPU takes fewer than 2^31") });
    }
    let tiles = Tiles {
        count: count as u32,
        m: p.m as u32,
        n: p.n as u32,
        k: p.k as u32,
        has_batch: [a_matrix, b_matrix].map(|step| u32::from(step != 0)),
        down: divisor(down as u32),
        across: divisor(across as u32),
    };
    let names = if dtype == DType::BF16 { BF16 } else { F16 };
    let grid = Grid::new(count.min(cuda.properties().multiprocessors), THREADS)
        .shared(STAGES * 2 * TILE * DEPTH * dtype.size() + BARRIERS);
    let (c_row, c_matrix, aligned) = (p.c_row as u32, c_matrix as u32, u32::from(aligned));
    let name = names[a_way.across][b_way.across];
    cuda.launch(&V3, name, grid, &[&a_map, &b_map, &bias, &c, &c_row, &c_matrix, &aligned, &tiles])
}

/// `Tiles` of `v3.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Tiles {
    count: u32,
    m: u32,
    n: u32,
    k: u32,
    has_batch: [u32; 2],
    down: Divisor,
    across: Divisor,
}

// SAFETY: u32 throughout, so no padding.
unsafe impl bytemuck::Zeroable for Tiles {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Tiles {}
