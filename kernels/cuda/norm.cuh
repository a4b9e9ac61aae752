// What the kernels of the norms share: operands, SiLU, and tiles of a channels-last tensor with sums over their lines.
#pragma once
#include "async_copy.cuh"
#include "maths.cuh"
#include "strided.cuh"

// As `Shape` in `norm/cuda/operands.rs`.
struct Shape {
    u32 samples, positions, channels;
    u32 groups; // 0: layer norm
    u32 silu;
    u32 unused;
    f64 eps;
};

// The operands of the affine map, null where absent. Scale and shift lie `stride` elements from sample to sample.
template <class T> struct Affine {
    const T *weight, *bias, *scale, *shift;
    u64 scale_stride, shift_stride;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ Wide widening(u32 sample, u32 channel) const {
        return Wide(1) + (scale ? to<Wide>(scale[sample * scale_stride + channel]) : Wide(0));
    }
    __device__ __forceinline__ Wide gain(u32 sample, u32 channel) const {
        return (weight ? to<Wide>(weight[channel]) : Wide(1)) * widening(sample, channel);
    }
    __device__ __forceinline__ Wide offset(u32 sample, u32 channel) const {
        return (bias ? to<Wide>(bias[channel]) : Wide(0)) * widening(sample, channel) +
               (shift ? to<Wide>(shift[sample * shift_stride + channel]) : Wide(0));
    }
};

template <class R> __device__ __forceinline__ R silu_slope(R z) {
    R p = logistic(z);
    return p * mul_add(z, R(1) - p, R(1));
}

// How a sample is cut, as `Tiling` in `norm/cuda/tiling.rs`: into spans of channels, each of whole groups, and into
// chunks of positions. Blocks are numbered (sample, span) along x and chunks along y.
struct Tiling {
    u32 span, spans; // channels of a span, spans of a sample
    u32 chunk, chunks;
};

// A block's tile: `rows` positions of a span of channels. A thread has the same LANES channels of every `lines`-th row,
// so that what belongs to a channel stays in its registers. Neighbouring threads read neighbouring 16 bytes.
template <class T> struct Tile {
    static constexpr int LANES = 16 / sizeof(T);
    u32 sample, chunk;
    u32 first, width; // channels of the block: the last span may be narrower
    u32 rows, columns, lines;
    u32 column, line, channel; // of the thread; the channel is its first
    bool works;                // threads that make no whole line of columns rest, as do columns past the last channel
    size_t start;              // of the thread's first pack, in elements

    __device__ __forceinline__ Tile(const Shape& s, const Tiling& t) {
        sample = blockIdx.x / t.spans;
        chunk = blockIdx.y;
        first = blockIdx.x % t.spans * t.span;
        width = s.channels - first < t.span ? s.channels - first : t.span;
        u32 position = chunk * t.chunk;
        rows = s.positions - position < t.chunk ? s.positions - position : t.chunk;
        columns = t.span / LANES;
        lines = blockDim.x / columns;
        column = threadIdx.x % columns;
        line = threadIdx.x / columns;
        works = line < lines && column * LANES < width;
        channel = first + column * LANES;
        start = (size_t(sample) * s.positions + position + line) * s.channels + channel;
    }

    // Packs that a thread of a line has.
    __device__ __forceinline__ u32 count(u32 line) const { return rows / lines + (line < rows % lines); }

    // f(pack's place in global memory, its number in shared memory) of the thread's packs `from` up to `end`.
    template <class F> __device__ __forceinline__ void each(const Shape& s, u32 from, u32 end, F f) const {
        if (!works) return;
        size_t step = size_t(lines) * s.channels, at = start + from * step;
        u32 pitch = lines * columns, slot = threadIdx.x + from * pitch, own = count(line);
        if (end > own) end = own;
        for (u32 i = from; i < end; i++, at += step, slot += pitch) f(at, slot);
    }
    template <class F> __device__ __forceinline__ void each(const Shape& s, F f) const { each(s, 0, rows, f); }

    // Copies packs to shared memory, where only this thread will read them: registers of any number.
    __device__ __forceinline__ void hold(const Shape& s, const T* x, Pack<T, LANES>* held, u32 from, u32 end) const {
        each(s, from, end, [&](size_t at, u32 slot) { copy_async<16>(held + slot, x + at); });
    }

    // A tile lands in turns, each some of every thread's packs, so that the first are computed with while others are under
    // way: hold(from, end) orders the packs of a turn, f(from, end) finds them landed.
    static constexpr u32 TURNS = 4;
    __device__ __forceinline__ u32 turn() const { return ceil_div(ceil_div(rows, lines), TURNS); }
    template <class F> __device__ __forceinline__ void in_turns(F hold) const {
        for (u32 i = 0; i < TURNS; i++) {
            hold(i * turn(), (i + 1) * turn());
            copy_async_commit();
        }
    }
    template <int LEFT = TURNS - 1, class F> __device__ __forceinline__ void as_turns_land(F f) const {
        copy_async_wait<LEFT>();
        f((TURNS - 1 - LEFT) * turn(), (TURNS - LEFT) * turn());
        if constexpr (LEFT > 0) as_turns_land<LEFT - 1>(f);
    }
};

