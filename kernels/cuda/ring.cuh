// Operands of a product on their way through shared memory: a ring of stages that cp.async keeps full.
//
// They are given by how they are fetched (loader.cuh), in chunks of 16 bytes. A stage holds 64 bytes of depth of both.
#pragma once
#include "async_copy.cuh"
#include "block.cuh"
#include "loader.cuh"

constexpr u32 RING_THREADS = 256, STAGES = 4;

// An operand in a stage, LINES of 16-byte chunks: a line is a row, along the depth, or one depth, along the rows.
template <class Loader, u32 ROWS> struct Panel {
    using T = typename Loader::Element;
    static constexpr bool ALONG_DEPTH = Loader::major == Major::k;
    static constexpr u32 CHUNK = 16 / sizeof(T), DEPTH = 4 * CHUNK;
    static constexpr u32 CHUNKS = ALONG_DEPTH ? 4 : ROWS / CHUNK, LINES = ALONG_DEPTH ? ROWS : DEPTH;
    static constexpr u32 TOGETHER = RING_THREADS / CHUNKS; // lines of a pass
    static constexpr u32 EACH = LINES < TOGETHER ? 1 : LINES / TOGETHER; // lines of a thread
    static_assert(LINES < TOGETHER || EACH * TOGETHER == LINES, "threads share a panel evenly");

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
            if (LINES < TOGETHER && line(i) >= LINES) break;
            u32 depth = from + (ALONG_DEPTH ? chunk() * CHUNK : line(i)), r = ALONG_DEPTH ? i : 0;
            Chunk found = loader.chunk(row[r], loader.depth(depth));
            bool is_read = found.inside & inside[r] & (depth < end);
            // An offset of 0, not a null pointer that is compared again: that form copied from address 0 on an H200 (NVRTC
            // 13.0.88 left it 5 cycles between the zero and the comparison).
            copy_async<16>(panel + place(line(i), chunk()), loader.data + (is_read ? found.at : 0), is_read);
        }
    }
};

// The ring: both operands of ROWS x COLUMNS results. All threads call its functions.
template <class A, class B, u32 ROWS, u32 COLUMNS> struct Ring {
    using T = typename A::Element;
    using Left = Panel<A, ROWS>;
    using Right = Panel<B, COLUMNS>;
    static constexpr u32 DEPTH = Left::DEPTH;
    struct Stage {
        T left[ROWS * DEPTH], right[COLUMNS * DEPTH];
    };

    // Calls `use(stage, number)` for every stage of the depths `from` to `end`, in ascending order.
    template <class Use>
    static __device__ __forceinline__ void each_stage(const A& a, const B& b, u32 row0, u32 rows, u32 column0,
                                                      u32 columns, u32 from, u32 end, Use use) {
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
        u32 count = ceil_div(end - from, DEPTH);
        for (u32 number = 0; number < count; number++) {
            copy_async_wait<STAGES - 2>();
            block_sync(); // all copies of this stage have landed, and nobody reads the one before it
            fill(number + STAGES - 1);
            use(stages[number % STAGES], number);
        }
    }
};
