// Matrix products, version 2: the tensor cores, warp by warp (mma.sync, sm_80 and later).
//
// Idea: tiles of 128 x 128, or 64 x 64 where those would be too few, fed by cp.async through a ring of four stages; see
// tensor_tile.cuh. Each operand may run along the depth (k) or across it (x), in rows aligned to 16 bytes.
// Figure: not yet measured.
#include "tensor_tile.cuh"

// `batch` places the matrices of c, a and b; block z is one of them. `a_step` and `b_step` go from row to row of
// an operand that runs along the depth, from depth to depth of one that runs across it.
template <class T, Major a_major, Major b_major, u32 TILE>
__device__ __forceinline__ void multiply(const T* a, const T* b, const T* bias, T* c, u32 m, u32 n, u32 k, u32 a_step,
                                         u32 b_step, u32 c_row, u32 aligned, const Nest<3>& batch) {
    u32 row0 = blockIdx.x * TILE, column0 = blockIdx.y * TILE;
    for (u32 matrix = blockIdx.z; matrix < batch.count; matrix += gridDim.z) {
        u32 at[3];
        batch.places(matrix, at);
        MatrixLoader<T, a_major> left{a + at[1], a_step};
        MatrixLoader<T, b_major> right{b + at[2], b_step};
        TensorTile<decltype(left), decltype(right), TILE, TILE> tile;
        tile.multiply(left, right, row0, m, column0, n, 0, k);
        tile.each_eight(row0, column0, TensorResult<T, T>{c + at[0], bias, c_row, m, n, aligned != 0});
    }
}

#define KERNEL(name, T, a_major, b_major, TILE)                                                                        \
    extern "C" __global__ void __launch_bounds__(TENSOR_THREADS) name(const T* a, const T* b, const T* bias, T* c,     \
        u32 m, u32 n, u32 k, u32 a_step, u32 b_step, u32 c_row, u32 aligned, Nest<3> batch) {                          \
        multiply<T, Major::a_major, Major::b_major, TILE>(a, b, bias, c, m, n, k, a_step, b_step, c_row, aligned,      \
                                                          batch);                                                      \
    }                                                                                                                  \
    REGISTER_KERNEL(name);

#define ORDERS(T, name, TILE)                                                                                          \
    KERNEL(matmul_v2_##name##_kk_##TILE, T, k, k, TILE)                                                                \
    KERNEL(matmul_v2_##name##_kx_##TILE, T, k, mn, TILE)                                                               \
    KERNEL(matmul_v2_##name##_xk_##TILE, T, mn, k, TILE)                                                               \
    KERNEL(matmul_v2_##name##_xx_##TILE, T, mn, mn, TILE)

#define KERNELS(T, name) ORDERS(T, name, 64) ORDERS(T, name, 128)

KERNELS(bf16, bf16)
KERNELS(f16, f16)
KERNELS(f32, tf32)
