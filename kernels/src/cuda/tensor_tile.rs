//! The host's half of `cuda/ring.cuh`: which operands its products take, and their tiles, on the tensor cores
//! (`tensor_tile.cuh`) or the ordinary ones (`ordinary_tile.cuh`).

use super::{CudaContext, DevicePtr, Grid};
use crate::DType;

/// Bytes that the kernels copy at once; operands lie at multiples of them.
const CHUNK: usize = 16;
/// Threads of a block, stages of its ring, and the bytes of a row of a stage.
const THREADS: usize = 256;
const STAGES: usize = 4;
const STAGE_ROW: usize = 64;

/// The names of a kernel: of bf16, f16, tf32 and f32, in tiles of growing size.
pub(crate) type Names = [[&'static str; 3]; 4];

/// The tiles that those names are of: rows and columns.
const TENSOR_TILES: [[usize; 2]; 3] = [[64, 64], [64, 64], [128, 128]];
const ORDINARY_TILES: [[usize; 2]; 3] = [[64, 32], [128, 32], [128, 64]];

/// `tensor_names!("matmul_v2_kk")`: `matmul_v2_kk_bf16_64x64`, and so on.
macro_rules! tensor_names {
    ($name:literal) => {{
        macro_rules! sizes {
            ($numbers:literal, $a:literal, $b:literal, $c:literal) => {
                [concat!($name, $numbers, $a), concat!($name, $numbers, $b), concat!($name, $numbers, $c)]
            };
        }
        [
            sizes!("_bf16_", "64x64", "64x64", "128x128"),
            sizes!("_f16_", "64x64", "64x64", "128x128"),
            sizes!("_tf32_", "64x64", "64x64", "128x128"),
            sizes!("_f32_", "64x32", "128x32", "128x64"),
        ]
    }};
}
pub(crate) use tensor_names;

/// Whether these kernels compute with `dtype`.
pub(crate) fn takes(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16 | DType::F32)
}

/// Whether a distance of `elements` keeps to the boundaries that copies want.
pub(crate) fn fits(dtype: DType, elements: usize) -> bool {
    (elements * dtype.size()).is_multiple_of(CHUNK)
}

/// Whether memory begins at such a boundary.
pub(crate) fn is_aligned(pointer: DevicePtr) -> bool {
    pointer.address().is_multiple_of(CHUNK as u64)
}

/// The kernel among `names`, and its grid, for `rows` x `columns` results, `others` times. Tiles are as large as results
/// fill and keep every multiprocessor busy with, of those sizes that have a kernel: each result is the same sum in any.
pub(crate) fn tiles(
    cuda: &CudaContext,
    names: Names,
    dtype: DType,
    [rows, columns]: [usize; 2],
    others: usize,
) -> (&'static str, Grid) {
    let (numbers, sizes) = match dtype {
        DType::BF16 => (0, TENSOR_TILES),
        DType::F16 => (1, TENSOR_TILES),
        _ if cuda.allows_tf32() => (2, TENSOR_TILES),
        _ => (3, ORDINARY_TILES),
    };
    let blocks = |[down, across]: [usize; 2]| [rows.div_ceil(down), columns.div_ceil(across), others];
    let suits = |&size: &usize| {
        let [down, across] = sizes[size];
        let is_there = names[numbers][size] != names[numbers][0];
        let filled = rows > down / 2 && columns > across / 2;
        let busy = || blocks([down, across]).iter().product::<usize>() >= cuda.properties().multiprocessors;
        size == 0 || is_there && filled && busy()
    };
    let size = (0..sizes.len()).rev().find(suits).unwrap_or(0);
    let [down, across] = sizes[size];
    let grid = Grid { blocks: blocks(sizes[size]), ..Grid::new(1, THREADS) };
    (names[numbers][size], grid.shared(STAGES * STAGE_ROW * (down + across)))
}
