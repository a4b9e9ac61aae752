// A producer of hopper_loop.cuh that gathers one operand by a loader, and has the TMA unit bring the other.
//
// The producer's threads copy chunks of 16 bytes (cp.async) to where the swizzle of a stage wants them. What they wrote
// wgmma reads through another proxy: each thread waits for its copies, fences, and only then its warp arrives. That
// lags LAG stages behind, which keeps LAG + 1 of them under way. With more the ring would stop: the consumers let go of a
// stage only when the next has come.
#pragma once
#include "async_copy.cuh"
#include "hopper_loop.cuh"
#include "loader.cuh"

#ifdef HOPPER

constexpr u32 LAG = STAGES - 2, GATHER_ARRIVALS = WARPGROUP / WARP + 1; // each warp, and who orders the other operand

// What a thread copies of a stage's part of LINES rows: the same chunk of EACH swizzle rows. Those are rows, or depths.
template <class Loader, u32 LINES> struct Gatherer {
    using T = typename Loader::Element;
    static constexpr bool ALONG_DEPTH = Loader::major == Major::k;
    static constexpr u32 CHUNK = 16 / sizeof(T), CHUNKS = (ALONG_DEPTH ? DEPTH : LINES) / CHUNK;
    static constexpr u32 TOGETHER = WARPGROUP / CHUNKS, EACH = (ALONG_DEPTH ? LINES : DEPTH) / TOGETHER;
    static_assert(sizeof(T) == 2 && TOGETHER % 8 == 0, "a thread's chunks lie alike in their patterns");

    Loader loader;
    u32 end, place;
    typename Loader::Row row[ALONG_DEPTH ? EACH : 1];
    bool inside[ALONG_DEPTH ? EACH : 1];

    // `rows` and `end` bound the operand.
    __device__ __forceinline__ Gatherer(const Loader& loader, u32 row0, u32 rows, u32 end) : loader(loader), end(end) {
        u32 offset = (chunk() / 8 * DEPTH + line(0)) * 128 + chunk() % 8 * 16;
        place = swizzled(offset, Swizzle::bytes_128) / sizeof(T);
#pragma unroll
        for (u32 i = 0; i < (ALONG_DEPTH ? EACH : 1); i++) {
            u32 index = row0 + (ALONG_DEPTH ? line(i) : chunk() * CHUNK);
            inside[i] = index < rows;
            row[i] = loader.row(inside[i] ? index : 0);
        }
    }

    static __device__ __forceinline__ u32 chunk() { return threadIdx.x % CHUNKS; }
    static __device__ __forceinline__ u32 line(u32 i) { return threadIdx.x / CHUNKS + i * TOGETHER; }

    __device__ __forceinline__ void fill(T* part, u32 from) const {
#pragma unroll
        for (u32 i = 0; i < EACH; i++) {
            u32 depth = from + (ALONG_DEPTH ? chunk() * CHUNK : line(i)), r = ALONG_DEPTH ? i : 0;
            Chunk found = loader.chunk(row[r], loader.depth(depth));
            bool is_read = found.inside & inside[r] & (depth < end);
            copy_async<16>(part + place + i * TOGETHER * 64, loader.data + (is_read ? found.at : 0), is_read);
        }
    }
};

// Tells that a stage is full, as far as this warp's copies go.
__device__ __forceinline__ void publish(Mbarrier& full) {
    fence_proxy_async();
    warp_sync();
    if (lane_index() == 0) mbarrier_arrive(full);
}

// `loader(place)` is the operand of a tile, the left one if LEFT; `load(part, full, place, depth)` orders the other's
// part of a stage. All threads of the producer call it.
template <bool LEFT, class Ring, class Loading, class Load>
__device__ __forceinline__ void gather(Ring& ring, const Tiles& tiles, Loading loader, Load load) {
    constexpr u32 ROWS = Ring::TILE_ROWS, COLUMNS = Ring::TILE_COLUMNS;
    constexpr u32 LOADED = (LEFT ? COLUMNS : ROWS) * DEPTH * sizeof(typename Ring::T);
    Turn turn, landed;
    u32 under_way = 0;
    for (u32 tile = blockIdx.x; tile < tiles.count; tile += gridDim.x) {
        auto place = tiles.template place<Ring>(tile);
        Gatherer<decltype(loader(place)), LEFT ? ROWS : COLUMNS> gatherer(
            loader(place), LEFT ? place.row : place.column, LEFT ? tiles.rows : tiles.columns, place.end);
        for (u32 depth = place.from; depth < place.end; depth += DEPTH, turn.next()) {
            Mbarrier& full = ring.full[turn.stage];
            auto *left = ring.left[turn.stage], *right = ring.right[turn.stage];
            mbarrier_wait(ring.empty[turn.stage], turn.round ^ 1);
            if (threadIdx.x == 0) {
                mbarrier_arrive_expect(full, LOADED);
                load(LEFT ? right : left, full, place, depth);
            }
            gatherer.fill(LEFT ? left : right, depth);
            copy_async_commit();
            if (under_way < LAG) {
                under_way++;
                continue;
            }
            copy_async_wait<LAG>();
            publish(ring.full[landed.stage]);
            landed.next();
        }
    }
    copy_async_wait_all();
    for (; landed.stage != turn.stage; landed.next()) publish(ring.full[landed.stage]);
}

#endif
