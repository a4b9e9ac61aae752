// A matrix product by tiles on the tensor cores: c[row, column] = sum over depth of a(row, depth) b(column, depth).
//
// While the ring (ring.cuh) keeps copies under way 8 warps multiply, each warp 32 columns wide. Numbers are bf16, f16, or
// f32 rounded to tf32, and are summed in f32, in ascending depth whatever the tile.
#pragma once
#include "ring.cuh"
#include "tensor_core.cuh"
#include "tensor_result.cuh"

// 16 rows by 32 bytes of depth, as operand a of an mma; as b, columns 0 to 7 are in 0 and 2, the next in 1 and 3.
template <class P>
__device__ __forceinline__ void read_fragment(u32 (&registers)[4], const typename P::T* panel, u32 row0, u32 step) {
    using T = typename P::T;
    u32 lane = lane_index();
    if constexpr (P::ALONG_DEPTH) {
        ldmatrix_x4(registers, panel + P::place(row0 + lane % 16, step * 2 + lane / 16));
    } else if constexpr (sizeof(T) == 2) {
        ldmatrix_x4_transposed(registers, panel + P::place(step * 16 + lane % 8 + lane / 16 * 8,
                                                        row0 / P::CHUNK + lane / 8 % 2));
    } else {
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            u32 r = row0 + lane / 4 + i % 2 * 8;
            registers[i] = bits_of(panel[P::place(step * 8 + i / 2 * 4 + lane % 4, r / P::CHUNK) + r % P::CHUNK]);
        }
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) registers[i] = to_tf32(f32_of(registers[i]));
    }
}

// The sums of one block: ROWS x COLUMNS, from row0 and column0 on. All 256 threads call its functions.
template <class A, class B, u32 TILE_ROWS, u32 TILE_COLUMNS> struct TensorTile {
    static constexpr u32 ROWS = TILE_ROWS, COLUMNS = TILE_COLUMNS;
    using Operands = Ring<A, B, ROWS, COLUMNS>;
    using T = typename Operands::T;
    static constexpr u32 ACROSS = COLUMNS / 32, DOWN = 8 / ACROSS, WARP_ROWS = ROWS / DOWN;

    f32 sums[WARP_ROWS / 16][4][4];

    static __device__ __forceinline__ u32 warp_row() { return warp_index() / ACROSS * WARP_ROWS; }
    static __device__ __forceinline__ u32 warp_column() { return warp_index() % ACROSS * 32; }

    __device__ __forceinline__ void multiply_stage(const typename Operands::Stage& stage) {
#pragma unroll
        for (u32 step = 0; step < 2; step++) {
            u32 right[2][4];
#pragma unroll
            for (u32 j = 0; j < 2; j++)
                read_fragment<typename Operands::Right>(right[j], stage.right, warp_column() + j * 16, step);
#pragma unroll
            for (u32 i = 0; i < WARP_ROWS / 16; i++) {
                u32 left[4];
                read_fragment<typename Operands::Left>(left, stage.left, warp_row() + i * 16, step);
#pragma unroll
                for (u32 j = 0; j < 4; j++) {
                    u32 b[2] = {right[j / 2][j % 2], right[j / 2][j % 2 + 2]};
                    if constexpr (sizeof(T) == 4) {
                        mma_m16n8k8_tf32(sums[i][j], left, b);
                    } else {
                        mma_m16n8k16<T>(sums[i][j], left, b);
                    }
                }
            }
        }
    }

    // sums = a b over the depths `from` to `end`.
    __device__ __forceinline__ void multiply(const A& a, const B& b, u32 row0, u32 rows, u32 column0, u32 columns,
                                             u32 from, u32 end) {
#pragma unroll
        for (u32 i = 0; i < WARP_ROWS / 16; i++)
            for (u32 j = 0; j < 4; j++)
                for (u32 k = 0; k < 4; k++) sums[i][j][k] = 0;
        Operands::each_stage(a, b, row0, rows, column0, columns, from, end,
                             [&](const typename Operands::Stage& stage, u32) { multiply_stage(stage); });
    }

    // Hands the results to `to`, a TensorResult, eight of a row at a time.
    template <class Result> __device__ __forceinline__ void store(u32 row0, u32 column0, const Result& to) const {
#pragma unroll
        for (u32 i = 0; i < WARP_ROWS / 8; i++) {
            f32 eight[8];
#pragma unroll
            for (u32 k = 0; k < 8; k++) eight[k] = sums[i / 2][k / 2][i % 2 * 2 + k % 2];
            gather_eight(eight);
            u32 column = column0 + warp_column() + lane_index() % 4 * 8;
            to(row0 + warp_row() + i * 8 + lane_index() / 4, column, eight);
        }
    }
};

// Square tiles by their size, of any operands; BLOCKS are to share a multiprocessor, which bounds their registers.
template <u32 TILE> struct TensorKind {
    static constexpr u32 BLOCKS = TILE == 64 ? 2 : 1;
    template <class A, class B> using Of = TensorTile<A, B, TILE, TILE>;
};
