// A matrix product by tiles on the tensor cores: c[row, column] = sum over depth of a(row, depth) b(column, depth).
//
// As in tile.cuh the operands are given by how they are fetched: here by the loaders of loader.cuh, in chunks of 16 bytes
// that cp.async brings to shared memory. A ring of STAGES stages of 64 bytes of depth keeps copies under way while 8 warps
// multiply, each warp 32 columns wide. Numbers are bf16, f16, or f32 rounded to tf32, and are summed in f32, in ascending
// depth whatever the tile.
#pragma once
#include "async_copy.cuh"
#include "loader.cuh"
#include "tensor_core.cuh"
#include "tensor_result.cuh"

constexpr u32 TENSOR_THREADS = 256, STAGES = 4;

// An operand in a stage, LINES of 16-byte chunks: a line is a row, along the depth, or one depth, along the rows.
template <class Loader, u32 ROWS> struct Panel {
    using T = typename Loader::Element;
    static constexpr bool ALONG_DEPTH = Loader::major == Major::k;
    static constexpr u32 CHUNK = 16 / sizeof(T), DEPTH = 4 * CHUNK;
    static constexpr u32 CHUNKS = ALONG_DEPTH ? 4 : ROWS / CHUNK, LINES = ALONG_DEPTH ? ROWS : DEPTH;
    static constexpr u32 TOGETHER = TENSOR_THREADS / CHUNKS, EACH = LINES / TOGETHER; // lines: of a pass, of a thread
    static_assert(EACH * TOGETHER == LINES, "threads share a panel evenly");

    const Loader& loader;
    u32 rows, end;
    typename Loader::Row row[ALONG_DEPTH ? EACH : 1];
    bool inside[ALONG_DEPTH ? EACH : 1];

    // `rows` and `end` bound the operand.
    __device__ __forceinline__ Panel(const Loader& loader, u32 row0, u32 rows, u32 end)
        : loader(loader), rows(rows), end(end) {
#pragma unroll
        for (u32 i = 0; i < (ALONG_DEPTH ? EACH : 1); i++) {
            u32 index = row0 + (ALONG_DEPTH ? line(i) : chunk() * CHUNK);
            inside[i] = index < rows;
            row[i] = loader.row(inside[i] ? index : 0);
        }
    }

    static __device__ __forceinline__ u32 chunk() { return threadIdx.x % CHUNKS; }
    static __device__ __forceinline__ u32 line(u32 i) { return threadIdx.x / CHUNKS + i * TOGETHER; }

    // Chunks are permuted so that neither the copies' writes nor the 8 chunks of one matrix meet in a bank.
    static __device__ __forceinline__ u32 place(u32 line, u32 chunk) {
        u32 turned = chunk ^ (ALONG_DEPTH ? line / 2 % 4 : sizeof(T) == 2 ? line % 8 : line % 4 * 2);
        return (line * CHUNKS + turned) * CHUNK;
    }

    __device__ __forceinline__ void fill(T* panel, u32 from) const {
#pragma unroll
        for (u32 i = 0; i < EACH; i++) {
            u32 depth = from + (ALONG_DEPTH ? chunk() * CHUNK : line(i)), r = ALONG_DEPTH ? i : 0;
            Chunk found = loader.chunk(row[r], loader.depth(depth));
            const T* source = inside[r] && depth < end && found.inside ? loader.data + found.at : nullptr;
            copy_async<16>(panel + place(line(i), chunk()), source ? source : loader.data, source != nullptr);
        }
    }

    // 16 rows by 32 bytes of depth, as operand a of an mma; as b, columns 0 to 7 are in 0 and 2, the next in 1 and 3.
    static __device__ __forceinline__ void read(u32 (&registers)[4], const T* panel, u32 row0, u32 step) {
        u32 lane = lane_index();
        if constexpr (ALONG_DEPTH) {
            ldmatrix_x4(registers, panel + place(row0 + lane % 16, step * 2 + lane / 16));
        } else if constexpr (sizeof(T) == 2) {
            ldmatrix_x4_transposed(registers, panel + place(step * 16 + lane % 8 + lane / 16 * 8,
                                                            row0 / CHUNK + lane / 8 % 2));
        } else {
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                u32 r = row0 + lane / 4 + i % 2 * 8;
                registers[i] = bits_of(panel[place(step * 8 + i / 2 * 4 + lane % 4, r / CHUNK) + r % CHUNK]);
            }
        }
        if constexpr (sizeof(T) == 4) {
#pragma unroll
            for (u32 i = 0; i < 4; i++) registers[i] = to_tf32(f32_of(registers[i]));
        }
    }
};

