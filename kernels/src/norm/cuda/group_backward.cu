// Group norm v2, backward: one pass over memory.
//
// Tiles as in `group_forward.cu`, of x and g at once. Each channel's a = sum dz xhat and b = sum dz are what the affine
// gradients are made of, and those of a group, weighted by the channels' gains, are the two sums that dx needs:
// dx = r (dz gain - mean(dz gain) - xhat mean(dz gain xhat)), with dz the cotangent of z: g, or g silu'(z).
//
// A tile that does not fit is cut into chunks of positions, in three launches: a and b of each chunk (`parts`), the sums
// of each group (`join`), dx (`map`).
//
// Figure: not yet measured. In three launches where tiles are of whole sectors: 1717 GB/s of 64 x 128 x 64 x 64 in f32
// (H200, 2026-11-26).
#include "norm.cuh"

// mean(dz gain) and mean(dz gain xhat) over a set.
struct Means {
    f32 slope, inner;
};

// What a thread knows of its channels: xhat = x r + start, z = x gain + offset.
template <int LANES> struct Map {
    f32 r[LANES], start[LANES], gain[LANES], offset[LANES];
};

// f(xhat, dz, i) of each element of the thread's packs `from` up to `end`, `done` after each. The slope of SiLU is applied
// where it `bends`. Numbers of f32 are kept: g becomes dz.
template <class T, int LANES, class F, class Done>
__device__ __forceinline__ void each_element(const Tile<T>& tile, const Shape& s, u32 from, u32 end, bool bends,
                                             const Pack<T, LANES>* x, Pack<T, LANES>* g, const Map<LANES>& map, F f,
                                             Done done) {
    tile.each(s, from, end, [&](size_t at, u32 slot) {
        f32 v[LANES], dz[LANES];
        widen(x[slot], v);
        widen(g[slot], dz);
        if (bends) {
#pragma unroll
            for (int i = 0; i < LANES; i++) dz[i] *= silu_slope(mul_add(v[i], map.gain[i], map.offset[i]));
            if constexpr (same_type<T, f32>) g[slot] = rounded<T>(dz);
        }
#pragma unroll
        for (int i = 0; i < LANES; i++) f(mul_add(v[i], map.r[i], map.start[i]), dz[i], i);
        done(at);
    });
}

template <class T, bool MEASURES, bool MAPS>
__device__ void backward(const T* x, const Affine<T>& affine, const f32* mean, const f32* rstd, const T* g, T* dx,
                         f32* a, f32* b, const Means* means, const Shape& s, const Tiling& t) {
    constexpr int LANES = Tile<T>::LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, held_x);
    Tile<T> tile(s, t);
    u32 width = s.channels / s.groups;
    size_t set = size_t(tile.sample) * s.groups + tile.first / width;
    Held* held_g = held_x + t.chunk * tile.columns;
    // Tables of the span's channels; what is a group's stands at each of its channels.
    f32* r = reinterpret_cast<f32*>(held_g + t.chunk * tile.columns);
    f32 *starts = r + t.span, *gains = starts + t.span, *offsets = gains + t.span;
    f32 *of_a = offsets + t.span, *of_b = of_a + t.span, *partial = of_b + t.span;
    tile.in_turns([&](u32 from, u32 end) {
        tile.hold(s, x, held_x, from, end);
        tile.hold(s, g, held_g, from, end);
    });
    for (u32 channel = threadIdx.x; channel < tile.width; channel += blockDim.x) {
        f32 gain = affine.gain(tile.sample, tile.first + channel), own = rstd[set + channel / width];
        r[channel] = own;
        starts[channel] = -mean[set + channel / width] * own;
        gains[channel] = own * gain;
        offsets[channel] = mul_add(starts[channel], gain, affine.offset(tile.sample, tile.first + channel));
    }
    block_sync();
    Map<LANES> map;
    of_channels(tile, r, map.r);
    of_channels(tile, starts, map.start);
    of_channels(tile, gains, map.gain);
    of_channels(tile, offsets, map.offset);

    if constexpr (MEASURES) {
        f32 own_a[LANES] = {}, own_b[LANES] = {};
        auto add = [&](f32 xhat, f32 dz, int i) {
            own_a[i] = mul_add(dz, xhat, own_a[i]);
            own_b[i] += dz;
        };
        tile.as_turns_land([&](u32 from, u32 end) {
            each_element(tile, s, from, end, s.silu, held_x, held_g, map, add, [](size_t) {});
        });
        channel_sums(tile, own_a, partial, of_a);
        channel_sums(tile, own_b, partial, of_b);
        size_t row = (size_t(tile.sample) * t.chunks + tile.chunk) * s.channels + tile.first;
        for (u32 channel = threadIdx.x; channel < tile.width; channel += blockDim.x) {
            a[row + channel] = of_a[channel];
            b[row + channel] = of_b[channel];
        }
    }
    if constexpr (MAPS) {
        // dx = dz gain + xhat by_xhat + constant: the means of the group, times -r, take the place of a and b.
        if constexpr (MEASURES) {
            block_sync();
            f32 count = f32(width) * f32(s.positions);
            auto weighted = [&](f32* sums) {
                group_sums(
                    tile, width, [&](u32 channel) { return sums[channel] * gains[channel]; },
                    [&](u32 channel, f32 sum) { sums[channel] = -sum / count; });
            };
            weighted(of_a);
            weighted(of_b);
        } else {
            copy_async_wait_all();
            for (u32 channel = threadIdx.x; channel < tile.width; channel += blockDim.x) {
                Means own = means[set + channel / width];
                of_a[channel] = -r[channel] * own.inner;
                of_b[channel] = -r[channel] * own.slope;
            }
            block_sync();
        }
        f32 by_xhat[LANES], constant[LANES], result[LANES];
        of_channels(tile, of_a, by_xhat);
        of_channels(tile, of_b, constant);
        auto put = [&](f32 xhat, f32 dz, int i) {
            result[i] = mul_add(dz, map.gain[i], mul_add(xhat, by_xhat[i], constant[i]));
        };
        bool bends = s.silu && !(MEASURES && same_type<T, f32>);
        each_element(tile, s, 0, tile.rows, bends, held_x, held_g, map, put,
                     [&](size_t at) { store_pack(dx + at, rounded<T>(result)); });
    }
}

