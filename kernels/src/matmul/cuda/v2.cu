// Matrix products, version 2: the tensor cores, warp by warp (mma.sync, sm_80 and later), or the ordinary ones for f32 that
// is not to be rounded.
//
// Idea: tiles of 128 x 128 (128 x 64 of f32), or smaller where those would be too few, fed by cp.async through a ring of
// four stages; see tensor_tile.cuh and ordinary_tile.cuh. Each operand may run along the depth (k) or across it (x), in
// rows aligned to 16 bytes.
// Figure: f32 31 TFLOP/s (.61 of cuBLAS), tf32 112 (.27), bf16 273 (.34) (4096, H200, 2026-11-26).
#include "ordinary_tile.cuh"
#include "tensor_tile.cuh"

// `batch` places the matrices of c, a and b; block z is one of them. `a_step` and `b_step` go from row to row of
// an operand that runs along the depth, from depth to depth of one that runs across it.
template <class T, class To, Major a_major, Major b_major, class Kind>
__device__ __forceinline__ void multiply(const T* a, const T* b, const Epilogue<T>& e, To* c, u32 m, u32 n, u32 k,
                                         u32 a_step, u32 b_step, u32 c_row, u32 aligned, const Nest<3>& batch) {
    using A = MatrixLoader<T, a_major>;
    using B = MatrixLoader<T, b_major>;
    using Tile = typename Kind::template Of<A, B>;
    u32 row0 = blockIdx.x * Tile::ROWS, column0 = blockIdx.y * Tile::COLUMNS;
    for (u32 matrix = blockIdx.z; matrix < batch.count; matrix += gridDim.z) {
        u32 at[3];
        batch.places(matrix, at);
        A left{a + at[1], a_step};
        B right{b + at[2], b_step};
        Tile tile;
        tile.multiply(left, right, row0, m, column0, n, 0, k);
        tile.store(row0, column0, TensorResult<To, T>{c + at[0], e.of(0, at[0]), c_row, m, n, aligned != 0});
    }
}

#define KERNEL(name, T, To, a_major, b_major, Kind)                                                                    \
    extern "C" __global__ void __launch_bounds__(RING_THREADS, Kind::BLOCKS)                                           \
        name(const T* a, const T* b, Epilogue<T> e, To* c, u32 m, u32 n, u32 k, u32 a_step, u32 b_step, u32 c_row,     \
             u32 aligned, Nest<3> batch) {                                                                             \
        multiply<T, To, Major::a_major, Major::b_major, Kind>(a, b, e, c, m, n, k, a_step, b_step, c_row, aligned,     \
                                                              batch);                                                  \
    }                                                                                                                  \
    REGISTER_KERNEL(name);

#define KERNELS(T, name, Kind)                                                                                         \
    KERNEL(matmul_v2_kk_##name, T, T, k, k, Kind)                                                                      \
    KERNEL(matmul_v2_kx_##name, T, T, k, mn, Kind)                                                                     \
    KERNEL(matmul_v2_xk_##name, T, T, mn, k, Kind)                                                                     \
    KERNEL(matmul_v2_xx_##name, T, T, mn, mn, Kind)

KERNELS(bf16, bf16_64x64, TensorKind<64>)
KERNELS(bf16, bf16_128x128, TensorKind<128>)
KERNELS(f16, f16_64x64, TensorKind<64>)
KERNELS(f16, f16_128x128, TensorKind<128>)
KERNELS(f32, tf32_64x64, TensorKind<64>)
KERNELS(f32, tf32_128x128, TensorKind<128>)
KERNELS(f32, f32_64x32, SmallOrdinary)
KERNELS(f32, f32_128x32, NarrowOrdinary)
KERNELS(f32, f32_128x64, LargeOrdinary)

// Shares of a sum, not rounded: few results, so in the smallest tiles.
KERNEL(matmul_v2_sum_xk_bf16_64x64, bf16, f32, mn, k, TensorKind<64>)
KERNEL(matmul_v2_sum_xx_bf16_64x64, bf16, f32, mn, mn, TensorKind<64>)
KERNEL(matmul_v2_sum_xk_f16_64x64, f16, f32, mn, k, TensorKind<64>)
KERNEL(matmul_v2_sum_xx_f16_64x64, f16, f32, mn, mn, TensorKind<64>)
