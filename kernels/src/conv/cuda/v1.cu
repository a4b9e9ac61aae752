// Convolution and its two gradients, version 1: implicit matrix products on the ordinary cores.
//
// Idea: the product of `tile.cuh` whose operands are fetched from images and weights as they lie; no copy is unfolded.
//
//   forward          pixels of y  x  output channels,  depth: taps x input channels
//   input gradient   pixels of x  x  input channels,   depth: taps x output channels
//   weight gradient  output channels  x  (input channels x taps),  depth: pixels of y, in shares that are added afterwards
//
// Figure: not yet measured.
#include "epilogue.cuh"
#include "tile.cuh"

// As `Geometry` in `mod.rs`. Images are channels last; `c` and `o` are channels of one group.
struct Geometry {
    u32 n, c, h, w, o, ho, wo, kh, kw;
    u32 stride[2], before[2], dilation[2];
    u32 groups;
    u32 weight[4]; // strides of o, c, kh, kw
};

struct Pixel {
    u32 image;
    i32 y, x;
};

__device__ __forceinline__ Pixel pixel(u32 index, u32 height, u32 width) {
    u32 line = index / width;
    return {line / height, i32(line % height), i32(index % width)};
}

struct Tap {
    i32 y, x;
    u32 channel, at;
};

// x at the taps of an output pixel.
template <class T> struct Seen {
    const T* x;
    const Geometry& g;
    u32 group;
    using Row = Pixel;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return true; }
    __device__ __forceinline__ Row row(u32 index) const {
        Pixel p = pixel(index, g.ho, g.wo);
        return {p.image, p.y * i32(g.stride[0]) - i32(g.before[0]), p.x * i32(g.stride[1]) - i32(g.before[1])};
    }
    __device__ __forceinline__ Tap depth(u32 k) const {
        u32 tap = k / g.c;
        return {i32(tap / g.kw * g.dilation[0]), i32(tap % g.kw * g.dilation[1]), k % g.c, 0};
    }
    __device__ __forceinline__ Wide at(const Row& p, const Tap& tap) const {
        u32 y = u32(p.y + tap.y), x_ = u32(p.x + tap.x);
        if (y >= g.h || x_ >= g.w) return Wide(0);
        return to<Wide>(x[((size_t(p.image) * g.h + y) * g.w + x_) * (g.c * g.groups) + group * g.c + tap.channel]);
    }
};

// The cotangent at the output pixels that saw an input pixel.
template <class T> struct Saw {
    const T* dy;
    const Geometry& g;
    u32 group;
    using Row = Pixel;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return true; }
    __device__ __forceinline__ Row row(u32 index) const {
        Pixel p = pixel(index, g.h, g.w);
        return {p.image, p.y + i32(g.before[0]), p.x + i32(g.before[1])};
    }
    __device__ __forceinline__ Tap depth(u32 k) const {
        u32 tap = k / g.o;
        return {i32(tap / g.kw * g.dilation[0]), i32(tap % g.kw * g.dilation[1]), k % g.o, 0};
    }
    __device__ __forceinline__ Wide at(const Row& p, const Tap& tap) const {
        i32 y = p.y - tap.y, x = p.x - tap.x, sy = i32(g.stride[0]), sx = i32(g.stride[1]);
        if (y < 0 || x < 0 || y % sy || x % sx || u32(y / sy) >= g.ho || u32(x / sx) >= g.wo) return Wide(0);
        size_t at = (size_t(p.image) * g.ho + u32(y / sy)) * g.wo + u32(x / sx);
        return to<Wide>(dy[at * (g.o * g.groups) + group * g.o + tap.channel]);
    }
};

// The weight of a column at a depth of taps and channels: columns are output channels, or input channels.
template <class T, bool FORWARD> struct Weight {
    const T* w;
    const Geometry& g;
    u32 group;
    using Row = u32;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return FORWARD; }
    __device__ __forceinline__ Row row(u32 column) const {
        return FORWARD ? (group * g.o + column) * g.weight[0] : column * g.weight[1];
    }
    __device__ __forceinline__ u32 depth(u32 k) const {
        u32 tap = k / (FORWARD ? g.c : g.o), channel = k % (FORWARD ? g.c : g.o);
        u32 at = tap / g.kw * g.weight[2] + tap % g.kw * g.weight[3];
        return at + (FORWARD ? channel * g.weight[1] : (group * g.o + channel) * g.weight[0]);
    }
    __device__ __forceinline__ Wide at(Row row, u32 depth) const { return to<Wide>(w[row + depth]); }
};

