// Layer norm v2: a warp a row, or a block where rows are long. The row waits in shared memory, each lane's packs of 16
// bytes where only it reads them: x is read once, y written once, and nothing but sums passes between lanes.
//
// The affine gradients read x and g again, in tiles of channels as those of group norm.
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

// dx = r (dz gain - mean(dz gain) - xhat mean(dz gain xhat)), with dz the cotangent of z: g, or g silu'(z).
template <class T, bool WHOLE_BLOCK>
__device__ void backward(const T* x, const Affine<T>& affine, const f32* mean, const f32* rstd, const T* g, T* dx,
                         const Shape& s) {
    using Own = Row<T, WHOLE_BLOCK>;
    constexpr int LANES = Own::LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, all);
    Own row(s);
    if (row.row >= s.samples * s.positions) return; // a whole warp
    Held *held_x = all + row.slot, *all_g = all + row.packs * (WHOLE_BLOCK ? 1 : blockDim.x / WARP);
    Held* held_g = all_g + row.slot;
    row.hold(x, all);
    row.hold(g, all_g);
    f32 m = mean[row.row], r = rstd[row.row], slope = 0, inner = 0;
    bool silu = s.silu;
    copy_async_wait_all();
    auto scaled = [&](u32 pack, f32(&xhat)[LANES], f32(&d)[LANES]) {
        f32 gain[LANES], offset[LANES];
        affine_of(affine, row.sample, pack * LANES, gain, offset);
        widen(held_x[pack], xhat);
        widen(held_g[pack], d);
#pragma unroll
        for (int i = 0; i < LANES; i++) xhat[i] = (xhat[i] - m) * r;
        if (silu) {
#pragma unroll
            for (int i = 0; i < LANES; i++) d[i] *= silu_slope(mul_add(xhat[i], gain[i], offset[i]));
        }
#pragma unroll
        for (int i = 0; i < LANES; i++) d[i] *= gain[i];
    };
    row.each([&](u32 pack) {
        f32 xhat[LANES], d[LANES];
        scaled(pack, xhat, d);
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            slope += d[i];
            inner = mul_add(d[i], xhat[i], inner);
        }
    });
    slope = row.sum(slope) / f32(s.channels);
    inner = row.sum(inner) / f32(s.channels);
    row.each([&](u32 pack) {
        f32 xhat[LANES], d[LANES];
        scaled(pack, xhat, d);
#pragma unroll
        for (int i = 0; i < LANES; i++) d[i] = r * mul_add(-xhat[i], inner, d[i] - slope);
        store_pack(dx + row.start + pack * LANES, rounded<T>(d));
    });
}

// a = sum dz xhat and b = sum dz of each sample, chunk of its positions, and channel.
template <class T>
__device__ void sums(const T* x, const Affine<T>& affine, const f32* mean, const f32* rstd, const T* g, f32* a, f32* b,
                     const Shape& s, const Tiling& t) {
    constexpr int LANES = Tile<T>::LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, held_x);
    Tile<T> tile(s, t);
    Held* held_g = held_x + t.chunk * tile.columns;
    f32* of_a = reinterpret_cast<f32*>(held_g + t.chunk * tile.columns);
    f32 *of_b = of_a + t.span, *partial = of_b + t.span;
    tile.hold(s, x, held_x);
    tile.hold(s, g, held_g);
    f32 gain[LANES], offset[LANES], own_a[LANES] = {}, own_b[LANES] = {};
    if (tile.works) affine_of(affine, tile.sample, tile.channel, gain, offset);
    bool silu = s.silu;
    copy_async_wait_all();
    size_t first = size_t(tile.sample) * s.positions + tile.chunk * t.chunk;
    tile.each(s, [&](u32 row, size_t, u32 slot) {
        f32 xhat[LANES], dz[LANES], m = mean[first + row], r = rstd[first + row];
        widen(held_x[slot], xhat);
        widen(held_g[slot], dz);
#pragma unroll
        for (int i = 0; i < LANES; i++) xhat[i] = (xhat[i] - m) * r;
        if (silu) {
#pragma unroll
            for (int i = 0; i < LANES; i++) dz[i] *= silu_slope(mul_add(xhat[i], gain[i], offset[i]));
        }
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            own_a[i] = mul_add(dz[i], xhat[i], own_a[i]);
            own_b[i] += dz[i];
        }
    });
    channel_sums(tile, own_a, partial, of_a);
    channel_sums(tile, own_b, partial, of_b);
    size_t row = (size_t(tile.sample) * t.chunks + tile.chunk) * s.channels + tile.first;
    for (u32 channel = threadIdx.x; channel < tile.width; channel += blockDim.x) {
        a[row + channel] = of_a[channel];
        b[row + channel] = of_b[channel];
    }
}

#define ROWS(T, who, WHOLE_BLOCK)                                                                                      \
    extern "C" __global__ void __launch_bounds__(256, 3) layer_norm_by_##who##_##T(const T* x, Affine<T> affine, T* y, \
        f32* mean, f32* rstd, Shape s) { forward<T, WHOLE_BLOCK>(x, affine, y, mean, rstd, s); }                       \
    REGISTER_KERNEL(layer_norm_by_##who##_##T);                                                                        \
    extern "C" __global__ void __launch_bounds__(256, 2) layer_norm_backward_by_##who##_##T(const T* x,                \
        Affine<T> affine, const f32* mean, const f32* rstd, const T* g, T* dx, Shape s) {                              \
        backward<T, WHOLE_BLOCK>(x, affine, mean, rstd, g, dx, s);                                                     \
    }                                                                                                                  \
    REGISTER_KERNEL(layer_norm_backward_by_##who##_##T);

#define KERNELS(T)                                                                                                     \
    ROWS(T, warp, false)                                                                                               \
    ROWS(T, block, true)                                                                                               \
    extern "C" __global__ void __launch_bounds__(512) layer_norm_sums_##T(const T* x, Affine<T> affine,                \
        const f32* mean, const f32* rstd, const T* g, f32* a, f32* b, Shape s, Tiling t) {                             \
        sums<T>(x, affine, mean, rstd, g, a, b, s, t);                                                                 \
    }                                                                                                                  \
    REGISTER_KERNEL(layer_norm_sums_##T);

KERNELS(f32)
KERNELS(bf16)
KERNELS(f16)
