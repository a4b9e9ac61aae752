// A matrix product by tiles on the ordinary cores, of f32 that nothing rounds: c[row, column] = sum over depth of
// a(row, depth) b(column, depth).
//
// 32 x 8 threads share ROWS x COLUMNS results. From the ring (ring.cuh) a thread reads 4 depths of a few rows and columns,
// 16 bytes at a time: 8 reads for 64 multiplications of 4 x 4 results, and no two lanes meet in a bank. Every result is
// summed in ascending depth, in chains of CHAIN whose sums are added, whatever the tile: a long chain loses more to
// rounding.
#pragma once
#include "ring.cuh"
#include "tensor_result.cuh"

// Which ROWS rows of a panel each of THREADS threads side by side takes together, and their numbers. Memory that runs
// along the depth is read a row at a time, so there neighbouring threads have neighbouring rows; memory that runs along the
// rows is read some rows at a time.
template <class P, u32 THREADS, u32 ROWS> struct Square {
    static __device__ __forceinline__ u32 row(u32 thread, u32 square, u32 i) {
        return square * ROWS * THREADS + (P::ALONG_DEPTH ? i * THREADS + thread : thread * ROWS + i);
    }
    // numbers[row][depth], of the 4 depths of a chunk.
    static __device__ __forceinline__ void read(f32 (&numbers)[ROWS][4], const f32* panel, u32 thread, u32 square,
                                                u32 chunk) {
        if constexpr (P::ALONG_DEPTH) {
#pragma unroll
            for (u32 i = 0; i < ROWS; i++) {
                Pack<f32, 4> four = load_pack<4>(panel + P::place(row(thread, square, i), chunk));
#pragma unroll
                for (u32 k = 0; k < 4; k++) numbers[i][k] = four[k];
            }
        } else {
            u32 first = row(thread, square, 0);
#pragma unroll
            for (u32 k = 0; k < 4; k++) {
                Pack<f32, ROWS> rows = load_pack<ROWS>(panel + P::place(chunk * 4 + k, first / 4) + first % 4);
#pragma unroll
                for (u32 i = 0; i < ROWS; i++) numbers[i][k] = rows[i];
            }
        }
    }
};

// The sums of one block: ROWS x COLUMNS, from row0 and column0 on. All 256 threads call its functions.
template <class A, class B, u32 TILE_ROWS, u32 TILE_COLUMNS> struct OrdinaryTile {
    static constexpr u32 ROWS = TILE_ROWS, COLUMNS = TILE_COLUMNS, DOWN = 32, ACROSS = RING_THREADS / DOWN;
    static constexpr u32 EACH = ROWS / DOWN, SQUARES = COLUMNS / (4 * ACROSS), CHAIN = 64;
    using Operands = Ring<A, B, ROWS, COLUMNS>;
    using Left = Square<typename Operands::Left, DOWN, EACH>;
    using Right = Square<typename Operands::Right, ACROSS, 4>;
    static_assert((EACH == 2 || EACH == 4) && SQUARES * 4 * ACROSS == COLUMNS, "threads share the results evenly");

    f32 sums[EACH][SQUARES * 4], chain[EACH][SQUARES * 4];

    static __device__ __forceinline__ u32 down() { return threadIdx.x / ACROSS; }
    static __device__ __forceinline__ u32 across() { return threadIdx.x % ACROSS; }

    __device__ __forceinline__ void multiply_stage(const typename Operands::Stage& stage) {
#pragma unroll 1 // other warps hide what reading takes; unrolled, the registers of four chunks are spilled
        for (u32 chunk = 0; chunk < 4; chunk++) {
            f32 left[EACH][4];
            Left::read(left, stage.left, down(), 0, chunk);
#pragma unroll
            for (u32 square = 0; square < SQUARES; square++) {
                f32 right[4][4];
                Right::read(right, stage.right, across(), square, chunk);
#pragma unroll
                for (u32 k = 0; k < 4; k++)
                    for (u32 i = 0; i < EACH; i++)
                        for (u32 j = 0; j < 4; j++) {
                            f32& sum = chain[i][square * 4 + j];
                            sum = mul_add(left[i][k], right[j][k], sum);
                        }
            }
        }
    }

    __device__ __forceinline__ void end_chain() {
#pragma unroll
        for (u32 i = 0; i < EACH; i++)
            for (u32 j = 0; j < SQUARES * 4; j++) {
                sums[i][j] += chain[i][j];
                chain[i][j] = 0;
            }
    }

    // sums = a b over the depths `from` to `end`.
    __device__ __forceinline__ void multiply(const A& a, const B& b, u32 row0, u32 rows, u32 column0, u32 columns,
                                             u32 from, u32 end) {
#pragma unroll
        for (u32 i = 0; i < EACH; i++)
            for (u32 j = 0; j < SQUARES * 4; j++) sums[i][j] = chain[i][j] = 0;
        constexpr u32 STAGES_OF_CHAIN = CHAIN / Operands::DEPTH;
        Operands::each_stage(a, b, row0, rows, column0, columns, from, end,
                             [&](const typename Operands::Stage& stage, u32 number) {
                                 multiply_stage(stage);
                                 if (number % STAGES_OF_CHAIN == STAGES_OF_CHAIN - 1) end_chain();
                             });
        end_chain();
    }

    // Hands the results to `to`, a TensorResult, one at a time: neighbouring lanes have neighbouring columns.
    template <class Result> __device__ __forceinline__ void store(u32 row0, u32 column0, const Result& to) const {
#pragma unroll
        for (u32 i = 0; i < EACH; i++)
            for (u32 square = 0; square < SQUARES; square++)
                for (u32 j = 0; j < 4; j++)
                    to(row0 + Left::row(down(), 0, i), column0 + Right::row(across(), square, j),
                       sums[i][square * 4 + j]);
    }
};

// Tiles by their size, of any operands; BLOCKS are to share a multiprocessor, which bounds their registers.
template <u32 ROWS, u32 COLUMNS, u32 TOGETHER> struct OrdinaryKind {
    static constexpr u32 BLOCKS = TOGETHER;
    template <class A, class B> using Of = OrdinaryTile<A, B, ROWS, COLUMNS>;
};
using SmallOrdinary = OrdinaryKind<64, 32, 3>;
using NarrowOrdinary = OrdinaryKind<128, 32, 2>;
using LargeOrdinary = OrdinaryKind<128, 64, 2>;
