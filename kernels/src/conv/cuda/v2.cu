// Convolution and its two gradients, version 2: the products of version 1 from a ring that cp.async fills, on the tensor
// cores, or the ordinary ones for f32 that is not to be rounded.
//
// Idea: ring.cuh takes 16 bytes of a row at once, and channels-last images have them: channels of one pixel. A
// chunk stays within a tap where the channels of a group are a multiple of 8 (4 of f32); what padding, stride or
// dilation leave out is a chunk of zeros. Weights come with the depth along each row:
//
//   forward          [group, o, kh, kw, c]     input gradient   [group, c, kh, kw, o]
//
// Figure: not yet measured.
#include "ordinary_tile.cuh"
#include "tensor_tile.cuh"

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

// The product of a block of `group`: pixels by channels of an image `to`, that has `channels` of each group.
template <class T, class Kind, class Pixels>
__device__ __forceinline__ void to_image(const Pixels& pixels, const T* w, u32 depth, const T* bias, T* to, u32 rows,
                                         u32 channels, u32 aligned, const Geometry& g) {
    using Weight = MatrixLoader<T, Major::k>;
    using Tile = typename Kind::template Of<Pixels, Weight>;
    u32 group = blockIdx.z, row0 = blockIdx.x * Tile::ROWS, column0 = blockIdx.y * Tile::COLUMNS;
    Weight weight{w + group * channels * depth, depth};
    Tile tile;
    tile.multiply(pixels, weight, row0, rows, column0, channels, 0, depth);
    const T* bias_of_group = bias ? bias + group * channels : nullptr;
    tile.store(row0, column0, TensorResult<T, T>{to + group * channels, bias_of_group, channels * g.groups, rows,
                                                  channels, aligned != 0});
}

// The sums over share `blockIdx.z / groups` of the output pixels, into partial [shares, groups, o, kh, kw, c].
template <class T, class Kind>
__device__ __forceinline__ void weight_gradient(const T* x, const T* dy, f32* partial, u32 share, const Geometry& g) {
    using Cotangent = MatrixLoader<T, Major::mn>;
    using Tile = typename Kind::template Of<Cotangent, Unfolded<T>>;
    u32 group = blockIdx.z % g.groups, row0 = blockIdx.x * Tile::ROWS, column0 = blockIdx.y * Tile::COLUMNS;
    u32 pixels = g.n * g.ho.size * g.wo.size, from = blockIdx.z / g.groups * share;
    u32 end = from + share < pixels ? from + share : pixels, columns = g.taps() * g.c.size;
    Cotangent cotangent{dy + group * g.o.size, g.o.size * g.groups};
    const T* data = x + group * g.c.size;
    Unfolded<T> unfolded{data, {data, g}};
    Tile tile;
    tile.multiply(cotangent, unfolded, row0, g.o.size, column0, columns, from, end);
    tile.store(row0, column0, TensorResult<f32, T>{partial + blockIdx.z * g.o.size * columns, nullptr, columns,
                                                   g.o.size, columns, true});
}

#define KERNELS(T, name, Kind)                                                                                         \
    extern "C" __global__ void __launch_bounds__(RING_THREADS, Kind::BLOCKS) conv_v2_##name(const T* x, const T* w, const T* bias,   \
                                                                              T* y, u32 aligned, Geometry g) {         \
        Seen<T> pixels{x + blockIdx.z * g.c.size, g};                                                                  \
        to_image<T, Kind>(pixels, w, g.taps() * g.c.size, bias, y, g.n * g.ho.size * g.wo.size, g.o.size, aligned, g); \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_v2_##name);                                                                                   \
    extern "C" __global__ void __launch_bounds__(RING_THREADS, Kind::BLOCKS) conv_input_gradient_v2_##name(                          \
        const T* dy, const T* w, T* dx, u32 aligned, Geometry g) {                                                     \
        Saw<T> pixels{dy + blockIdx.z * g.o.size, g};                                                                  \
        to_image<T, Kind>(pixels, w, g.taps() * g.o.size, static_cast<const T*>(nullptr), dx,                          \
                          g.n * g.h.size * g.w.size, g.c.size, aligned, g);                                            \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_input_gradient_v2_##name);                                                                    \
    extern "C" __global__ void __launch_bounds__(RING_THREADS, Kind::BLOCKS) conv_weight_gradient_v2_##name(                         \
        const T* x, const T* dy, f32* partial, u32 share, Geometry g) {                                                \
        weight_gradient<T, Kind>(x, dy, partial, share, g);                                                            \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_weight_gradient_v2_##name);

KERNELS(bf16, bf16_64x64, TensorKind<64>)
KERNELS(bf16, bf16_128x128, TensorKind<128>)
KERNELS(f16, f16_64x64, TensorKind<64>)
KERNELS(f16, f16_128x128, TensorKind<128>)
KERNELS(f32, tf32_64x64, TensorKind<64>)
KERNELS(f32, tf32_128x128, TensorKind<128>)
KERNELS(f32, f32_64x32, SmallOrdinary)
KERNELS(f32, f32_128x32, NarrowOrdinary)
KERNELS(f32, f32_128x64, LargeOrdinary)