// The sums of one block: ROWS x COLUMNS, from row0 and column0 on. All 256 threads call its functions.
template <class A, class B, u32 ROWS, u32 COLUMNS> struct TensorTile {
    using T = typename A::Element;
    using Left = Panel<A, ROWS>;
    using Right = Panel<B, COLUMNS>;
    static constexpr u32 DEPTH = Left::DEPTH, ACROSS = COLUMNS / 32, DOWN = 8 / ACROSS, WARP_ROWS = ROWS / DOWN;
    struct Stage {
        T left[ROWS * DEPTH], right[COLUMNS * DEPTH];
    };

    f32 sums[WARP_ROWS / 16][4][4];

    static __device__ __forceinline__ u32 warp_row() { return warp_index() / ACROSS * WARP_ROWS; }
    static __device__ __forceinline__ u32 warp_column() { return warp_index() % ACROSS * 32; }

    __device__ __forceinline__ void multiply_stage(const Stage& stage) {
#pragma unroll
        for (u32 step = 0; step < 2; step++) {
            u32 right[2][4];
#pragma unroll
            for (u32 j = 0; j < 2; j++) Right::read(right[j], stage.right, warp_column() + j * 16, step);
#pragma unroll
            for (u32 i = 0; i < WARP_ROWS / 16; i++) {
                u32 left[4];
                Left::read(left, stage.left, warp_row() + i * 16, step);
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
        DYN_SHARED(Stage, stages);
        Left left(a, row0, rows, end);
        Right right(b, column0, columns, end);
        auto fill = [&](u32 number) {
            u32 depth = from + number * DEPTH;
            if (depth < end) {
                left.fill(stages[number % STAGES].left, depth);
                right.fill(stages[number % STAGES].right, depth);
            }
            copy_async_commit(); // also of nothing: waits count groups
        };
        block_sync(); // the last product's stages may still be read
#pragma unroll
        for (u32 i = 0; i + 1 < STAGES; i++) fill(i);
#pragma unroll
        for (u32 i = 0; i < WARP_ROWS / 16; i++)
            for (u32 j = 0; j < 4; j++)
                for (u32 k = 0; k < 4; k++) sums[i][j][k] = 0;
        u32 count = ceil_div(end - from, DEPTH);
        for (u32 number = 0; number < count; number++) {
            copy_async_wait<STAGES - 2>();
            block_sync(); // all copies of this stage have landed, and nobody reads the one before it
            fill(number + STAGES - 1);
            multiply_stage(stages[number % STAGES]);
        }
    }

    // Calls `store(row, column, f32 (&)[8])` with eight sums from column on, for every eight of the tile.
    template <class Store> __device__ __forceinline__ void each_eight(u32 row0, u32 column0, Store store) const {
#pragma unroll
        for (u32 i = 0; i < WARP_ROWS / 8; i++) {
            f32 eight[8];
#pragma unroll
            for (u32 k = 0; k < 8; k++) eight[k] = sums[i / 2][k / 2][i % 2 * 2 + k % 2];
            gather_eight(eight);
            u32 column = column0 + warp_column() + lane_index() % 4 * 8;
            store(row0 + warp_row() + i * 8 + lane_index() / 4, column, eight);
        }
    }
};
