// A matrix product by tiles on the ordinary cores: c[row, column] = sum over depth of a(row, depth) b(depth, column).
//
// The operands are given by how an element of them is fetched, so that a convolution is the same product as a matrix: `Rows`
// gives a place for each row (or column) and for each depth, computed once for what shares it, and the number where both
// meet. 256 threads compute 64 x 64 results, 4 x 4 each, 16 of the depth at a time from shared memory. Every result is
// summed in ascending depth, in chains of CHAIN whose sums are added: a long chain loses more to rounding.
#pragma once
#include "block.cuh"
#include "strided.cuh"

constexpr u32 TILE = 64, DEPTH = 16, EACH = 4, CHAIN = 64;

// Where a thread's four elements of a tile lie: along the depth where that is how memory runs, else along the rows.
struct Lanes {
    u32 row, depth, row_step, depth_step;

    __device__ __forceinline__ explicit Lanes(bool depth_runs) {
        u32 t = threadIdx.x;
        row = depth_runs ? t / DEPTH : t % TILE;
        depth = depth_runs ? t % DEPTH : t / TILE;
        row_step = depth_runs ? 256 / DEPTH : 0;
        depth_step = depth_runs ? 0 : 256 / TILE;
    }
};

// `from` and `end` bound the depth. `store(row, column, sum)` gets the results inside `rows` x `columns`.
template <class Wide, class A, class B, class Store>
__device__ __forceinline__ void tiled_product(u32 rows, u32 columns, u32 from, u32 end, const A& a, const B& b,
                                              Store store) {
    SHARED(Wide, left, [DEPTH][TILE + 4]);
    SHARED(Wide, right, [DEPTH][TILE + 4]);
    u32 row0 = blockIdx.x * TILE, column0 = blockIdx.y * TILE, tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    Lanes in_a(a.depth_runs()), in_b(b.depth_runs());
    typename A::Row a_row[EACH];
    typename B::Row b_row[EACH];
    for (u32 i = 0; i < EACH; i++) {
        u32 row = row0 + in_a.row + i * in_a.row_step, column = column0 + in_b.row + i * in_b.row_step;
        a_row[i] = a.row(row < rows ? row : 0);
        b_row[i] = b.row(column < columns ? column : 0);
    }
    Wide sum[EACH][EACH] = {}, chain[EACH][EACH] = {};
    for (u32 depth0 = from; depth0 < end; depth0 += DEPTH) {
        for (u32 i = 0; i < EACH; i++) {
            u32 row = in_a.row + i * in_a.row_step, depth = in_a.depth + i * in_a.depth_step;
            bool inside = row0 + row < rows && depth0 + depth < end;
            left[depth][row] = inside ? a.at(a_row[i], a.depth(depth0 + depth)) : Wide(0);
            row = in_b.row + i * in_b.row_step, depth = in_b.depth + i * in_b.depth_step;
            inside = column0 + row < columns && depth0 + depth < end;
            right[depth][row] = inside ? b.at(b_row[i], b.depth(depth0 + depth)) : Wide(0);
        }
        block_sync();
#pragma unroll
        for (u32 k = 0; k < DEPTH; k++) {
            Wide x[EACH], y[EACH];
            for (u32 i = 0; i < EACH; i++) {
                x[i] = left[k][ty * EACH + i];
                y[i] = right[k][tx * EACH + i];
            }
            for (u32 i = 0; i < EACH; i++)
                for (u32 j = 0; j < EACH; j++) chain[i][j] = mul_add(x[i], y[j], chain[i][j]);
        }
        if ((depth0 - from) % CHAIN == CHAIN - DEPTH || depth0 + DEPTH >= end)
            for (u32 i = 0; i < EACH; i++)
                for (u32 j = 0; j < EACH; j++) {
                    sum[i][j] += chain[i][j];
                    chain[i][j] = 0;
                }
        block_sync();
    }
    for (u32 i = 0; i < EACH; i++)
        for (u32 j = 0; j < EACH; j++) {
            u32 row = row0 + ty * EACH + i, column = column0 + tx * EACH + j;
            if (row < rows && column < columns) store(row, column, sum[i][j]);
        }
}
