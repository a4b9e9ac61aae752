// Products of tiles in shared memory on the tensor cores, 16 rows a warp, their results left in registers. sm_80 and up.
//
// A tile is an array [rows][PITCH<width>] of bf16 or f16, its width a multiple of 16. The results of a warp are
// sums[j][i], 16 rows of 8 columns for each j, laid out over the lanes as mma_m16n8k16 has them. In that layout results
// are, once rounded, the left operand of a next product: no detour through shared memory.
#pragma once
#include "async_copy.cuh"
#include "tensor_core.cuh"

// From one row of a tile to the next: 16 bytes more than an even number of them, so that the eight rows of an ldmatrix
// lie in different banks.
template <u32 WIDTH> constexpr u32 PITCH = WIDTH + 8;

// Orders copies of rows `from`, `from + 1`.. into a tile, `width` numbers of each, a multiple of 8 as `step` is. Rows from
// `limit` on and columns from `width` on are zeros. The 128 threads of the block share the work.
template <class T, u32 COUNT, u32 STEP>
__device__ __forceinline__ void copy_rows(T (&tile)[COUNT][STEP], const T* rows, u64 step, u32 from, u32 limit,
                                          u32 width) {
    constexpr u32 THREADS = 128, PACKS = (STEP - 8) / 8;
    static_assert(COUNT * PACKS % THREADS == 0, "every thread copies as much");
#pragma unroll
    for (u32 i = 0; i < COUNT * PACKS; i += THREADS) {
        u32 row = (i + threadIdx.x) / PACKS, column = (i + threadIdx.x) % PACKS * 8;
        bool inside = from + row < limit && column < width;
        copy_async<16>(&tile[row][column], inside ? rows + (from + row) * step + column : rows, inside);
    }
}

// The left operand of mma: 16 rows of a tile from `row` on, 16 columns from `column` on.
template <class T, u32 COUNT, u32 STEP>
__device__ __forceinline__ void load_left(u32 (&a)[4], const T (&tile)[COUNT][STEP], u32 row, u32 column) {
    u32 lane = lane_index();
    ldmatrix_x4(a, &tile[row + lane % 16][column + lane / 16 * 8]);
}

// sums += A B' for the rows of a tile B. `left(a, depth)` gets A's columns from `depth` on.
template <class T, u32 BLOCKS, u32 COUNT, u32 STEP, class Left>
__device__ __forceinline__ void multiply_by_rows(f32 (&sums)[BLOCKS][4], Left left, const T (&tile)[COUNT][STEP]) {
    static_assert(COUNT == 8 * BLOCKS, "a result for each row of the tile");
    u32 lane = lane_index();
#pragma unroll
    for (u32 depth = 0; depth < STEP - 8; depth += 16) {
        u32 a[4];
        left(a, depth);
#pragma unroll
        for (u32 j = 0; j < BLOCKS; j += 2) {
            u32 b[4];
            ldmatrix_x4(b, &tile[8 * j + lane / 16 * 8 + lane % 8][depth + lane / 8 % 2 * 8]);
            mma_m16n8k16<T>(sums[j], a, {b[0], b[1]});
            mma_m16n8k16<T>(sums[j + 1], a, {b[2], b[3]});
        }
    }
}

// sums += A B for a tile B, A the rounded results of a product before.
template <class T, u32 BLOCKS, u32 DEPTHS, u32 COUNT, u32 STEP>
__device__ __forceinline__ void multiply_by_columns(f32 (&sums)[BLOCKS][4], const f32 (&left)[DEPTHS][4],
                                                    const T (&tile)[COUNT][STEP]) {
    static_assert(COUNT == 8 * DEPTHS && STEP - 8 == 8 * BLOCKS, "the shapes fit together");
    u32 lane = lane_index();
#pragma unroll
    for (u32 i = 0; i < DEPTHS; i += 2) {
        u32 a[4] = {pair<T>(left[i][0], left[i][1]), pair<T>(left[i][2], left[i][3]),
                    pair<T>(left[i + 1][0], left[i + 1][1]), pair<T>(left[i + 1][2], left[i + 1][3])};
#pragma unroll
        for (u32 j = 0; j < BLOCKS; j += 2) {
            u32 b[4];
            ldmatrix_x4_transposed(b, &tile[8 * i + lane % 16][8 * j + lane / 16 * 8]);
            mma_m16n8k16<T>(sums[j], a, {b[0], b[1]});
            mma_m16n8k16<T>(sums[j + 1], a, {b[2], b[3]});
        }
    }
}

// Stores the results of a warp, times a factor for the lane's upper row and one for its lower, from row `row` on; not to
// rows from `limit` on nor columns from `width` on, a multiple of 8.
template <class T, u32 BLOCKS>
__device__ __forceinline__ void store_rows(T* rows, u64 step, u32 row, u32 limit, u32 width,
                                           const f32 (&sums)[BLOCKS][4], f32 upper, f32 lower) {
    row += lane_index() / 4;
    T* at = rows + row * step + lane_index() % 4 * 2;
#pragma unroll
    for (u32 j = 0; j < BLOCKS; j++) {
        if (8 * j >= width) break;
        if (row < limit) *reinterpret_cast<u32*>(at + 8 * j) = pair<T>(sums[j][0] * upper, sums[j][1] * upper);
        if (row + 8 < limit)
            *reinterpret_cast<u32*>(at + 8 * step + 8 * j) = pair<T>(sums[j][2] * lower, sums[j][3] * lower);
    }
}
