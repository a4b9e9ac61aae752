// Softmax over rows: maximum, sum of exponentials, result. Numbers are f32 or wider whatever the storage.
//
// A warp a row. Rows of whole 16-byte vectors, up to WIDEST, wait in registers: read once, written once. Others are
// read three times, the later ones from cache. A row's bits are the same by either path only if its width and alignment
// are: they are, for all rows of a tensor of such a width.
//
// Figure: not yet measured.
#include "block.cuh"
#include "maths.cuh"
#include "strided.cuh"

constexpr u32 WARPS = 8, WIDEST = 1024;

// The vectors of a row in a warp's registers, lanes side by side.
template <class T, u32 COUNT> struct Held {
    static constexpr int LANES = 16 / sizeof(T);
    Pack<T, LANES> packs[COUNT];

    __device__ __forceinline__ Held(const T* row, u32 width) {
#pragma unroll
        for (u32 i = 0; i < COUNT; i++) {
            u32 at = (i * WARP + lane_index()) * LANES;
            if (at < width) packs[i] = load_pack<LANES>(row + at);
        }
    }
};

// f(number of a vector, its place in the row) of a lane's vectors.
template <class T, u32 COUNT, class F> __device__ __forceinline__ void each_vector(u32 width, F f) {
#pragma unroll
    for (u32 i = 0; i < COUNT; i++) {
        u32 at = (i * WARP + lane_index()) * (16 / sizeof(T));
        if (at < width) f(i, at);
    }
}

template <class T, u32 COUNT> __device__ __forceinline__ void forward_held(const T* x, T* y, u32 width) {
    constexpr int LANES = Held<T, COUNT>::LANES;
    Held<T, COUNT> row(x, width);
    f32 most = -INFINITY, sum = 0;
    each_vector<T, COUNT>(width, [&](u32 i, u32) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            f32 v = to_f32(row.packs[i][lane]);
            most = v > most ? v : most;
        }
    });
    most = warp_max(most);
    each_vector<T, COUNT>(width, [&](u32 i, u32) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) sum += exponential(to_f32(row.packs[i][lane]) - most);
    });
    f32 share = 1.0f / warp_sum(sum);
    each_vector<T, COUNT>(width, [&](u32 i, u32 at) {
        f32 v[LANES];
        widen(row.packs[i], v);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) v[lane] = exponential(v[lane] - most) * share;
        store_pack(y + at, rounded<T>(v));
    });
}

template <class T> __device__ __forceinline__ void forward_any(const T* x, T* y, u32 width) {
    using Wide = typename Computes<T>::In;
    Wide most = Wide(-INFINITY), sum = 0;
    for (u32 i = lane_index(); i < width; i += WARP) {
        Wide v = to<Wide>(x[i]);
        most = v > most ? v : most;
    }
    most = warp_max(most);
    for (u32 i = lane_index(); i < width; i += WARP) sum += exponential(to<Wide>(x[i]) - most);
    Wide share = Wide(1) / warp_sum(sum);
    for (u32 i = lane_index(); i < width; i += WARP) y[i] = to<T>(exponential(to<Wide>(x[i]) - most) * share);
}

// dx = y (g - sum g y)
template <class T, u32 COUNT>
__device__ __forceinline__ void backward_held(const T* y, const T* g, T* dx, u32 width) {
    constexpr int LANES = Held<T, COUNT>::LANES;
    Held<T, COUNT> row_y(y, width), row_g(g, width);
    f32 inner = 0;
    each_vector<T, COUNT>(width, [&](u32 i, u32) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++)
            inner = mul_add(to_f32(row_g.packs[i][lane]), to_f32(row_y.packs[i][lane]), inner);
    });
    inner = warp_sum(inner);
    each_vector<T, COUNT>(width, [&](u32 i, u32 at) {
        f32 v[LANES];
        widen(row_y.packs[i], v);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) v[lane] *= to_f32(row_g.packs[i][lane]) - inner;
        store_pack(dx + at, rounded<T>(v));
    });
}

template <class T> __device__ __forceinline__ void backward_any(const T* y, const T* g, T* dx, u32 width) {
    using Wide = typename Computes<T>::In;
    Wide inner = 0;
    for (u32 i = lane_index(); i < width; i += WARP) inner = mul_add(to<Wide>(g[i]), to<Wide>(y[i]), inner);
    inner = warp_sum(inner);
    for (u32 i = lane_index(); i < width; i += WARP) dx[i] = to<T>(to<Wide>(y[i]) * (to<Wide>(g[i]) - inner));
}

// Vectors of a row that a lane has, at most 8; 0 where the row is not held.
template <class T> __device__ __forceinline__ u32 vectors_of(u32 width, u32 aligned) {
    constexpr u32 LANES = 16 / sizeof(T);
    if (same_type<T, f64> || !aligned || width % LANES != 0 || width > WIDEST) return 0;
    return ceil_div(width, WARP * LANES);
}

template <class T> __device__ void forward(const T* x, T* y, u32 rows, u32 width, u32 aligned) {
    u32 row = blockIdx.x * WARPS + warp_index();
    if (row >= rows) return;
    x += size_t(row) * width;
    y += size_t(row) * width;
    u32 vectors = vectors_of<T>(width, aligned);
    if constexpr (!same_type<T, f64>) {
        if (vectors == 1) return forward_held<T, 1>(x, y, width);
        if (vectors == 2) return forward_held<T, 2>(x, y, width);
        if (vectors == 3 || vectors == 4) return forward_held<T, 4>(x, y, width);
        if (sizeof(T) == 4 && vectors > 4) return forward_held<T, sizeof(T) == 4 ? 8 : 4>(x, y, width);
    }
    forward_any(x, y, width);
}

template <class T> __device__ void backward(const T* y, const T* g, T* dx, u32 rows, u32 width, u32 aligned) {
    u32 row = blockIdx.x * WARPS + warp_index();
    if (row >= rows) return;
    y += size_t(row) * width;
    g += size_t(row) * width;
    dx += size_t(row) * width;
    u32 vectors = vectors_of<T>(width, aligned);
    if constexpr (!same_type<T, f64>) {
        if (vectors == 1) return backward_held<T, 1>(y, g, dx, width);
        if (vectors == 2) return backward_held<T, 2>(y, g, dx, width);
        if (vectors == 3 || vectors == 4) return backward_held<T, 4>(y, g, dx, width);
        if (sizeof(T) == 4 && vectors > 4) return backward_held<T, sizeof(T) == 4 ? 8 : 4>(y, g, dx, width);
    }
    backward_any(y, g, dx, width);
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) softmax_##T(const T* x, T* y, u32 rows, u32 width, u32 aligned) { \
        forward<T>(x, y, rows, width, aligned);                                                                        \
    }                                                                                                                  \
    REGISTER_KERNEL(softmax_##T);                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) softmax_backward_##T(const T* y, const T* g, T* dx, u32 rows,    \
        u32 width, u32 aligned) { backward<T>(y, g, dx, rows, width, aligned); }                                       \
    REGISTER_KERNEL(softmax_backward_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
