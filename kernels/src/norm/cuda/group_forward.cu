// Group norm v2: one pass over memory.
//
// A block takes a tile, all positions of a span of channels that holds whole groups and 32 bytes or more of each
// position. The tile waits in shared memory while mean, squares of deviations and map are computed: x is read once, y
// written once. Sums are of each channel first, over the lines of the tile, then over the channels of a group.
//
// A tile that does not fit is cut into chunks of positions, in three launches: mean and squares of each chunk (`parts`),
// these joined (`join`), the map (`map`). How a sample is cut depends on its shape alone.
//
// Figure: not yet measured.
#include "norm.cuh"

// Mean and sum of squared deviations of a chunk's share of a group.
struct Part {
    f32 mean, squares;
};

template <class T, bool MEASURES, bool MAPS>
__device__ void forward(const T* x, const Affine<T>& affine, T* y, f32* mean, f32* rstd, Part* parts, const Shape& s,
                        const Tiling& t) {
    constexpr int LANES = Tile<T>::LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, held);
    Tile<T> tile(s, t);
    u32 width = s.channels / s.groups;
    size_t set = size_t(tile.sample) * s.groups + tile.first / width;
    // Tables of the span's channels; what is a group's stands at each of its channels.
    f32* means = reinterpret_cast<f32*>(held + t.chunk * tile.columns);
    f32 *gains = means + t.span, *offsets = gains + t.span, *sums = offsets + t.span, *partial = sums + t.span;
    tile.hold(s, x, held);
    for (u32 channel = threadIdx.x; MAPS && channel < tile.width; channel += blockDim.x) {
        gains[channel] = affine.gain(tile.sample, tile.first + channel);
        offsets[channel] = affine.offset(tile.sample, tile.first + channel);
    }
    copy_async_wait_all();
    // z = x gain + offset, with m and r within both: off by the rounding of m r, as m itself is.
    auto finish = [&](u32 channel, f32 m, f32 r) {
        gains[channel] *= r;
        offsets[channel] = mul_add(-m, gains[channel], offsets[channel]);
    };

    if constexpr (MEASURES) {
        f32 sum[LANES] = {}, squares[LANES] = {}, m[LANES], count = f32(width * tile.rows);
        tile.each(s, [&](u32, size_t, u32 slot) {
            f32 v[LANES];
            widen(held[slot], v);
#pragma unroll
            for (int i = 0; i < LANES; i++) sum[i] += v[i];
        });
        channel_sums(tile, sum, partial, sums);
        auto of_channel = [&](u32 channel) { return sums[channel]; };
        group_sums(tile, width, of_channel, [&](u32 channel, f32 sum) { means[channel] = sum / count; });
        of_channels(tile, means, m);
        tile.each(s, [&](u32, size_t, u32 slot) {
            f32 v[LANES];
            widen(held[slot], v);
#pragma unroll
            for (int i = 0; i < LANES; i++) squares[i] = mul_add(v[i] - m[i], v[i] - m[i], squares[i]);
        });
        channel_sums(tile, squares, partial, sums);
        group_sums(tile, width, of_channel, [&](u32 channel, f32 sum) {
            f32 r = 1.0f / root(sum / count + f32(s.eps));
            bool speaks = channel % width == 0; // for its group
            if (MAPS) finish(channel, means[channel], r);
            if (MAPS && speaks) {
                mean[set + channel / width] = means[channel];
                rstd[set + channel / width] = r;
            }
            if (!MAPS && speaks) {
                size_t chunk = size_t(tile.sample) * t.chunks + tile.chunk;
                parts[chunk * s.groups + (tile.first + channel) / width] = {means[channel], sum};
            }
        });
    } else {
        for (u32 channel = threadIdx.x; channel < tile.width; channel += blockDim.x)
            finish(channel, mean[set + channel / width], rstd[set + channel / width]);
        block_sync();
    }

    if constexpr (MAPS) {
        f32 gain[LANES], offset[LANES];
        of_channels(tile, gains, gain);
        of_channels(tile, offsets, offset);
        bool silu = s.silu;
        tile.each(s, [&](u32, size_t at, u32 slot) {
            f32 z[LANES];
            widen(held[slot], z);
#pragma unroll
            for (int i = 0; i < LANES; i++) z[i] = mul_add(z[i], gain[i], offset[i]);
            if (silu) {
#pragma unroll
                for (int i = 0; i < LANES; i++) z[i] *= logistic(z[i]);
            }
            store_pack(y + at, rounded<T>(z));
        });
    }
}

// Mean and 1 / deviation of each set, a warp a set, lanes side by side through its chunks.
__device__ __forceinline__ void join(const Part* parts, f32* mean, f32* rstd, const Shape& s, const Tiling& t) {
    u32 set = blockIdx.x * (blockDim.x / WARP) + warp_index(), width = s.channels / s.groups;
    if (set >= s.samples * s.groups) return;
    u32 sample = set / s.groups, group = set % s.groups;
    parts += size_t(sample) * t.chunks * s.groups + group;
    auto rows = [&](u32 chunk) {
        u32 left = s.positions - chunk * t.chunk;
        return f32(left < t.chunk ? left : t.chunk);
    };
    f32 sum = 0, squares = 0;
    for (u32 chunk = lane_index(); chunk < t.chunks; chunk += WARP)
        sum = mul_add(parts[size_t(chunk) * s.groups].mean, rows(chunk), sum);
    f32 m = warp_sum(sum) / f32(s.positions);
    for (u32 chunk = lane_index(); chunk < t.chunks; chunk += WARP) {
        Part part = parts[size_t(chunk) * s.groups];
        squares += mul_add((part.mean - m) * (part.mean - m), rows(chunk) * f32(width), part.squares);
    }
    f32 variance = warp_sum(squares) / (f32(s.positions) * f32(width));
    if (lane_index() == 0) {
        mean[set] = m;
        rstd[set] = 1.0f / root(variance + f32(s.eps));
    }
}

extern "C" __global__ void __launch_bounds__(256)
    group_norm_join(const Part* parts, f32* mean, f32* rstd, Shape s, Tiling t) { join(parts, mean, rstd, s, t); }
REGISTER_KERNEL(group_norm_join);

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(512, 2) group_norm_##T(const T* x, Affine<T> affine, T* y, f32* mean,    \
        f32* rstd, Shape s, Tiling t) { forward<T, true, true>(x, affine, y, mean, rstd, nullptr, s, t); }             \
    REGISTER_KERNEL(group_norm_##T);                                                                                   \
    extern "C" __global__ void __launch_bounds__(512, 2) group_norm_parts_##T(const T* x, Part* parts, Shape s,           \
        Tiling t) { forward<T, true, false>(x, Affine<T>(), nullptr, nullptr, nullptr, parts, s, t); }                 \
    REGISTER_KERNEL(group_norm_parts_##T);                                                                             \
    extern "C" __global__ void __launch_bounds__(512, 2) group_norm_map_##T(const T* x, Affine<T> affine, T* y,           \
        f32* mean, f32* rstd, Shape s, Tiling t) { forward<T, false, true>(x, affine, y, mean, rstd, nullptr, s, t); } \
    REGISTER_KERNEL(group_norm_map_##T);

KERNELS(f32)
KERNELS(bf16)
KERNELS(f16)