// Lanes of a warp that share the members of a set, a power of two: each has four of them or, of a large set, more.
__device__ __forceinline__ u32 lanes_for(u32 members) {
    u32 lanes = 1;
    while (lanes < WARP && 4 * lanes < members) lanes *= 2;
    return lanes;
}
__device__ __forceinline__ f32 lanes_sum(f32 x, u32 lanes) {
    for (u32 distance = lanes / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(FULL_WARP, x, distance);
    return x;
}

// f(set, lane, whether there is such a set) by all lanes of a block, `lanes` to a set.
template <class F> __device__ __forceinline__ void each_set(u32 sets, u32 lanes, F f) {
    u32 of_warp = WARP / lanes;
    for (u32 first = warp_index() * of_warp; first < sets; first += blockDim.x / WARP * of_warp) {
        u32 set = first + lane_index() / lanes;
        f(set, lane_index() % lanes, set < sets);
    }
}

// Sums over all lines of a tile, the same in every block of the same shape. `partial` has room for `span` columns of
// `lines | 1` numbers, `of_channel` for a span. Ends with a barrier; nothing of it may be read after the next call.
template <class T>
__device__ __forceinline__ void channel_sums(const Tile<T>& tile, const f32 (&own)[Tile<T>::LANES], f32* partial,
                                             f32* of_channel) {
    u32 pitch = tile.lines | 1; // odd, so that neighbouring channels lie in different banks
    if (tile.works) {
#pragma unroll
        for (int i = 0; i < Tile<T>::LANES; i++)
            partial[(tile.column * Tile<T>::LANES + i) * pitch + tile.line] = own[i];
    }
    block_sync();
    u32 lanes = lanes_for(tile.lines);
    each_set(tile.width, lanes, [&](u32 channel, u32 lane, bool there) {
        f32 sum = 0;
        for (u32 line = lane; there && line < tile.lines; line += lanes) sum += partial[channel * pitch + line];
        sum = lanes_sum(sum, lanes);
        if (there && lane == 0) of_channel[channel] = sum;
    });
    block_sync();
}

// The sum over each group of f(channel of the tile) is handed to each of its channels: put(channel, sum). Ends with a
// barrier.
template <class T, class F, class Put>
__device__ __forceinline__ void group_sums(const Tile<T>& tile, u32 width, F f, Put put) {
    u32 lanes = lanes_for(width);
    each_set(tile.width / width, lanes, [&](u32 group, u32 lane, bool there) {
        f32 sum = 0;
        for (u32 i = lane; there && i < width; i += lanes) sum += f(group * width + i);
        sum = lanes_sum(sum, lanes);
        for (u32 i = lane; there && i < width; i += lanes) put(group * width + i, sum);
    });
    block_sync();
}

// Neighbours in a table, by 16 bytes.
template <int LANES> __device__ __forceinline__ void load_table(const f32* table, f32 (&own)[LANES]) {
#pragma unroll
    for (int i = 0; i < LANES; i += 4) {
        Pack<f32, 4> four = load_pack<4>(table + i);
#pragma unroll
        for (int j = 0; j < 4; j++) own[i + j] = four[j];
    }
}

// The numbers of a thread's channels in a table of the span.
template <class T, int LANES>
__device__ __forceinline__ void of_channels(const Tile<T>& tile, const f32* table, f32 (&own)[LANES]) {
    if (tile.works) load_table(table + tile.column * LANES, own);
}
