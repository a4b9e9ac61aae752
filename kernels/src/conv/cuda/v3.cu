// Convolution and its two gradients, version 3: the products of version 2 on Hopper, by warpgroups (wgmma, sm_90a alone).
//
// Idea: a warpgroup gathers an image chunk by chunk, as version 2 does, into the stages of hopper_loop.cuh; the other
// operand is a matrix, weights or the cotangent, and comes by TMA. Small tiles, a few blocks to a multiprocessor, are for
// the few channels and pixels of small networks.
// Figure: bf16 437 TFLOP/s forward, .61 of cuDNN; gradients by x 404 (.56), by w 327 (.54) (64 x 128 x 64 x 64 to
// 128, H200, 2026-11-26).
#include "convolution.cuh"
#include "hopper_gather.cuh"

#ifdef HOPPER

// Pixels by channels of an image `to`. `Pixels` sees them in `from`, which has `own` channels of each group.
template <class Pixels, u32 ROWS, u32 COLUMNS, class T>
__device__ __forceinline__ void to_image(const T* from, u32 own, const TensorMap& weight, const Epilogue<T>& e,
                                         T* to, u32 aligned, const Geometry& g, const Tiles& tiles) {
    using Stages = Ring<T, ROWS, COLUMNS>;
    auto pixels = [&](const Tiles::Place& place) { return Pixels{from + place.product * own, g}; };
    auto load = [&](T* part, Mbarrier& full, const Tiles::Place& place, u32 depth) {
        load_rows<Major::k, COLUMNS>(part, weight, full, place.column, depth, place.product);
    };
    auto produce = [&](Stages& ring) { gather<true>(ring, tiles, pixels, load); };
    hopper_loop<Major::k, Major::k, Stages>(tiles, GATHER_ARRIVALS, produce, [&](const Tiles::Place& place) {
        u32 first = place.product * tiles.columns;
        return TensorResult<T, T>{to + first, e.of(first, first), tiles.columns * g.groups,
                                  tiles.rows, tiles.columns,      aligned != 0};
    });
}

// The sums over shares of the output pixels, into partial [shares, groups, o, kh, kw, c].
template <u32 ROWS, u32 COLUMNS, class T>
__device__ __forceinline__ void weight_gradient(const T* x, const TensorMap& dy, f32* partial, const Geometry& g,
                                                const Tiles& tiles) {
    using Stages = Ring<T, ROWS, COLUMNS>;
    auto unfolded = [&](const Tiles::Place& place) {
        const T* data = x + place.product * g.c.size;
        return Unfolded<T>{data, {data, g}};
    };
    auto load = [&](T* part, Mbarrier& full, const Tiles::Place& place, u32 depth) {
        load_rows<Major::mn, ROWS>(part, dy, full, place.row, depth, place.product);
    };
    auto produce = [&](Stages& ring) { gather<false>(ring, tiles, unfolded, load); };
    hopper_loop<Major::mn, Major::mn, Stages>(tiles, GATHER_ARRIVALS, produce, [&](const Tiles::Place& place) {
        f32* sums = partial + place.other * tiles.rows * tiles.columns;
        return TensorResult<f32, T>{sums, {}, tiles.columns, tiles.rows, tiles.columns, true};
    });
}

#define KERNELS(T, ROWS, COLUMNS, AT_ONCE)                                                                             \
    extern "C" __global__ void __launch_bounds__(WARPGROUP + 2 * ROWS, AT_ONCE) conv_v3_##T##_##ROWS##x##COLUMNS(      \
        const T* x, const __grid_constant__ TensorMap w, Epilogue<T> e, T* y, u32 aligned, Geometry g, Tiles tiles) {  \
        to_image<Seen<T>, ROWS, COLUMNS>(x, g.c.size, w, e, y, aligned, g, tiles);                                  \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_v3_##T##_##ROWS##x##COLUMNS);                                                                 \
    extern "C" __global__ void __launch_bounds__(WARPGROUP + 2 * ROWS, AT_ONCE)                                        \
        conv_input_gradient_v3_##T##_##ROWS##x##COLUMNS(const T* dy, const __grid_constant__ TensorMap w, T* dx,       \
                                                        u32 aligned, Geometry g, Tiles tiles) {                        \
        to_image<Saw<T>, ROWS, COLUMNS, T>(dy, g.o.size, w, {}, dx, aligned, g, tiles);                           \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_input_gradient_v3_##T##_##ROWS##x##COLUMNS);                                                  \
    extern "C" __global__ void __launch_bounds__(WARPGROUP + 2 * ROWS, AT_ONCE)                                        \
        conv_weight_gradient_v3_##T##_##ROWS##x##COLUMNS(const T* x, const __grid_constant__ TensorMap dy,             \
                                                         f32* partial, Geometry g, Tiles tiles) {                      \
        weight_gradient<ROWS, COLUMNS>(x, dy, partial, g, tiles);                                                      \
    }                                                                                                                  \
    REGISTER_KERNEL(conv_weight_gradient_v3_##T##_##ROWS##x##COLUMNS);

KERNELS(bf16, 64, 64, 3)
KERNELS(bf16, 128, 64, 2)
KERNELS(bf16, 128, 128, 1)
KERNELS(f16, 64, 64, 3)
KERNELS(f16, 128, 64, 2)
KERNELS(f16, 128, 128, 1)

#endif
