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

    // f(row, pack's place in global memory, its number in shared memory) of each of the thread's packs.
    template <class F> __device__ __forceinline__ void each(const Shape& s, F f) const {
        if (!works) return;
        size_t at = start, step = size_t(lines) * s.channels;
        u32 slot = threadIdx.x;
        for (u32 row = line; row < rows; row += lines, at += step, slot += lines * columns) f(row, at, slot);
    }

    // Copies the thread's packs to shared memory, where only it will read them: registers of any number.
    __device__ __forceinline__ void hold(const Shape& s, const T* x, Pack<T, LANES>* held) const {
        each(s, [&](u32, size_t at, u32 slot) { copy_async<16>(held + slot, x + at); });
    }
};

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
    for (u32 channel = warp_index(); channel < tile.width; channel += blockDim.x / WARP) {
        f32 sum = 0;
        for (u32 line = lane_index(); line < tile.lines; line += WARP) sum += partial[channel * pitch + line];
        sum = warp_sum(sum);
        if (lane_index() == 0) of_channel[channel] = sum;
    }
    block_sync();
}

// The sum over each group of f(channel of the tile), a warp a group, is handed to each of its channels: put(channel, sum).
// Ends with a barrier.
template <class T, class F, class Put>
__device__ __forceinline__ void group_sums(const Tile<T>& tile, u32 width, F f, Put put) {
    for (u32 group = warp_index(); group * width < tile.width; group += blockDim.x / WARP) {
        f32 sum = 0;
        for (u32 i = lane_index(); i < width; i += WARP) sum += f(group * width + i);
        sum = warp_sum(sum);
        for (u32 i = lane_index(); i < width; i += WARP) put(group * width + i, sum);
    }
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