// The means of each set from the sums of its chunks, a warp a set.
template <class T>
__device__ __forceinline__ void join(const f32* a, const f32* b, const Affine<T>& affine, Means* means, const Shape& s,
                                     const Tiling& t) {
    u32 set = blockIdx.x * (blockDim.x / WARP) + warp_index(), width = s.channels / s.groups;
    if (set >= s.samples * s.groups) return;
    u32 sample = set / s.groups, first = set % s.groups * width;
    f32 slope = 0, inner = 0;
    for (u32 i = lane_index(); i < width * t.chunks; i += WARP) {
        u32 chunk = i / width, channel = first + i % width;
        size_t at = (size_t(sample) * t.chunks + chunk) * s.channels + channel;
        f32 gain = affine.gain(sample, channel);
        slope = mul_add(b[at], gain, slope);
        inner = mul_add(a[at], gain, inner);
    }
    f32 count = f32(width) * f32(s.positions);
    slope = warp_sum(slope) / count;
    inner = warp_sum(inner) / count;
    if (lane_index() == 0) means[set] = {slope, inner};
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(512, 1) group_norm_backward_##T(const T* x, Affine<T> affine,            \
        const f32* mean, const f32* rstd, const T* g, T* dx, f32* a, f32* b, Shape s, Tiling t) {                      \
        backward<T, true, true>(x, affine, mean, rstd, g, dx, a, b, nullptr, s, t);                                    \
    }                                                                                                                  \
    REGISTER_KERNEL(group_norm_backward_##T);                                                                          \
    extern "C" __global__ void __launch_bounds__(512) group_norm_backward_parts_##T(const T* x, Affine<T> affine,      \
        const f32* mean, const f32* rstd, const T* g, f32* a, f32* b, Shape s, Tiling t) {                             \
        backward<T, true, false>(x, affine, mean, rstd, g, nullptr, a, b, nullptr, s, t);                              \
    }                                                                                                                  \
    REGISTER_KERNEL(group_norm_backward_parts_##T);                                                                    \
    extern "C" __global__ void __launch_bounds__(256) group_norm_backward_join_##T(const f32* a, const f32* b,         \
        Affine<T> affine, Means* means, Shape s, Tiling t) { join<T>(a, b, affine, means, s, t); }                     \
    REGISTER_KERNEL(group_norm_backward_join_##T);                                                                     \
    extern "C" __global__ void __launch_bounds__(512) group_norm_backward_map_##T(const T* x, Affine<T> affine,        \
        const f32* mean, const f32* rstd, const T* g, T* dx, const Means* means, Shape s, Tiling t) {                  \
        backward<T, false, true>(x, affine, mean, rstd, g, dx, nullptr, nullptr, means, s, t);                         \
    }                                                                                                                  \
    REGISTER_KERNEL(group_norm_backward_map_##T);

KERNELS(f32)
KERNELS(bf16)
KERNELS(f16)
