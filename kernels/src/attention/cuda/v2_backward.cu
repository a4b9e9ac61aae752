// The gradients of attention, version 2: on the tensor cores, 16 keys (or queries) a warp, 64 a block.
//
// Idea: a block owns 64 keys and walks over all queries for dk and dv; another kernel's owns 64 queries and walks over all
// keys for dq. So the map is computed twice, but each gradient is summed by one block in a fixed order, in registers, and
// written once: no atomics, the same bits in every run. Turning the map so that a block's own rows are its rows leaves it,
// and its slopes, in registers as left operands of the products that follow. bf16 and f16, sums in f32. Rows of q and k may
// be turned in shared memory by the angles of their positions, and their gradients turned back after they are stored.
//
// Figure: 201 TFLOP/s in bf16, .56 of cuDNN, which is not deterministic (as forward, H200, 2026-11-26).
#include "attention.cuh"
#include "rotary.cuh"
#include "warp_product.cuh"

constexpr u32 OWN = 64;
constexpr f32 LOG2_E = 1.4426950408889634f;

// Rows of a tile that is walked over: fewer of wide heads, whose sums need the registers.
template <u32 WIDTH> constexpr u32 TILE = WIDTH <= 64 ? 64 : 32;

// A block's shared memory: rows of two operands that it owns, and two stages of rows of the other two, of which one is
// filled while the other is used. First of each those of width e, second those of width f.
template <class T, u32 WIDTH> struct Room {
    struct Stage {
        T first[TILE<WIDTH>][PITCH<WIDTH>];
        T second[TILE<WIDTH>][PITCH<WIDTH>];
        f32 lse[TILE<WIDTH>], inner[TILE<WIDTH>]; // where queries are walked over
    };
    T first[OWN][PITCH<WIDTH>];
    T second[OWN][PITCH<WIDTH>];
    Stage stages[2];

    // The two products of own rows and those of a stage: the scores and g v', or both turned.
    template <u32 BLOCKS>
    __device__ __forceinline__ void multiply(u32 row, const Stage& stage, f32 (&scores)[BLOCKS][4],
                                             f32 (&slopes)[BLOCKS][4]) const {
        multiply_by_rows(scores, [&](u32(&a)[4], u32 depth) { load_left(a, first, row, depth); }, stage.first);
        multiply_by_rows(slopes, [&](u32(&a)[4], u32 depth) { load_left(a, second, row, depth); }, stage.second);
    }
};

