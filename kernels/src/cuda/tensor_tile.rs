//! The host's half of `cuda/tensor_tile.cuh`: which operands the tensor cores take, and the tiles of a product.

use super::{CudaContext, DevicePtr, Grid};
use crate::DType;

/// Bytes that the kernels copy at once; operands lie at multiples of them.
const CHUNK: usize = 16;
/// Threads of a block, stages of its ring, and the bytes of a row of a stage.
const THREADS: usize = 256;
const STAGES: usize = 4;
const STAGE_ROW: usize = 64;

/// The names of a kernel: of bf16, f16 and tf32, in tiles of 64 and of 128.
pub(crate) type Names = [[&'static str; 2]; 3];

/// `tensor_names!("matmul_v2", "_kk")`: `matmul_v2_bf16_kk_64`, and so on.
macro_rules! tensor_names {
    ($name:literal, $kind:literal) => {
        [
            [concat!($name, "_bf16", $kind, "_64"), concat!($name, "_bf16", $kind, "_128")],
            [concat!($name, "_f16", $kind, "_64"), concat!($name, "_f16", $kind, "_128")],
            [concat!($name, "_tf32", $kind, "_64"), concat!($name, "_tf32", $kind, "_128")],
        ]
    };
}
pub(crate) use tensor_names;

/// Whether the tensor cores compute with `dtype`; with f32 only where it may be rounded to tf32.
pub(crate) fn takes(cuda: &CudaContext, dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16) || dtype == DType::F32 && cuda.allows_tf32()
}

/// Whether a distance of `elements` keeps to the boundaries that copies want.
pub(crate) fn fits(dtype: DType, elements: usize) -> bool {
    (elements * dtype.size()).is_multiple_of(CHUNK)
}

/// Whether memory begins at such a boundary.
pub(crate) fn is_aligned(pointer: DevicePtr) -> bool {
    pointer.address().is_multiple_of(CHUNK as u64)
}

/// The kernel among `names`, and its grid, for `rows` x `columns` results, `others` times. Tiles are large where enough of
/// them keep every multiprocessor busy: each result is the same sum in either.
pub(crate) fn tiles(
    cuda: &CudaContext,
    names: Names,
    dtype: DType,
    [rows, columns]: [usize; 2],
    others: usize,
) -> (&'static str, Grid) {
    let count = |tile: usize| [rows.div_ceil(tile), columns.div_ceil(tile), others];
    let large = rows.min(columns) > 64 && count(128).iter().product::<usize>() >= cuda.properties().multiprocessors;
    let numbers = match dtype {
        DType::BF16 => 0,
        DType::F16 => 1,
        _ => 2,
    };
    let tile = if large { 128 } else { 64 };
    let grid = Grid { blocks: count(tile), ..Grid::new(1, THREADS) };
    (names[numbers][usize::from(large)], grid.shared(STAGES * STAGE_ROW * 2 * tile))
}
