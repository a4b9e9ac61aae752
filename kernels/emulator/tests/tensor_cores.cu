// Kernels of the tensor cores, warp by warp.
#include "async_copy.cuh"
#include "tensor_core.cuh"

// One product of a warp: c [16, 8] = a [16, 16] b [8, 16]^T.
template <class T> __device__ void multiply_once(const T* a, const T* b, f32* c) {
    u32 g = lane_index() / 4, t = lane_index() % 4;
    auto two = [](const T* at) { return *reinterpret_cast<const u32*>(at); };
    u32 left[4], right[2];
    for (u32 i = 0; i < 4; i++) {
        left[i] = two(a + (g + 8 * (i % 2)) * 16 + 8 * (i / 2) + 2 * t);
    }
    for (u32 i = 0; i < 2; i++) {
        right[i] = two(b + g * 16 + 8 * i + 2 * t);
    }
    f32 sums[4] = {};
    mma_m16n8k16<T>(sums, left, right);
    for (u32 i = 0; i < 4; i++) {
        c[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sums[i];
    }
}
extern "C" __global__ void multiply_bf16(const bf16* a, const bf16* b, f32* c) { multiply_once(a, b, c); }
extern "C" __global__ void multiply_f16(const f16* a, const f16* b, f32* c) { multiply_once(a, b, c); }
REGISTER_KERNEL(multiply_bf16);
REGISTER_KERNEL(multiply_f16);

// c [16, 8] = a [16, 8] b [8, 8]^T.
extern "C" __global__ void multiply_tf32(const u32* a, const u32* b, f32* c) {
    u32 g = lane_index() / 4, t = lane_index() % 4;
    u32 left[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
    u32 right[2] = {b[g * 8 + t], b[g * 8 + t + 4]};
    f32 sums[4] = {};
    mma_m16n8k8_tf32(sums, left, right);
    for (u32 i = 0; i < 4; i++) {
        c[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sums[i];
    }
}
REGISTER_KERNEL(multiply_tf32);

// What ldmatrix gives each lane of 32 rows of 8 numbers.
extern "C" __global__ void load_matrices(const u16* x, u32* x4, u32* x4_transposed, u32* x2, u32* x2_transposed) {
    SHARED(u16, rows, [32][8]);
    u32 lane = lane_index();
    for (u32 i = 0; i < 8; i++) {
        rows[lane][i] = x[lane * 8 + i];
    }
    warp_sync();
    u32 four[4], two[2];
    auto put = [&](u32* to, const u32* from, u32 count) {
        for (u32 i = 0; i < count; i++) {
            to[lane * count + i] = from[i];
        }
    };
    ldmatrix_x4(four, rows[lane]);
    put(x4, four, 4);
    ldmatrix_x4_transposed(four, rows[lane]);
    put(x4_transposed, four, 4);
    ldmatrix_x2(two, rows[lane % 16]);
    put(x2, two, 2);
    ldmatrix_x2_transposed(two, rows[lane % 16]);
    put(x2_transposed, two, 2);
}
REGISTER_KERNEL(load_matrices);

// c [m, n] = a [m, k] b [k, n]: 64 x 32 a block of four warps, 32 of k at a time, two stages, of which cp.async fills
// one while the other is used; edges by its zeros. k and n are multiples of 8.
extern "C" __global__ void __launch_bounds__(128)
    product_mma(const bf16* a, const bf16* b, f32* c, u32 m, u32 n, u32 k) {
    constexpr u32 ROWS = 64, COLUMNS = 32, DEPTH = 32, PAD = 8;
    struct Stage {
        bf16 left[ROWS][DEPTH + PAD];
        bf16 right[DEPTH][COLUMNS + PAD];
    };
    DYN_SHARED(Stage, stages);
    u32 t = threadIdx.x, lane = lane_index(), row0 = blockIdx.y * ROWS, column0 = blockIdx.x * COLUMNS;

    auto fill = [&](Stage& stage, u32 from) {
        for (u32 i = t; i < ROWS * DEPTH / 8; i += 128) {
            u32 row = i / (DEPTH / 8), depth = i % (DEPTH / 8) * 8;
            bool inside = row0 + row < m && from + depth < k;
            copy_async<16>(&stage.left[row][depth], inside ? &a[(row0 + row) * k + from + depth] : a, inside);
        }
        for (u32 i = t; i < DEPTH * COLUMNS / 8; i += 128) {
            u32 depth = i / (COLUMNS / 8), column = i % (COLUMNS / 8) * 8;
            bool inside = from + depth < k && column0 + column < n;
            copy_async<16>(&stage.right[depth][column], inside ? &b[(from + depth) * n + column0 + column] : b, inside);
        }
        copy_async_commit();
    };

    f32 sums[COLUMNS / 8][4] = {};
    fill(stages[0], 0);
    for (u32 from = 0, now = 0; from < k; from += DEPTH, now ^= 1) {
        if (from + DEPTH < k) {
            fill(stages[now ^ 1], from + DEPTH);
            copy_async_wait<1>();
        } else {
            copy_async_wait<0>();
        }
        block_sync();
        const Stage& stage = stages[now];
        for (u32 depth = 0; depth < DEPTH; depth += 16) {
            u32 left[4], right[2];
            ldmatrix_x4(left, &stage.left[warp_index() * 16 + lane % 16][depth + lane / 16 * 8]);
            for (u32 j = 0; j < COLUMNS / 8; j++) {
                ldmatrix_x2_transposed(right, &stage.right[depth + lane % 16][j * 8]);
                mma_m16n8k16<bf16>(sums[j], left, right);
            }
        }
        block_sync();
    }
    for (u32 j = 0; j < COLUMNS / 8; j++) {
        for (u32 i = 0; i < 4; i++) {
            u32 row = row0 + warp_index() * 16 + lane / 4 + 8 * (i / 2);
            u32 column = column0 + j * 8 + lane % 4 * 2 + i % 2;
            if (row < m && column < n) {
                c[row * n + column] = sums[j][i];
            }
        }
    }
}
REGISTER_KERNEL(product_mma);

// Copies of 4 and 8 bytes, of which the odd ones are invalid, and a last one that was never committed.
extern "C" __global__ void small_copies(const u32* x, u32* y) {
    SHARED(u32, four, [32]);
    SHARED_ALIGNED(16, u32, eight, [64]);
    u32 t = threadIdx.x;
    copy_async<4>(&four[t], &x[t], t % 2 == 0);
    copy_async_commit();
    copy_async<8>(&eight[2 * t], &x[32 + 2 * t], t % 2 == 0);
    copy_async_wait_all();
    block_sync();
    y[t] = four[31 - t];
    y[32 + 2 * t] = eight[62 - 2 * t];
    y[33 + 2 * t] = eight[63 - 2 * t];
}
REGISTER_KERNEL(small_copies);
