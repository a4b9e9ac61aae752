// A convolution and its two gradients as matrix products: loaders of what of the images each takes.
//
// A chunk of 16 bytes is channels of one pixel of a channels-last image. It stays within a tap where the channels of a
// group are a multiple of 8 (4 of tf32); what padding, stride or dilation leave out is a chunk of zeros. Weights come with
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

// A pixel, in the coordinates of the input, and the line that its image begins with.
struct Pixel {
    u32 lines;
    i32 y, x;
};

struct Tap {
    i32 y, x;
    u32 channel;
};

__device__ __forceinline__ Tap tap_of(const Geometry& g, const Divisor& channels, u32 depth) {
    auto [tap, channel] = channels.split(depth);
    auto [y, x] = g.kw.split(tap);
    return {i32(y * g.dilation[0]), i32(x * g.dilation[1]), channel};
}

// x at the taps of an output pixel: rows are pixels, the depth is taps and channels.
template <class T> struct Seen {
    using Element = T;
    using Row = Pixel;
    using Depth = Tap;
    static constexpr Major major = Major::k;
    const T* data;
    const Geometry& g;

    __device__ __forceinline__ Row row(u32 index) const {
        auto [line, x] = g.wo.split(index);
        auto [image, y] = g.ho.split(line);
        return {image * g.h.size, i32(y * g.stride[0].size) - i32(g.before[0]),
                i32(x * g.stride[1].size) - i32(g.before[1])};
    }
    __device__ __forceinline__ Depth depth(u32 k) const { return tap_of(g, g.c, k); }
    __device__ __forceinline__ const T* at(const Row& p, const Depth& tap) const {
        u32 y = u32(p.y + tap.y), x = u32(p.x + tap.x);
        if (y >= g.h.size || x >= g.w.size) return nullptr;
        return data + (((p.lines + y) * g.w.size + x) * (g.c.size * g.groups) + tap.channel);
    }
};

// The same turned: rows are taps and channels, the depth is pixels.
template <class T> struct Unfolded {
    using Element = T;
    using Row = Tap;
    using Depth = Pixel;
    static constexpr Major major = Major::mn;
    const T* data;
    Seen<T> seen;

    __device__ __forceinline__ Row row(u32 index) const { return seen.depth(index); }
    __device__ __forceinline__ Depth depth(u32 k) const { return seen.row(k); }
    __device__ __forceinline__ const T* at(const Row& tap, const Depth& p) const { return seen.at(p, tap); }
};

// The cotangent at the output pixels that saw an input pixel: rows are pixels of x, the depth is taps and channels.
template <class T> struct Saw {
    using Element = T;
    using Row = Pixel;
    using Depth = Tap;
    static constexpr Major major = Major::k;
    const T* data;
    const Geometry& g;

    __device__ __forceinline__ Row row(u32 index) const {
        auto [line, x] = g.w.split(index);
        auto [image, y] = g.h.split(line);
        return {image * g.ho.size, i32(y + g.before[0]), i32(x + g.before[1])};
    }
    __device__ __forceinline__ Depth depth(u32 k) const { return tap_of(g, g.o, k); }
    __device__ __forceinline__ const T* at(const Row& p, const Depth& tap) const {
        i32 down = p.y - tap.y, right = p.x - tap.x;
        if (down < 0 || right < 0) return nullptr;
        auto [y, between_lines] = g.stride[0].split(down);
        auto [x, between] = g.stride[1].split(right);
        if (between_lines || between || y >= g.ho.size || x >= g.wo.size) return nullptr;
        return data + (((p.lines + y) * g.wo.size + x) * (g.o.size * g.groups) + tap.channel);
    }
};
