// A convolution and its two gradients as matrix products: loaders of what of the images each takes.
//
// A chunk of 16 bytes is channels of one pixel of a channels-last image. It stays within a tap where the channels of a
// group are a multiple of 8 (4 of f32); what padding, stride or dilation leave out is a chunk of zeros. Weights come with
// the depth along each row:
//
//   forward          [group, o, kh, kw, c]     input gradient   [group, c, kh, kw, o]
#pragma once
#include "loader.cuh"
#include "strided.cuh"

// As `Geometry` in `v2.rs`. Images are channels last; `c` and `o` are channels of one group.
struct Geometry {
    u32 n, groups, kh, before[2], dilation[2];
    Divisor c, h, w, o, ho, wo, kw, stride[2];

    __device__ __forceinline__ u32 taps() const { return kh * kw.size; }
};

// A pixel of one image, or a tap and a channel: together they say where a chunk lies, `pixel.at + tap.at`, and whether it
// does: the sums of their coordinates must lie in the image, and what is left between strides must be the same.
struct Part {
    i32 y, x;
    u32 at, between; // `at` counts modulo 2^32
};

__device__ __forceinline__ Chunk join(const Part& pixel, const Part& tap, u32 height, u32 width) {
    bool inside = u32(pixel.y + tap.y) < height & u32(pixel.x + tap.x) < width & pixel.between == tap.between;
    return {pixel.at + tap.at, inside};
}

// x at the taps of an output pixel: rows are pixels, the depth is taps and channels.
template <class T> struct Seen {
    using Element = T;
    using Row = Part;
    using Depth = Part;
    static constexpr Major major = Major::k;
    const T* data;
    const Geometry& g;

    __device__ __forceinline__ u32 at(i32 line, i32 x) const { return (line * g.w.size + x) * (g.c.size * g.groups); }
    __device__ __forceinline__ Row row(u32 index) const {
        auto [line, right] = g.wo.split(index);
        auto [image, down] = g.ho.split(line);
        i32 y = down * g.stride[0].size - g.before[0], x = right * g.stride[1].size - g.before[1];
        return {y, x, at(image * g.h.size + y, x), 0};
    }
    __device__ __forceinline__ Depth depth(u32 k) const {
        auto [tap, channel] = g.c.split(k);
        auto [down, right] = g.kw.split(tap);
        i32 y = down * g.dilation[0], x = right * g.dilation[1];
        return {y, x, at(y, x) + channel, 0};
    }
    __device__ __forceinline__ Chunk chunk(const Row& p, const Depth& tap) const {
        return join(p, tap, g.h.size, g.w.size);
    }
};

// The same turned: rows are taps and channels, the depth is pixels.
template <class T> struct Unfolded {
    using Element = T;
    using Row = Part;
    using Depth = Part;
    static constexpr Major major = Major::mn;
    const T* data;
    Seen<T> seen;

    __device__ __forceinline__ Row row(u32 index) const { return seen.depth(index); }
    __device__ __forceinline__ Depth depth(u32 k) const { return seen.row(k); }
    __device__ __forceinline__ Chunk chunk(const Row& tap, const Depth& p) const { return seen.chunk(p, tap); }
};

// The cotangent at the output pixels that saw an input pixel: rows are pixels of x, the depth is taps and channels. A tap
// sees the pixel y + before if that is a stride's multiple beyond the tap: both are split by the stride.
template <class T> struct Saw {
    using Element = T;
    using Row = Part;
    using Depth = Part;
    static constexpr Major major = Major::k;
    const T* data;
    const Geometry& g;

    __device__ __forceinline__ Part part(u32 down, u32 right) const {
        auto [y, between_lines] = g.stride[0].split(down);
        auto [x, between] = g.stride[1].split(right);
        u32 at = (y * g.wo.size + x) * (g.o.size * g.groups);
        return {i32(y), i32(x), at, between_lines * g.stride[1].size + between};
    }
    __device__ __forceinline__ Row row(u32 index) const {
        auto [line, x] = g.w.split(index);
        auto [image, y] = g.h.split(line);
        Part p = part(y + g.before[0], x + g.before[1]);
        p.at += image * g.ho.size * g.wo.size * (g.o.size * g.groups);
        return p;
    }
    __device__ __forceinline__ Depth depth(u32 k) const {
        auto [tap, channel] = g.o.split(k);
        auto [y, x] = g.kw.split(tap);
        Part p = part(y * g.dilation[0], x * g.dilation[1]);
        return {-p.y, -p.x, channel - p.at, p.between};
    }
    __device__ __forceinline__ Chunk chunk(const Row& p, const Depth& tap) const {
        return join(p, tap, g.ho.size, g.wo.size);
    }
};