// dk and dv: a block owns keys.
template <class T, u32 WIDTH>
__device__ __forceinline__ void key_gradients(const Rows<const T>& q, const Rows<const T>& k, const Rows<const T>& v,
                                              const Rows<const T>& g, const f32* lse, const f32* inner,
                                              const Rows<T>& dk, const Rows<T>& dv, const Rotation<f32>& r,
                                              const Shape& s) {
    using Room = Room<T, WIDTH>;
    DYN_SHARED(Room, room);
    u32 tiles = ceil_div(s.keys, OWN), pair = blockIdx.x / tiles, first = blockIdx.x % tiles * OWN;
    u32 row = 16 * warp_index(), column = lane_index() % 4 * 2;
    const T *queries = q.of(pair, s.heads), *cotangents = g.of(pair, s.heads);
    lse += size_t(pair) * s.queries;
    inner += size_t(pair) * s.queries;
    // Queries that are not there are zeros, and so is what they add.
    auto fetch = [&](typename Room::Stage& stage, u32 from) {
        copy_rows(stage.first, queries, q.position, from, s.queries, s.width);
        copy_rows(stage.second, cotangents, g.position, from, s.queries, s.value_width);
        if (threadIdx.x < TILE<WIDTH>) {
            u32 query = from + threadIdx.x;
            bool inside = query < s.queries;
            copy_async<4>(&stage.lse[threadIdx.x], inside ? lse + query : lse, inside);
            copy_async<4>(&stage.inner[threadIdx.x], inside ? inner + query : inner, inside);
        }
    };
    copy_rows(room->first, k.of(pair, s.heads), k.position, first, s.keys, s.width);
    copy_rows(room->second, v.of(pair, s.heads), v.position, first, s.keys, s.value_width);
    fetch(room->stages[0], 0);

    if (r.k) {
        copy_async_wait_all();
        block_sync();
        turn_packs<1, OWN, WIDTH>(&room->first[0][0], PITCH<WIDTH>, first, s.keys, s.width, r.k, r.half);
    }
    f32 of_keys[WIDTH / 8][4] = {}, of_values[WIDTH / 8][4] = {}, scale = s.scale_f32 * LOG2_E;
    for (u32 from = 0, now = 0; from < s.queries; from += TILE<WIDTH>, now ^= 1) {
        // This tile has landed, and nobody reads the other stage any more.
        copy_async_wait_all();
        block_sync();
        if (from + TILE<WIDTH> < s.queries) fetch(room->stages[now ^ 1], from + TILE<WIDTH>);
        typename Room::Stage& stage = room->stages[now];
        if (r.q) {
            turn_packs<1, TILE<WIDTH>, WIDTH>(&stage.first[0][0], PITCH<WIDTH>, from, s.queries, s.width, r.q, r.half);
            block_sync();
        }
        f32 map[TILE<WIDTH> / 8][4] = {}, slopes[TILE<WIDTH> / 8][4] = {};
        room->multiply(row, stage, map, slopes);
#pragma unroll
        for (u32 j = 0; j < TILE<WIDTH> / 8; j++)
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                u32 query = 8 * j + column + i % 2;
                map[j][i] = exp2_fast(mul_add(map[j][i], scale, -stage.lse[query] * LOG2_E));
                slopes[j][i] = map[j][i] * (slopes[j][i] - stage.inner[query]);
            }
        multiply_by_columns(of_values, map, stage.second);
        multiply_by_columns(of_keys, slopes, stage.first);
    }
    copy_async_wait_all();
    store_rows(dk.of(pair, s.heads), dk.position, first + row, s.keys, s.width, of_keys, s.scale_f32, s.scale_f32);
    store_rows(dv.of(pair, s.heads), dv.position, first + row, s.keys, s.value_width, of_values, 1, 1);
    if (r.k) {
        block_sync();
        T* own = dk.of(pair, s.heads) + first * dk.position;
        turn_packs<-1, OWN, WIDTH>(own, dk.position, first, s.keys, s.width, r.k, r.half);
    }
}

