// Attention, version 2: on the tensor cores, 16 queries a warp, 64 a block.
//
// Idea: the queries stay in registers; tiles of keys and values pass through shared memory, the next on its way while one
// is worked on (cp.async). The scores of a tile are left in registers in the layout in which they are, once exponentials
// are taken, the left operand of their product with the values (FlashAttention-2, Dao 2023). bf16 and f16, sums in f32.
// Queries, and keys in every block again, may be turned in shared memory by the angles of their positions.
//
// Figure: 248 TFLOP/s in bf16, .58 of cuDNN (16 x 16 heads, 1024 tokens, 64 wide, H200, 2026-11-26).
#include "attention.cuh"
#include "rotary.cuh"
#include "warp_product.cuh"

constexpr u32 QUERIES = 64;
constexpr f32 LOG2_E = 1.4426950408889634f;

// Keys of a tile: fewer of wide heads, whose sums need the registers.
template <u32 WIDTH> constexpr u32 KEYS = WIDTH <= 64 ? 64 : 32;

template <class T, u32 WIDTH> struct KeysAndValues {
    T keys[KEYS<WIDTH>][PITCH<WIDTH>];
    T values[KEYS<WIDTH>][PITCH<WIDTH>];
};

// The softmax of two rows a lane, row by row the same in the four lanes that share it, but for `total`.
struct Running {
    f32 most[2] = {-INFINITY, -INFINITY}; // of the unscaled scores
    f32 total[2] = {0, 0};                // of this lane's columns

    // Turns scores into their exponentials, less than the maximum so far; what was summed before is to be multiplied by
    // `keep`. `scale` is positive, with log2(e) in it.
    template <u32 BLOCKS> __device__ __forceinline__ void take(f32 (&scores)[BLOCKS][4], f32 scale, f32 (&keep)[2]) {
#pragma unroll
        for (u32 half = 0; half < 2; half++) {
            f32 higher = most[half], sum = 0;
#pragma unroll
            for (u32 j = 0; j < BLOCKS; j++)
                higher = fmaxf(higher, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
            higher = fmaxf(higher, __shfl_xor_sync(FULL_WARP, higher, 1));
            higher = fmaxf(higher, __shfl_xor_sync(FULL_WARP, higher, 2));
            // All -inf so far: the difference would be NaN.
            f32 shift = higher == -INFINITY ? 0.0f : higher * scale;
            keep[half] = exp2_fast(mul_add(most[half], scale, -shift));
#pragma unroll
            for (u32 j = 0; j < BLOCKS; j++)
#pragma unroll
                for (u32 i = 2 * half; i < 2 * half + 2; i++) {
                    scores[j][i] = exp2_fast(mul_add(scores[j][i], scale, -shift));
                    sum += scores[j][i];
                }
            total[half] = mul_add(total[half], keep[half], sum);
            most[half] = higher;
        }
    }
};

template <class T, u32 WIDTH>
__device__ __forceinline__ void forward(const Rows<const T>& q, const Rows<const T>& k, const Rows<const T>& v,
                                        const Rows<T>& out, f32* lse, const Rotation<f32>& r, const Shape& s) {
    using Stage = KeysAndValues<T, WIDTH>;
    DYN_SHARED(Stage, stages); // two
    u32 tiles = ceil_div(s.queries, QUERIES), pair = blockIdx.x / tiles, first = blockIdx.x % tiles * QUERIES;
    u32 lane = lane_index(), row = 16 * warp_index();
    const T *keys = k.of(pair, s.heads), *values = v.of(pair, s.heads);
    auto fetch = [&](u32 stage, u32 from) {
        copy_rows(stages[stage].keys, keys, k.position, from, s.keys, s.width);
        copy_rows(stages[stage].values, values, v.position, from, s.keys, s.value_width);
    };

    // The queries pass through what is not yet needed of the second stage.
    T(&queries)[QUERIES][PITCH<WIDTH>] = *reinterpret_cast<T(*)[QUERIES][PITCH<WIDTH>]>(&stages[1]);
    static_assert(sizeof(queries) <= sizeof(Stage), "a stage holds the queries");
    copy_rows(queries, q.of(pair, s.heads), q.position, first, s.queries, s.width);
    fetch(0, 0);
    copy_async_wait_all();
    block_sync();
    if (r.q) {
        turn_packs<1, QUERIES, WIDTH>(&queries[0][0], PITCH<WIDTH>, first, s.queries, s.width, r.q, r.half);
        block_sync();
    }
    u32 own[WIDTH / 16][4];
#pragma unroll
    for (u32 i = 0; i < WIDTH / 16; i++) load_left(own[i], queries, row, 16 * i);
    auto left = [&](u32(&a)[4], u32 depth) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) a[i] = own[depth / 16][i];
    };

    Running running;
    f32 sums[WIDTH / 8][4] = {}, scale = s.scale_f32;
    for (u32 from = 0, stage = 0; from < s.keys; from += KEYS<WIDTH>, stage ^= 1) {
        // This tile has landed, and nobody reads the other stage any more.
        copy_async_wait_all();
        block_sync();
        if (from + KEYS<WIDTH> < s.keys) fetch(stage ^ 1, from + KEYS<WIDTH>);
        if (r.k) {
            turn_packs<1, KEYS<WIDTH>, WIDTH>(&stages[stage].keys[0][0], PITCH<WIDTH>, from, s.keys, s.width, r.k, r.half);
            block_sync();
        }
        f32 scores[KEYS<WIDTH> / 8][4] = {}, keep[2];
        multiply_by_rows(scores, left, stages[stage].keys);
        if (from + KEYS<WIDTH> > s.keys) {
#pragma unroll
            for (u32 j = 0; j < KEYS<WIDTH> / 8; j++)
#pragma unroll
                for (u32 i = 0; i < 4; i++)
                    if (from + 8 * j + lane % 4 * 2 + i % 2 >= s.keys) scores[j][i] = -INFINITY;
        }
        running.take(scores, scale * LOG2_E, keep);
#pragma unroll
        for (u32 j = 0; j < WIDTH / 8; j++)
#pragma unroll
            for (u32 i = 0; i < 4; i++) sums[j][i] *= keep[i / 2];
        multiply_by_columns(sums, scores, stages[stage].values);
    }

    f32 factor[2];
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
        f32 total = running.total[half];
        total += __shfl_xor_sync(FULL_WARP, total, 1);
        total += __shfl_xor_sync(FULL_WARP, total, 2);
        factor[half] = s.keys ? 1.0f / total : 0.0f;
        u32 query = first + row + lane / 4 + 8 * half;
        if (lane % 4 == 0 && query < s.queries)
            lse[size_t(pair) * s.queries + query] = mul_add(running.most[half], scale, logf(total));
    }
    store_rows(out.of(pair, s.heads), out.position, first + row, s.queries, s.value_width, sums, factor[0], factor[1]);
}

#define KERNEL(T, WIDTH)                                                                                               \
    extern "C" __global__ void __launch_bounds__(128) attention_v2_##T##_##WIDTH(Rows<const T> q, Rows<const T> k,     \
        Rows<const T> v, Rows<T> out, f32* lse, Rotation<f32> r, Shape s) {                                            \
        forward<T, WIDTH>(q, k, v, out, lse, r, s); }                                                                  \
    REGISTER_KERNEL(attention_v2_##T##_##WIDTH);
#define KERNELS(T) KERNEL(T, 16) KERNEL(T, 32) KERNEL(T, 64) KERNEL(T, 96) KERNEL(T, 128)

KERNELS(bf16)
KERNELS(f16)
