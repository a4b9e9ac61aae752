// Matrix products by TMA, an mbarrier and wgmma: every N, type, swizzle and order of the operands.
#include "hopper.cuh"

#ifdef HOPPER

// c [m, n] = a b, one tile of 64 x N a block, one stage. a is [m, k], or [k, m] if MN-major; b is [n, k], or [k, n].
template <class T, int N, Swizzle swizzle, Major a_major, Major b_major> struct Product {
    static constexpr int ROW = swizzle_row(swizzle) / sizeof(T);   // elements of a swizzle row; the k of a stage, too
    static constexpr int STEP = 32 / sizeof(T);                    // the k of one instruction

    template <Major major>
    static __device__ void load(T* tile, const TensorMap& map, Mbarrier& full, i32 row, i32 k, i32 rows) {
        if (major == Major::k) {
            tma_load_2d(tile, map, full, k, row);
        } else {
            for (i32 i = 0; i < rows; i += ROW) {
                tma_load_2d(tile + i * ROW, map, full, row + i, k);
            }
        }
    }

    template <Major major> static __device__ u64 descriptor(const T* tile, i32 k) {
        if constexpr (major == Major::k) {
            return k_major_descriptor<swizzle>(tile + k);
        } else {
            return mn_major_descriptor<swizzle>(tile + k * ROW, ROW * ROW * sizeof(T));
        }
    }

    static __device__ void run(const TensorMap& a_map, const TensorMap& b_map, f32* c, i32 m, i32 n, i32 k) {
        static_assert(b_major == Major::k || N % ROW == 0, "whole swizzle rows");
        SHARED_ALIGNED(1024, T, a, [64 * ROW]);
        SHARED_ALIGNED(1024, T, b, [N * ROW]);
        SHARED(Mbarrier, full, [1]);
        i32 row0 = blockIdx.y * 64, column0 = blockIdx.x * N;
        if (threadIdx.x == 0) {
            mbarrier_init(full[0], 1);
            fence_barrier_init();
        }
        block_sync();
        f32 sums[N / 2];
        for (i32 from = 0, parity = 0; from < k; from += ROW, parity ^= 1) {
            if (threadIdx.x == 0) {
                mbarrier_arrive_expect(full[0], (64 + N) * ROW * sizeof(T));
                load<a_major>(a, a_map, full[0], row0, from, 64);
                load<b_major>(b, b_map, full[0], column0, from, N);
            }
            mbarrier_wait(full[0], parity);
            wgmma_fence(sums);
#pragma unroll
            for (i32 i = 0; i < ROW; i += STEP) {
                wgmma<T, N, a_major, b_major>(sums, descriptor<a_major>(a, i), descriptor<b_major>(b, i), from + i > 0);
            }
            wgmma_commit();
            wgmma_wait<0>(sums);
            block_sync();
        }
        u32 row = row0 + warp_index() * 16 + lane_index() / 4, column = column0 + lane_index() % 4 * 2;
#pragma unroll
        for (i32 i = 0; i < N / 2; i++) {
            u32 r = row + i / 2 % 2 * 8, s = column + i / 4 * 8 + i % 2;
            if (r < m && s < n) {
                c[r * n + s] = sums[i];
            }
        }
    }
};

#define PRODUCT(name, T, N, swizzle, a_major, b_major)                                                             \
    extern "C" __global__ void __launch_bounds__(128) name(const __grid_constant__ TensorMap a,                    \
                                                           const __grid_constant__ TensorMap b, f32* c, i32 m,     \
                                                           i32 n, i32 k) {                                         \
        Product<T, N, Swizzle::swizzle, Major::a_major, Major::b_major>::run(a, b, c, m, n, k);                    \
    }                                                                                                              \
    REGISTER_KERNEL(name);

PRODUCT(product_bf16_8_128, bf16, 8, bytes_128, k, k)
PRODUCT(product_bf16_16_64, bf16, 16, bytes_64, k, k)
PRODUCT(product_f16_32_32, f16, 32, bytes_32, k, k)
PRODUCT(product_bf16_64_128, bf16, 64, bytes_128, k, k)
PRODUCT(product_f16_96_128, f16, 96, bytes_128, k, k)
PRODUCT(product_bf16_128_128, bf16, 128, bytes_128, k, k)
PRODUCT(product_bf16_192_64, bf16, 192, bytes_64, k, k)
PRODUCT(product_f16_256_128, f16, 256, bytes_128, k, k)
PRODUCT(product_tf32_32_128, f32, 32, bytes_128, k, k)
PRODUCT(product_tf32_128_64, f32, 128, bytes_64, k, k)
PRODUCT(product_bf16_128_128_b_mn, bf16, 128, bytes_128, k, mn)
PRODUCT(product_f16_64_128_a_mn, f16, 64, bytes_128, mn, k)
PRODUCT(product_bf16_96_64_both_mn, bf16, 96, bytes_64, mn, mn)
PRODUCT(product_bf16_64_32_both_mn, bf16, 64, bytes_32, mn, mn)

#endif
