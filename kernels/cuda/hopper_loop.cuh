// A matrix product by tiles on Hopper: c[row, column] = sum over depth of a(row, depth) b(column, depth), in f32.
//
// The first warpgroup of a block, the producer, keeps a ring of stages full; each of the others multiplies 64 rows by
// all columns of a tile, straight from shared memory (wgmma). How a stage is filled comes from outside: by the TMA unit
// where operands are matrices, by threads that gather where they are pictures (hopper_gather.cuh). Blocks stay and take
// tile after tile, so that copies for the next are under way while results leave. Sums go in ascending depth whatever
// the tile.
#pragma once
#include "hopper.cuh"
#include "tensor_result.cuh"

#ifdef HOPPER

constexpr u32 STAGES = 4, DEPTH = 64, WARPGROUP = 128; // 64 deep: a swizzle row of 128 bytes

// K-major operands are a swizzle row for each row; MN-major ones a panel for each 64 rows, a swizzle row for each depth.
template <class Number, u32 ROWS, u32 COLUMNS> struct Ring {
    using T = Number;
    static constexpr u32 TILE_ROWS = ROWS, TILE_COLUMNS = COLUMNS, PANEL = 64 * DEPTH, CONSUMERS = ROWS / 64;
    T left[STAGES][ROWS * DEPTH], right[STAGES][COLUMNS * DEPTH];
    Mbarrier full[STAGES], empty[STAGES];
};

// Which stage comes next, and the parity of its round.
struct Turn {
    u32 stage = 0, round = 0;

    __device__ __forceinline__ void next() {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        round ^= stage == 0;
    }
};

// As `Tiles` in `hopper_loop.rs`: rows go fastest, then columns, products, and the shares of the depth.
struct Tiles {
    u32 count, rows, columns, depth, share;
    Divisor down, across, products;

    // `other` counts the products of all shares.
    struct Place {
        u32 row, column, product, other, from, end;
    };
    template <class Ring> __device__ __forceinline__ Place place(u32 tile) const {
        auto [rest, row] = down.split(tile);
        auto [other, column] = across.split(rest);
        auto [part, product] = products.split(other);
        u32 from = part * share, end = from + share < depth ? from + share : depth;
        return {row * Ring::TILE_ROWS, column * Ring::TILE_COLUMNS, product, other, from, end};
    }
};

// Orders an operand's part of a stage, LINES rows from `row` on, of the TMA unit.
template <Major major, u32 LINES, class T>
__device__ __forceinline__ void load_rows(T* part, const TensorMap& map, Mbarrier& full, u32 row, u32 depth,
                                          u32 product) {
    if constexpr (major == Major::k) {
        tma_load_3d(part, map, full, depth, row, product);
    } else {
#pragma unroll
        for (u32 i = 0; i < LINES; i += 64) tma_load_3d(part + i * DEPTH, map, full, row + i, depth, product);
    }
}

// From `depth` of a part on, 16 deep.
template <Major major, class T> __device__ __forceinline__ u64 descriptor(const T* part, u32 depth) {
    if constexpr (major == Major::k) {
        return k_major_descriptor<Swizzle::bytes_128>(part + depth);
    } else {
        return mn_major_descriptor<Swizzle::bytes_128>(part + depth * 64, 64 * DEPTH * sizeof(T));
    }
}

// The sums of a tile for 64 of its rows.
template <Major a_major, Major b_major, class Ring, u32 COLUMNS = Ring::TILE_COLUMNS>
__device__ __forceinline__ void consume(f32 (&sums)[COLUMNS / 2], Ring& ring, Turn& turn, u32 consumer, u32 from,
                                        u32 end) {
    using T = typename Ring::T;
    bool leads = threadIdx.x % WARPGROUP == 0;
    u32 before = STAGES; // the stage that the products of the last round may still read
    for (u32 depth = from; depth < end; depth += DEPTH, turn.next()) {
        mbarrier_wait(ring.full[turn.stage], turn.round);
        wgmma_fence(sums);
        // 64 rows, or a panel of them.
        const T *left = ring.left[turn.stage] + consumer * Ring::PANEL, *right = ring.right[turn.stage];
#pragma unroll
        for (u32 i = 0; i < DEPTH; i += 16) {
            wgmma<T, int(COLUMNS), a_major, b_major>(sums, descriptor<a_major>(left, i), descriptor<b_major>(right, i),
                                                     depth + i > from);
        }
        wgmma_commit();
        wgmma_wait<1>(); // those of the stage before have ended
        if (before != STAGES && leads) mbarrier_arrive(ring.empty[before]);
        before = turn.stage;
    }
    wgmma_wait<0>(sums);
    if (leads) mbarrier_arrive(ring.empty[before]);
}

// Calls `store(row, column, f32 (&)[8])` with eight sums from column on, for every eight of a warpgroup's rows.
template <u32 HALF, class Store>
__device__ __forceinline__ void each_eight(const f32 (&sums)[HALF], u32 row0, u32 column0, Store store) {
    u32 row = row0 + threadIdx.x % WARPGROUP / WARP * 16 + lane_index() / 4;
#pragma unroll
    for (u32 i = 0; i < HALF / 16; i++) {
#pragma unroll
        for (u32 half = 0; half < 2; half++) {
            f32 eight[8];
#pragma unroll
            for (u32 k = 0; k < 8; k++) eight[k] = sums[i * 16 + k / 2 * 4 + half * 2 + k % 2];
            gather_eight(eight);
            store(row + half * 8, column0 + i * 32 + lane_index() % 4 * 8, eight);
        }
    }
}

// All tiles of a launch, none of which is without depth. `produce(ring)` is called by the producer: it fills the stages
// of tiles blockIdx.x, blockIdx.x + gridDim.x, .., in that order, and `arrivals` threads tell of each. `result(place)`
// says where a tile's sums go.
template <Major a_major, Major b_major, class Ring, class Produce, class Result>
__device__ __forceinline__ void hopper_loop(const Tiles& tiles, u32 arrivals, Produce produce, Result result) {
    DYN_SHARED(Ring, rings);
    Ring& ring = rings[0];
    if (threadIdx.x == 0) {
        for (u32 i = 0; i < STAGES; i++) {
            mbarrier_init(ring.full[i], arrivals);
            mbarrier_init(ring.empty[i], Ring::CONSUMERS);
        }
        fence_barrier_init();
    }
    block_sync();
    if (threadIdx.x < WARPGROUP) {
        produce(ring);
        return;
    }
    u32 consumer = threadIdx.x / WARPGROUP - 1;
    Turn turn;
    for (u32 tile = blockIdx.x; tile < tiles.count; tile += gridDim.x) {
        auto place = tiles.template place<Ring>(tile);
        f32 sums[Ring::TILE_COLUMNS / 2];
        consume<a_major, b_major>(sums, ring, turn, consumer, place.from, place.end);
        each_eight(sums, place.row + consumer * 64, place.column, result(place));
    }
}

#endif
