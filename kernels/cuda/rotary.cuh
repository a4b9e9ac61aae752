// Rotary position embedding of the rows of q and k inside attention: turned where they lie in shared memory, gradients
// turned back where they were stored. `Rotation` is passed as Rust has it in `src/attention/cuda/operands.rs`.
#pragma once
#include "strided.cuh"

// Tables [2, positions, width / 2] of cosines, then sines, of q and of k: null where nothing is turned. The numbers of a pair
// are neighbours, or `half` apart in each block of twice that.
template <class Wide> struct Rotation {
    const Wide *q, *k;
    u32 half, interleaved;
};

template <class Wide> struct Turned {
    Wide first, second;
    __device__ __forceinline__ Turned(Wide a, Wide b, Wide cos, Wide sin)
        : first(a * cos - b * sin), second(b * cos + a * sin) {}
};

// Turns `count` rows, `step` apart, of positions `from`, `from + 1`.. below `limit`, by a table of `limit` positions; back
// where SIGN is -1. The block shares the work: what it reads must be visible to all, and a barrier must follow.
template <int SIGN, class T, class Wide>
__device__ __forceinline__ void turn_rows(T* rows, u64 step, u32 from, u32 count, u32 limit, u32 width,
                                          const Wide* table, const Rotation<Wide>& r) {
    u32 pairs = width / 2;
#pragma unroll 1
    for (u32 i = threadIdx.x; i < count * pairs; i += blockDim.x) {
        u32 row = i / pairs, pair = i % pairs, position = from + row;
        if (position >= limit) break;
        u32 a = r.interleaved ? 2 * pair : pair / r.half * 2 * r.half + pair % r.half;
        T *left = rows + row * step + a, *right = left + (r.interleaved ? 1 : r.half);
        const Wide* cos = table + size_t(position) * pairs + pair;
        Turned<Wide> turned(to<Wide>(*left), to<Wide>(*right), *cos, Wide(SIGN) * cos[size_t(limit) * pairs]);
        *left = to<T>(turned.first);
        *right = to<T>(turned.second);
    }
}

// The same of rows of 16-bit numbers that begin at multiples of 8 bytes, by 128 threads, four pairs at a time: `half` is a
// multiple of four, and pairs are not neighbours. A call, because sums fill the registers of the kernels that turn.
template <int SIGN, u32 COUNT, u32 WIDTH, class T>
__device__ __noinline__ void turn_packs(T* rows, u64 step, u32 from, u32 limit, u32 width, const f32* table,
                                        u32 half) {
    constexpr u32 THREADS = 128, PACKS = WIDTH / 8;
#pragma unroll 1
    for (u32 i = threadIdx.x; i < COUNT * PACKS; i += THREADS) {
        u32 row = i / PACKS, pair = i % PACKS * 4, position = from + row;
        if (position >= limit || 2 * pair >= width) continue;
        T* left = rows + row * step + pair / half * 2 * half + pair % half;
        const f32* angle = table + (size_t(position) * width / 2 + pair);
        Pack<f32, 4> cos = load_pack<4>(angle), sin = load_pack<4>(angle + size_t(limit) * width / 2);
        Pack<T, 4> a = load_pack<4>(left), b = load_pack<4>(left + half);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            Turned<f32> turned(to_f32(a[j]), to_f32(b[j]), cos[j], SIGN * sin[j]);
            a[j] = to<T>(turned.first);
            b[j] = to<T>(turned.second);
        }
        store_pack(left, a);
        store_pack(left + half, b);
    }
}
