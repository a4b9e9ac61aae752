// The Cholesky factor of small matrices, a block each.
//
// Idea: the lower triangle stays in shared memory, packed; two barriers a column.
// Figure: not yet measured.
#include "strided.cuh"
#include "triangle.cuh"

// As `forward` in `cuda.rs` gives them: rows, and the steps from row to row and column to column of a.
struct Sizes {
    u32 size, step[2];
};

// `batch` places the matrices of l and a.
template <class T> __device__ void cholesky(const T* a, T* l, const Nest<2>& batch, const Sizes& s, f64 floor) {
    DYN_SHARED(T, triangle);
    for (u32 matrix = blockIdx.x; matrix < batch.count; matrix += gridDim.x) {
        u32 at[2];
        batch.places(matrix, at);
        block_sync();
        fill_triangle(triangle, s.size, [&](u32 i, u32 j) { return a[at[1] + i * s.step[0] + j * s.step[1]]; });
        factorise(triangle, s.size, T(floor));
        for (u32 e = threadIdx.x; e < s.size * s.size; e += BLOCK) {
            u32 i = e / s.size, j = e % s.size;
            l[at[0] + e] = j <= i ? triangle[packed(i, j)] : T(0);
        }
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        cholesky_##T(const T* a, T* l, Nest<2> batch, Sizes s, f64 floor) { cholesky<T>(a, l, batch, s, floor); }      \
    REGISTER_KERNEL(cholesky_##T);

KERNELS(f32)
KERNELS(f64)