// dq: a block owns queries.
template <class T, u32 WIDTH>
__device__ __forceinline__ void query_gradient(const Rows<const T>& q, const Rows<const T>& k, const Rows<const T>& v,
                                               const Rows<const T>& g, const f32* lse, const f32* inner,
                                               const Rows<T>& dq, const Rotation<f32>& r, const Shape& s) {
    using Room = Room<T, WIDTH>;
    DYN_SHARED(Room, room);
    u32 tiles = ceil_div(s.queries, OWN), pair = blockIdx.x / tiles, first = blockIdx.x % tiles * OWN;
    u32 row = 16 * warp_index(), column = lane_index() % 4 * 2;
    const T *keys = k.of(pair, s.heads), *values = v.of(pair, s.heads);
    auto fetch = [&](typename Room::Stage& stage, u32 from) {
        copy_rows(stage.first, keys, k.position, from, s.keys, s.width);
        copy_rows(stage.second, values, v.position, from, s.keys, s.value_width);
    };
    copy_rows(room->first, q.of(pair, s.heads), q.position, first, s.queries, s.width);
    copy_rows(room->second, g.of(pair, s.heads), g.position, first, s.queries, s.value_width);
    fetch(room->stages[0], 0);
    f32 shift[2], own_inner[2]; // of this lane's two rows
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
        u32 query = first + row + lane_index() / 4 + 8 * half;
        size_t at = size_t(pair) * s.queries + query;
        shift[half] = query < s.queries ? -lse[at] * LOG2_E : 0.0f;
        own_inner[half] = query < s.queries ? inner[at] : 0.0f;
    }

    if (r.q) {
        copy_async_wait_all();
        block_sync();
        turn_packs<1, OWN, WIDTH>(&room->first[0][0], PITCH<WIDTH>, first, s.queries, s.width, r.q, r.half);
    }
    f32 sums[WIDTH / 8][4] = {}, scale = s.scale_f32 * LOG2_E;
    for (u32 from = 0, now = 0; from < s.keys; from += TILE<WIDTH>, now ^= 1) {
        copy_async_wait_all();
        block_sync();
        if (from + TILE<WIDTH> < s.keys) fetch(room->stages[now ^ 1], from + TILE<WIDTH>);
        typename Room::Stage& stage = room->stages[now];
        if (r.k) {
            turn_packs<1, TILE<WIDTH>, WIDTH>(&stage.first[0][0], PITCH<WIDTH>, from, s.keys, s.width, r.k, r.half);
            block_sync();
        }
        f32 map[TILE<WIDTH> / 8][4] = {}, slopes[TILE<WIDTH> / 8][4] = {};
        room->multiply(row, stage, map, slopes);
#pragma unroll
        for (u32 j = 0; j < TILE<WIDTH> / 8; j++)
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                f32 weight = exp2_fast(mul_add(map[j][i], scale, shift[i / 2]));
                slopes[j][i] = weight * (slopes[j][i] - own_inner[i / 2]);
            }
        if (from + TILE<WIDTH> > s.keys) {
            // Of keys that are not there the exponential may be infinite, and that times their zeros NaN.
#pragma unroll
            for (u32 j = 0; j < TILE<WIDTH> / 8; j++)
#pragma unroll
                for (u32 i = 0; i < 4; i++)
                    if (from + 8 * j + column + i % 2 >= s.keys) slopes[j][i] = 0;
        }
        multiply_by_columns(sums, slopes, stage.first);
    }
    copy_async_wait_all();
    store_rows(dq.of(pair, s.heads), dq.position, first + row, s.queries, s.width, sums, s.scale_f32, s.scale_f32);
    if (r.q) {
        block_sync();
        T* own = dq.of(pair, s.heads) + first * dq.position;
        turn_packs<-1, OWN, WIDTH>(own, dq.position, first, s.queries, s.width, r.q, r.half);
    }
}

#define KERNEL(T, WIDTH)                                                                                               \
    extern "C" __global__ void __launch_bounds__(128) attention_dq_v2_##T##_##WIDTH(Rows<const T> q, Rows<const T> k,  \
        Rows<const T> v, Rows<const T> g, const f32* lse, const f32* inner, Rows<T> dq, Rotation<f32> r, Shape s) {    \
        query_gradient<T, WIDTH>(q, k, v, g, lse, inner, dq, r, s); }                                                  \
    REGISTER_KERNEL(attention_dq_v2_##T##_##WIDTH);                                                                    \
    extern "C" __global__ void __launch_bounds__(128, WIDTH > 64 ? 2 : 3) attention_dkdv_v2_##T##_##WIDTH(Rows<const T> q, Rows<const T> k,\
        Rows<const T> v, Rows<const T> g, const f32* lse, const f32* inner, Rows<T> dk, Rows<T> dv, Rotation<f32> r, Shape s) { \
        key_gradients<T, WIDTH>(q, k, v, g, lse, inner, dk, dv, r, s); }                                               \
    REGISTER_KERNEL(attention_dkdv_v2_##T##_##WIDTH);
#define KERNELS(T) KERNEL(T, 16) KERNEL(T, 32) KERNEL(T, 64) KERNEL(T, 96) KERNEL(T, 128)

KERNELS(bf16)
KERNELS(f16)
