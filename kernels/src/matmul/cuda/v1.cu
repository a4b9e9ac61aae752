// Matrix products, version 1: tiles of 64 x 64 on the ordinary cores, operands of any strides.
//
// Idea: shared memory turns 2 x 16 x 64 loads into 16 x 64 x 64 products; a thread keeps 16 sums in registers.
// Figure: 20 TFLOP/s in f32, .40 of cuBLAS (4096, H200, 2026-11-26).
#include "epilogue.cuh"
#include "tile.cuh"

// As `Matrix` in `mod.rs`: strides in elements.
struct Matrix {
    u32 row_step, depth_step;
};

template <class T> struct Operand {
    const T* data;
    Matrix m;
    using Row = u32;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return m.depth_step <= m.row_step; }
    __device__ __forceinline__ Row row(u32 i) const { return i * m.row_step; }
    __device__ __forceinline__ u32 depth(u32 k) const { return k * m.depth_step; }
    __device__ __forceinline__ Wide at(Row row, u32 depth) const { return to<Wide>(data[row + depth]); }
};

// `batch` places the matrices of c, a and b; block z is one of them.
template <class T, class To>
__device__ void multiply(const T* a, const T* b, const Epilogue<T>& all, To* c, u32 m, u32 n, u32 k, Matrix am,
                         Matrix bm, u32 c_row, const Nest<3>& batch) {
    using Wide = typename Computes<T>::In;
    for (u32 matrix = blockIdx.z; matrix < batch.count; matrix += gridDim.z) {
        u32 at[3];
        batch.places(matrix, at);
        To* out = c + at[0];
        Epilogue<T> epilogue = all.of(0, at[0]);
        tiled_product<Wide>(m, n, 0, k, Operand<T>{a + at[1], am}, Operand<T>{b + at[2], bm},
                            [&](u32 row, u32 column, Wide sum) {
                                u32 place = row * c_row + column;
                                out[place] = to<To>(epilogue(sum, column, place));
                            });
    }
}

#define KERNEL(name, T, To)                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) name(const T* a, const T* b, Epilogue<T> e, To* c, u32 m, u32 n, \
        u32 k, Matrix am, Matrix bm, u32 c_row, Nest<3> batch) {                                                       \
        multiply<T>(a, b, e, c, m, n, k, am, bm, c_row, batch);                                                        \
    }                                                                                                                  \
    REGISTER_KERNEL(name);

KERNEL(matmul_v1_f32, f32, f32)
KERNEL(matmul_v1_f64, f64, f64)
KERNEL(matmul_v1_bf16, bf16, bf16)
KERNEL(matmul_v1_f16, f16, f16)

// Shares of a sum, not rounded.
KERNEL(matmul_v1_sum_bf16, bf16, f32)
KERNEL(matmul_v1_sum_f16, f16, f32)
