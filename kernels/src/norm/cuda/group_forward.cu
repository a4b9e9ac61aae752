// Group norm v2, forward: one pass over memory.
//
// A block takes a tile, all positions of a span of channels that holds whole groups and 16 bytes or more of each
// position. The tile waits in shared memory while mean, squares of deviations and map are computed: x is read once, y
// written once.
//
// A thread adds its numbers of a channel as they land, and their squares, less the first of them: what cancels when its
// mean is taken out is then no more than its count times what all of the channel's squares hold. Threads are joined to
// channels, and channels to groups, by mean and squares of deviations (Chan, Golub and LeVeque 1983).
//
// A tile that does not fit is cut into chunks of positions, in three launches: mean and squares of each chunk (`parts`),
// these joined (`join`), the map (`map`). How a sample is cut depends on its shape alone.
//
// Figure: not yet measured. With two passes over a tile that has landed, in f32: 2130 GB/s of 64 x 128 x 64 x 64, 2439 of
// 64 x 512 x 16 x 16 (H200, 2026-11-26).
#include "norm.cuh"

// Mean, and sum of squared deviations from it, of a known count of numbers.
struct Part {
    f32 mean, squares;
};

// What a thread knows of each of its channels.
template <class T>
__device__ __forceinline__ void measure(const Tile<T>& tile, const Shape& s, const Pack<T, Tile<T>::LANES>* held,
                                        Part (&own)[Tile<T>::LANES]) {
    constexpr int LANES = Tile<T>::LANES;
    f32 first[LANES] = {}, sum[LANES] = {}, squares[LANES] = {};
    tile.as_turns_land([&](u32 from, u32 end) {
        tile.each(s, from, end, [&](size_t, u32 slot) {
            f32 v[LANES];
            widen(held[slot], v);
#pragma unroll
            for (int i = 0; i < LANES; i++) {
                if (slot == threadIdx.x) first[i] = v[i];
                f32 deviation = v[i] - first[i];
                sum[i] += deviation;
                squares[i] = mul_add(deviation, deviation, squares[i]);
            }
        });
    });
    u32 count = tile.count(tile.line);
    f32 share = 1.0f / f32(count ? count : 1);
#pragma unroll
    for (int i = 0; i < LANES; i++) own[i] = {first[i] + sum[i] * share, squares[i] - sum[i] * share * sum[i]};
}

// `count` parts of `size(i)` numbers, `total` of them, joined by some lanes of a warp.
template <class Of, class Size>
__device__ __forceinline__ Part joined(u32 count, f32 total, u32 lane, u32 lanes, Of of, Size size) {
    f32 sum = 0, squares = 0;
    for (u32 i = lane; i < count; i += lanes) sum = mul_add(of(i).mean, size(i), sum);
    f32 mean = lanes_sum(sum, lanes) / total;
    for (u32 i = lane; i < count; i += lanes) {
        Part part = of(i);
        squares += mul_add((part.mean - mean) * (part.mean - mean), size(i), part.squares);
    }
    return {mean, lanes_sum(squares, lanes)};
}

template <class T, bool MEASURES, bool MAPS>
__device__ void forward(const T* x, const Affine<T>& affine, T* y, f32* mean, f32* rstd, Part* parts, const Shape& s,
                        const Tiling& t) {
    constexpr int LANES = Tile<T>::LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, held);
    Tile<T> tile(s, t);
    u32 width = s.channels / s.groups;
    size_t set = size_t(tile.sample) * s.groups + tile.first / width;
    // Tables of the span's channels.
    Part* of_channel = reinterpret_cast<Part*>(held + t.chunk * tile.columns);
    f32 *gains = reinterpret_cast<f32*>(of_channel + t.span), *offsets = gains + t.span;
    tile.in_turns([&](u32 from, u32 end) { tile.hold(s, x, held, from, end); });
    for (u32 channel = threadIdx.x; MAPS && channel < tile.width; channel += blockDim.x) {
        gains[channel] = affine.gain(tile.sample, tile.first + channel);
        offsets[channel] = affine.offset(tile.sample, tile.first + channel);
    }
    // z = x gain + offset, with m and r within both: off by the rounding of m r, as m itself is.
    auto finish = [&](u32 channel, f32 m, f32 r) {
        gains[channel] *= r;
        offsets[channel] = mul_add(-m, gains[channel], offsets[channel]);
    };

    if constexpr (MEASURES) {
        Part own[LANES], *of_line = reinterpret_cast<Part*>(offsets + t.span);
        u32 pitch = tile.lines | 1; // odd, so that neighbouring channels lie in different banks
        measure(tile, s, held, own);
        if (tile.works) {
#pragma unroll
            for (int i = 0; i < LANES; i++) of_line[(tile.column * LANES + i) * pitch + tile.line] = own[i];
        }
        block_sync();
        u32 lanes = lanes_for(tile.lines);
        each_set(tile.width, lanes, [&](u32 channel, u32 lane, bool there) {
            Part part = joined(
                there ? tile.lines : 0, f32(tile.rows), lane, lanes,
                [&](u32 line) { return of_line[channel * pitch + line]; },
                [&](u32 line) { return f32(tile.count(line)); });
            if (there && lane == 0) of_channel[channel] = part;
        });
        block_sync();
        lanes = lanes_for(width);
        each_set(tile.width / width, lanes, [&](u32 group, u32 lane, bool there) {
            u32 first = group * width;
            f32 count = f32(width * tile.rows);
            Part part = joined(
                there ? width : 0, count, lane, lanes, [&](u32 i) { return of_channel[first + i]; },
                [&](u32) { return f32(tile.rows); });
            f32 r = 1.0f / root(part.squares / count + f32(s.eps));
            for (u32 i = lane; MAPS && there && i < width; i += lanes) finish(first + i, part.mean, r);
            if (!there || lane != 0) return;
            if (MAPS) {
                mean[set + group] = part.mean;
                rstd[set + group] = r;
            } else {
                size_t chunk = size_t(tile.sample) * t.chunks + tile.chunk;
                parts[chunk * s.groups + tile.first / width + group] = part;
            }
        });
        block_sync();
    } else {
        copy_async_wait_all();
        for (u32 channel = threadIdx.x; channel < tile.width; channel += blockDim.x)
            finish(channel, mean[set + channel / width], rstd[set + channel / width]);
        block_sync();
    }

    if constexpr (MAPS) {
        f32 gain[LANES], offset[LANES];
        of_channels(tile, gains, gain);
        of_channels(tile, offsets, offset);
        bool silu = s.silu;
        tile.each(s, [&](size_t at, u32 slot) {
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
    f32 count = f32(s.positions) * f32(width);
    Part part = joined(
        t.chunks, count, lane_index(), WARP, [&](u32 chunk) { return parts[size_t(chunk) * s.groups]; },
        [&](u32 chunk) { return rows(chunk) * f32(width); });
    if (lane_index() == 0) {
        mean[set] = part.mean;
        rstd[set] = 1.0f / root(part.squares / count + f32(s.eps));
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
