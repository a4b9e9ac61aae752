// Layer norm v2, forward: a warp a row, or a block where rows are long. The row waits in shared memory, each lane's packs
// of 16 bytes where only it reads them: x is read once, y written once, and nothing but sums passes between lanes.
//
// Figure: not yet measured.
#include "norm.cuh"

// A row and those who share it: the lanes of a warp, or the threads of a block.
template <class T, bool WHOLE_BLOCK> struct Row {
    static constexpr int LANES = 16 / sizeof(T);
    u32 row, sample, packs, lane, lanes, slot;
    size_t start;

    __device__ __forceinline__ Row(const Shape& s) {
        packs = s.channels / LANES;
        lane = WHOLE_BLOCK ? threadIdx.x : lane_index();
        lanes = WHOLE_BLOCK ? blockDim.x : WARP;
        row = WHOLE_BLOCK ? blockIdx.x : blockIdx.x * (blockDim.x / WARP) + warp_index();
        slot = WHOLE_BLOCK ? 0 : warp_index() * packs;
        sample = row / s.positions;
        start = size_t(row) * s.channels;
    }
    __device__ __forceinline__ void hold(const T* x, Pack<T, LANES>* held) const {
        for (u32 i = lane; i < packs; i += lanes) copy_async<16>(held + slot + i, x + start + i * LANES);
    }
    // f(number of a pack) of the thread's packs.
    template <class F> __device__ __forceinline__ void each(F f) const {
        for (u32 i = lane; i < packs; i += lanes) f(i);
    }
    __device__ __forceinline__ f32 sum(f32 x CALLER) const {
        if constexpr (WHOLE_BLOCK) return block_sum(x AT_CALLER);
        else return warp_sum(x);
    }
};

// Gain and offset of a pack of channels, by loads of 16 bytes.
template <class T, int LANES>
__device__ __forceinline__ void affine_of(const Affine<T>& affine, u32 sample, u32 channel, f32 (&gain)[LANES],
                                          f32 (&offset)[LANES]) {
    f32 widening[LANES];
    auto load = [&](const T* from, f32 (&to)[LANES], f32 otherwise) {
        if (from) {
            widen(load_pack<LANES>(from), to);
        } else {
#pragma unroll
            for (int i = 0; i < LANES; i++) to[i] = otherwise;
        }
    };
    load(affine.weight ? affine.weight + channel : nullptr, gain, 1);
    load(affine.bias ? affine.bias + channel : nullptr, offset, 0);
    if (affine.scale) {
        load(affine.scale + sample * affine.scale_stride + channel, widening, 0);
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            gain[i] *= 1.0f + widening[i];
            offset[i] *= 1.0f + widening[i];
        }
    }
    if (affine.shift) {
        load(affine.shift + sample * affine.shift_stride + channel, widening, 0);
#pragma unroll
        for (int i = 0; i < LANES; i++) offset[i] += widening[i];
    }
}

template <class T, bool WHOLE_BLOCK>
__device__ void forward(const T* x, const Affine<T>& affine, T* y, f32* mean, f32* rstd, const Shape& s) {
    using Own = Row<T, WHOLE_BLOCK>;
    constexpr int LANES = Own::LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, all);
    Own row(s);
    if (row.row >= s.samples * s.positions) return; // a whole warp
    Held* held = all + row.slot;
    row.hold(x, all);
    copy_async_wait_all();
    f32 sum = 0, squares = 0;
    row.each([&](u32 pack) {
        f32 v[LANES];
        widen(held[pack], v);
#pragma unroll
        for (int i = 0; i < LANES; i++) sum += v[i];
    });
    f32 m = row.sum(sum) / f32(s.channels);
    row.each([&](u32 pack) {
        f32 v[LANES];
        widen(held[pack], v);
#pragma unroll
        for (int i = 0; i < LANES; i++) squares = mul_add(v[i] - m, v[i] - m, squares);
    });
    f32 r = 1.0f / root(row.sum(squares) / f32(s.channels) + f32(s.eps));
    bool silu = s.silu;
    row.each([&](u32 pack) {
        f32 v[LANES], gain[LANES], offset[LANES];
        affine_of(affine, row.sample, pack * LANES, gain, offset);
        widen(held[pack], v);
#pragma unroll
        for (int i = 0; i < LANES; i++) v[i] = mul_add((v[i] - m) * r, gain[i], offset[i]);
        if (silu) {
#pragma unroll
            for (int i = 0; i < LANES; i++) v[i] *= logistic(v[i]);
        }
        store_pack(y + row.start + pack * LANES, rounded<T>(v));
    });
    if (row.lane == 0) {
        mean[row.row] = m;
        rstd[row.row] = r;
    }
}

#define ROWS(T, who, WHOLE_BLOCK)                                                                                      \
    extern "C" __global__ void __launch_bounds__(256, 3) layer_norm_by_##who##_##T(const T* x, Affine<T> affine, T* y, \
        f32* mean, f32* rstd, Shape s) { forward<T, WHOLE_BLOCK>(x, affine, y, mean, rstd, s); }                       \
    REGISTER_KERNEL(layer_norm_by_##who##_##T);

#define KERNELS(T)                                                                                                     \
    ROWS(T, warp, false)                                                                                               \
    ROWS(T, block, true)

KERNELS(f32)
KERNELS(bf16)
KERNELS(f16)
