// Lower triangular matrices in shared memory: factorise, solve. One block of 256 threads, all of which call.
//
// Rows are packed one after the other, so that 128 rows of f64 take 66 KiB. Every element is a sum in a fixed order that
// its own row and column decide, so results do not depend on how many right-hand sides there are.
#pragma once
#include "block.cuh"
#include "maths.cuh"

// The most rows: `LARGEST` in `src/cholesky/mod.rs`.
constexpr u32 MOST_ROWS = 128, BLOCK = 256;

__device__ __forceinline__ u32 packed(u32 row, u32 column) { return row * (row + 1) / 2 + column; }

// Fills the packed lower triangle with f(row, column); ends without a barrier.
template <class Wide, class F> __device__ __forceinline__ void fill_triangle(Wide* a, u32 size, F f) {
    for (u32 e = threadIdx.x; e < size * size; e += BLOCK)
        if (e % size <= e / size) a[packed(e / size, e % size)] = f(e / size, e % size);
}

// a = L L', in place; begins and ends with a barrier. Column after column is divided by the root of its pivot and its outer
// product taken from what is left. A pivot that is not above 0 makes its column, and all that depends on it, NaN; with
// `floor` >= 0 a pivot of at most `floor` times its original diagonal becomes infinite, and the column below it 0.
template <class Wide> __device__ __forceinline__ void factorise(Wide* a, u32 size, Wide floor) {
    SHARED(Wide, column, [MOST_ROWS]);
    SHARED(Wide, original, [MOST_ROWS]);
    u32 t = threadIdx.x, x = t % 16, y = t / 16;
    block_sync();
    if (t < size) original[t] = a[packed(t, t)];
    for (u32 k = 0; k < size; k++) {
        block_sync();
        Wide pivot = a[packed(k, k)];
        bool drops = floor >= Wide(0) && pivot <= floor * original[k];
        Wide side = drops ? Wide(INFINITY) : pivot > Wide(0) ? root(pivot) : Wide(NAN);
        for (u32 i = k + t; i < size; i += BLOCK) column[i] = i == k ? side : a[packed(i, k)] / side;
        block_sync();
        for (u32 i = k + t; i < size; i += BLOCK) a[packed(i, k)] = column[i];
        for (u32 i = k + 1 + y; i < size; i += 16)
            for (u32 j = k + 1 + x; j <= i; j += 16)
                a[packed(i, j)] = mul_add(-column[i], column[j], a[packed(i, j)]);
    }
    block_sync();
}

// L x = b, or L' x = b, in place, for `columns` right-hand sides, a power of two that divides BLOCK; begins and ends with
// a barrier. Row r of column c lies at x[r * (columns + 1) + c]. A pivot that is infinite gives 0.
template <class Wide>
__device__ __forceinline__ void solve_triangle(const Wide* l, Wide* x, u32 size, u32 columns, bool transposed) {
    SHARED(Wide, inverse, [MOST_ROWS]);
    u32 pitch = columns + 1, column = threadIdx.x % columns, first = threadIdx.x / columns, step = BLOCK / columns;
    block_sync();
    if (threadIdx.x < size) inverse[threadIdx.x] = Wide(1) / l[packed(threadIdx.x, threadIdx.x)];
    for (u32 s = 0; s < size; s++) {
        block_sync();
        u32 k = transposed ? size - 1 - s : s, end = transposed ? k : size;
        Wide solved = x[k * pitch + column] * inverse[k];
        for (u32 i = (transposed ? 0 : k + 1) + first; i < end; i += step) {
            Wide weight = transposed ? l[packed(k, i)] : l[packed(i, k)];
            x[i * pitch + column] = mul_add(-weight, solved, x[i * pitch + column]);
        }
    }
    block_sync();
    for (u32 i = first; i < size; i += step) x[i * pitch + column] *= inverse[i];
    block_sync();
}
