// Convolution and its two gradients, version 2: the products of version 1 from a ring that cp.async fills, on the tensor
// cores, or the ordinary ones for f32 that is not to be rounded.
//
// Idea: ring.cuh takes 16 bytes of a row at once, and channels-last images have them (convolution.cuh).
// Figure: f32 29 TFLOP/s (.75 of cuDNN), bf16 232 (.33) (64 x 128 x 64 x 64 to 128, H200, 2026-11-26).
#include "convolution.cuh"
#include "ordinary_tile.cuh"
#include "tensor_tile.cuh"

// The product of a block of `group`: pixels by channels of an image `to`, that has `channels` of each group.
template <class T, class Kind, class Pixels>
__device__ __forceinline__ void to_image(const Pixels& pixels, const T* w, u32 depth, const Epilogue<T>& e, T* to,
                                         u32 rows, u32 channels, u32 aligned, const Geometry& g) {
    using Weight = MatrixLoader<T, Major::k>;
    using Tile = typename Kind::template Of<Pixels, Weight>;
    u32 group = blockIdx.z, row0 = blockIdx.x * Tile::ROWS, column0 = blockIdx.y * Tile::COLUMNS;
    Weight weight{w + group * channels * depth, depth};
    Tile tile;
    tile.multiply(pixels, weight, row0, rows, column0, channels, 0, depth);
    u32 first = group * channels;
    tile.store(row0, column0,
               TensorResult<T, T>{to + first, e.of(first, first), channels * g.groups, rows, channels, aligned != 0});
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
    tile.store(row0, column0, TensorResult<f32, T>{partial + blockIdx.z * g.o.size * columns, {}, columns, g.o.size,
                                                    columns, true});
}

#define KERNELS(T, name, Kind)                                                                                         \
    extern "C" __global__ void __launch_bounds__(RING_THREADS, Kind::BLOCKS) conv_v2_##name(const T* x, const T* w, Epilogue<T> e,   \
                                                                              T* y, u32 aligned, Geometry g) {         \
        Seen<T> pixels{x + blockIdx.z * g.c.size, g};                                                                  \
        to_image<T, Kind>(pixels, w, g.taps() * g.c.size, e, y, g.n * g.ho.size * g.wo.size, g.o.size, aligned, g); \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_v2_##name);                                                                                   \
    extern "C" __global__ void __launch_bounds__(RING_THREADS, Kind::BLOCKS) conv_input_gradient_v2_##name(                          \
        const T* dy, const T* w, T* dx, u32 aligned, Geometry g) {                                                     \
        Saw<T> pixels{dy + blockIdx.z * g.o.size, g};                                                                  \
        to_image<T, Kind>(pixels, w, g.taps() * g.o.size, Epilogue<T>{}, dx,                                           \
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