template <class T>
__device__ void forward(const T* x, const T* w, const Epilogue<T>& e, T* y, const Geometry& g) {
    using Wide = typename Computes<T>::In;
    u32 group = blockIdx.z;
    tiled_product<Wide>(g.n * g.ho * g.wo, g.o, 0, g.c * g.kh * g.kw, Seen<T>{x, g, group},
                        Weight<T, true>{w, g, group}, [&](u32 row, u32 column, Wide sum) {
                            column += group * g.o;
                            size_t place = size_t(row) * (g.o * g.groups) + column;
                            y[place] = to<T>(e(sum, column, place));
                        });
}

template <class T> __device__ void input_gradient(const T* dy, const T* w, T* dx, const Geometry& g) {
    using Wide = typename Computes<T>::In;
    u32 group = blockIdx.z;
    tiled_product<Wide>(g.n * g.h * g.w, g.c, 0, g.o * g.kh * g.kw, Saw<T>{dy, g, group},
                        Weight<T, false>{w, g, group}, [&](u32 row, u32 column, Wide sum) {
                            dx[size_t(row) * (g.c * g.groups) + group * g.c + column] = to<T>(sum);
                        });
}

// The cotangent of an output channel at an output pixel.
template <class T> struct Cotangent {
    const T* dy;
    const Geometry& g;
    u32 group;
    using Row = u32;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return false; }
    __device__ __forceinline__ Row row(u32 channel) const { return group * g.o + channel; }
    __device__ __forceinline__ size_t depth(u32 pixel) const { return size_t(pixel) * (g.o * g.groups); }
    __device__ __forceinline__ Wide at(Row row, size_t depth) const { return to<Wide>(dy[row + depth]); }
};

// x at the place that a column (a tap and a channel) has for an output pixel.
template <class T> struct Unfolded {
    Seen<T> seen;
    using Row = Tap;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return false; }
    __device__ __forceinline__ Row row(u32 column) const { return seen.depth(column); }
    __device__ __forceinline__ Pixel depth(u32 pixel) const { return seen.row(pixel); }
    __device__ __forceinline__ Wide at(const Row& tap, const Pixel& p) const { return seen.at(p, tap); }
};

// The sums over share `blockIdx.z / groups` of the output pixels, into partial [shares, groups, o, kh, kw, c].
template <class T>
__device__ void weight_gradient(const T* x, const T* dy, typename Computes<T>::In* partial, const Geometry& g,
                                u32 share) {
    using Wide = typename Computes<T>::In;
    u32 group = blockIdx.z % g.groups, part = blockIdx.z / g.groups, pixels = g.n * g.ho * g.wo;
    u32 from = part * share, end = from + share < pixels ? from + share : pixels, columns = g.c * g.kh * g.kw;
    Wide* out = partial + size_t(blockIdx.z) * g.o * columns;
    tiled_product<Wide>(g.o, columns, from, end, Cotangent<T>{dy, g, group}, Unfolded<T>{{x, g, group}},
                        [&](u32 row, u32 column, Wide sum) { out[size_t(row) * columns + column] = sum; });
}

// Adds the shares in their order, into dw of any strides.
template <class T>
__device__ void add_shares(const typename Computes<T>::In* partial, T* dw, const Geometry& g, u32 shares) {
    using Wide = typename Computes<T>::In;
    u32 columns = g.c * g.kh * g.kw, all = g.groups * g.o * columns;
    for (u32 i = thread_number(); i < all; i += thread_count()) {
        Wide sum = 0;
        for (u32 part = 0; part < shares; part++) sum += partial[size_t(part) * all + i];
        u32 o = i / columns, tap = i % columns / g.c, c = i % g.c;
        dw[o * g.weight[0] + c * g.weight[1] + tap / g.kw * g.weight[2] + tap % g.kw * g.weight[3]] = to<T>(sum);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) conv_v1_##T(const T* x, const T* w, Epilogue<T> e, T* y,         \
        Geometry g) { forward<T>(x, w, e, y, g); }                                                                  \
    REGISTER_KERNEL(conv_v1_##T);                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) conv_input_gradient_v1_##T(const T* dy, const T* w, T* dx,       \
        Geometry g) { input_gradient<T>(dy, w, dx, g); }                                                               \
    REGISTER_KERNEL(conv_input_gradient_v1_##T);                                                                       \
    extern "C" __global__ void __launch_bounds__(256) conv_weight_gradient_v1_##T(const T* x, const T* dy,             \
        Computes<T>::In* partial, Geometry g, u32 share) { weight_gradient<T>(x, dy, partial, g, share); }             \
    REGISTER_KERNEL(conv_weight_gradient_v1_##T);                                                                      \
    extern "C" __global__ void __launch_bounds__(256) conv_add_shares_##T(const Computes<T>::In* partial, T* dw,       \
        Geometry g, u32 shares) { add_shares<T>(partial, dw, g, shares); }                                             \
    REGISTER_KERNEL(conv_add_shares_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
