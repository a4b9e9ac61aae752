// Matrix products, version 3: the tensor cores of Hopper, by warpgroups (wgmma, sm_90a alone).
//
// Idea: one thread keeps four stages of 128 x 128 x 64 full by TMA; two warpgroups multiply 64 rows each, straight from
// shared memory: hopper_loop.cuh.
// Figure: bf16 667 TFLOP/s, .84 of cuBLAS (4096, H200, 2026-11-26).
#include "hopper_loop.cuh"

#ifdef HOPPER

constexpr u32 TILE = 128;

// Whether a and b have a matrix of their own for each of c.
struct HasBatch {
    u32 a, b;
};

template <class T, Major a_major, Major b_major, class To>
__device__ __forceinline__ void multiply(const TensorMap& a, const TensorMap& b, const Epilogue<T>& e, To* c,
                                         u32 c_row, u32 c_matrix, u32 aligned, HasBatch has, const Tiles& tiles) {
    using Stages = Ring<T, TILE, TILE>;
    auto produce = [&](Stages& ring) {
        if (threadIdx.x != 0) return;
        tma_prefetch(a);
        tma_prefetch(b);
        Turn turn;
        for (u32 tile = blockIdx.x; tile < tiles.count; tile += gridDim.x) {
            auto place = tiles.template place<Stages>(tile);
            for (u32 depth = place.from; depth < place.end; depth += DEPTH, turn.next()) {
                Mbarrier& full = ring.full[turn.stage];
                mbarrier_wait(ring.empty[turn.stage], turn.round ^ 1);
                mbarrier_arrive_expect(full, 2 * TILE * DEPTH * sizeof(T));
                load_rows<a_major, TILE>(ring.left[turn.stage], a, full, place.row, depth, place.product * has.a);
                load_rows<b_major, TILE>(ring.right[turn.stage], b, full, place.column, depth, place.product * has.b);
            }
        }
    };
    hopper_loop<a_major, b_major, Stages>(tiles, 1, produce, [&](const Tiles::Place& place) {
        u32 first = place.product * c_matrix;
        return TensorResult<To, T>{c + first, e.of(0, first), c_row, tiles.rows, tiles.columns, aligned != 0};
    });
}

#define KERNEL(name, T, To, a_major, b_major)                                                                          \
    extern "C" __global__ void __launch_bounds__(3 * WARPGROUP, 1) name(                                               \
        const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, Epilogue<T> e, To* c, u32 c_row,     \
        u32 c_matrix, u32 aligned, HasBatch has, Tiles tiles) {                                                        \
        multiply<T, Major::a_major, Major::b_major>(a, b, e, c, c_row, c_matrix, aligned, has, tiles);                 \
    }                                                                                                                  \
    REGISTER_KERNEL(name);

#define KERNELS(T)                                                                                                     \
    KERNEL(matmul_v3_##T##_kk, T, T, k, k)                                                                             \
    KERNEL(matmul_v3_##T##_kx, T, T, k, mn)                                                                            \
    KERNEL(matmul_v3_##T##_xk, T, T, mn, k)                                                                            \
    KERNEL(matmul_v3_##T##_xx, T, T, mn, mn)                                                                           \
    /* Shares of a sum, not rounded. */                                                                                \
    KERNEL(matmul_v3_sum_##T##_xk, T, f32, mn, k)                                                                      \
    KERNEL(matmul_v3_sum_##T##_xx, T, f32, mn, mn)

KERNELS(bf16)
KERNELS(f16)

#endif
