// Softmax over rows: maximum, sum of exponentials, result. Numbers are f32 or wider whatever the storage.
//
// A warp a row up to NARROW elements, a block a longer one. Rows of whole 16-byte vectors, up to WIDE, wait in registers:
// read once, written once. Others are read three times, the later ones from cache. A row's bits are the same by either
// path only if its width and alignment are: they are, for all rows of a tensor of such a width.
//
// Figure: rows of 256 in f32 at 3639 GB/s (H200, 2026-11-26); by blocks not yet measured.
#include "block.cuh"
#include "maths.cuh"
#include "strided.cuh"

constexpr u32 WARPS = 8, NARROW = 1024, WIDE = 8192;

// Who takes a row: the lanes of a warp, or the threads of a block.
template <bool WHOLE_BLOCK> struct Team {
    static __device__ __forceinline__ u32 member() { return WHOLE_BLOCK ? threadIdx.x : lane_index(); }
    static __device__ __forceinline__ u32 size() { return WHOLE_BLOCK ? blockDim.x : WARP; }
    static __device__ __forceinline__ u32 row() {
        return WHOLE_BLOCK ? blockIdx.x : blockIdx.x * WARPS + warp_index();
    }
    template <class R> static __device__ __forceinline__ R sum(R x) {
        if constexpr (WHOLE_BLOCK) return block_sum(x);
        else return warp_sum(x);
    }
    template <class R> static __device__ __forceinline__ R most(R x) {
        if constexpr (WHOLE_BLOCK) return block_max(x);
        else return warp_max(x);
    }
    // f(number of a vector, its place in the row) of the member's vectors, at most COUNT; the team is side by side.
    template <class T, u32 COUNT, class F> static __device__ __forceinline__ void each_vector(u32 width, F f) {
#pragma unroll
        for (u32 i = 0; i < COUNT; i++) {
            u32 at = (i * size() + member()) * (16 / sizeof(T));
            if (at < width) f(i, at);
        }
    }
    template <class F> static __device__ __forceinline__ void each(u32 width, F f) {
        for (u32 i = member(); i < width; i += size()) f(i);
    }
};

template <class T, u32 COUNT, class Team>
__device__ __forceinline__ void forward_held(const T* x, T* y, u32 width) {
    constexpr int LANES = 16 / sizeof(T);
    Pack<T, LANES> row[COUNT];
    f32 powers[COUNT][LANES], most = -INFINITY, sum = 0;
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32 at) { row[i] = load_pack<LANES>(x + at); });
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32) {
        widen(row[i], powers[i]);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) most = fmaxf(powers[i][lane], most);
    });
    most = Team::most(most);
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            powers[i][lane] = exponential(powers[i][lane] - most);
            sum += powers[i][lane];
        }
    });
    f32 share = 1.0f / Team::sum(sum);
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32 at) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) powers[i][lane] *= share;
        store_pack(y + at, rounded<T>(powers[i]));
    });
}

template <class T, class Team> __device__ __forceinline__ void forward_any(const T* x, T* y, u32 width) {
    using Wide = typename Computes<T>::In;
    Wide most = Wide(-INFINITY), sum = 0;
    Team::each(width, [&](u32 i) { most = Max()(to<Wide>(x[i]), most); });
    most = Team::most(most);
    Team::each(width, [&](u32 i) { sum += exponential(to<Wide>(x[i]) - most); });
    Wide share = Wide(1) / Team::sum(sum);
    Team::each(width, [&](u32 i) { y[i] = to<T>(exponential(to<Wide>(x[i]) - most) * share); });
}

// dx = y (g - sum g y)
template <class T, u32 COUNT, class Team>
__device__ __forceinline__ void backward_held(const T* y, const T* g, T* dx, u32 width) {
    constexpr int LANES = 16 / sizeof(T);
    Pack<T, LANES> row_y[COUNT], row_g[COUNT];
    f32 inner = 0;
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32 at) {
        row_y[i] = load_pack<LANES>(y + at);
        row_g[i] = load_pack<LANES>(g + at);
    });
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane++)
            inner = mul_add(to_f32(row_g[i][lane]), to_f32(row_y[i][lane]), inner);
    });
    inner = Team::sum(inner);
    Team::template each_vector<T, COUNT>(width, [&](u32 i, u32 at) {
        f32 v[LANES];
        widen(row_y[i], v);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) v[lane] *= to_f32(row_g[i][lane]) - inner;
        store_pack(dx + at, rounded<T>(v));
    });
}

template <class T, class Team> __device__ __forceinline__ void backward_any(const T* y, const T* g, T* dx, u32 width) {
    using Wide = typename Computes<T>::In;
    Wide inner = 0;
    Team::each(width, [&](u32 i) { inner = mul_add(to<Wide>(g[i]), to<Wide>(y[i]), inner); });
    inner = Team::sum(inner);
    Team::each(width, [&](u32 i) { dx[i] = to<T>(to<Wide>(y[i]) * (to<Wide>(g[i]) - inner)); });
}

// A number of vectors that a kernel is compiled for.
template <u32 N> struct Count {
    static constexpr u32 vectors = N;
};

// held(Count) with room for a row's vectors, or any() where the row is not held. A block's row is at most four vectors a
// thread, by its launch.
template <class T, bool WHOLE_BLOCK, class Held, class Any>
__device__ __forceinline__ void by_width(u32 width, u32 aligned, Held held, Any any) {
    constexpr u32 LANES = 16 / sizeof(T);
    if constexpr (!same_type<T, f64>) {
        if (aligned && width % LANES == 0 && width <= (WHOLE_BLOCK ? WIDE : NARROW)) {
            u32 vectors = ceil_div(width, WARP * LANES);
            if (WHOLE_BLOCK) return held(Count<4>());
            if (vectors == 1) return held(Count<1>());
            if (vectors == 2) return held(Count<2>());
            if (sizeof(T) == 2 || vectors <= 4) return held(Count<4>());
            return held(Count<sizeof(T) == 4 ? 8 : 4>());
        }
    }
    any();
}

template <class T, bool WHOLE_BLOCK> __device__ void forward(const T* x, T* y, u32 rows, u32 width, u32 aligned) {
    using Own = Team<WHOLE_BLOCK>;
    if (Own::row() >= rows) return; // a whole warp
    size_t start = size_t(Own::row()) * width;
    by_width<T, WHOLE_BLOCK>(
        width, aligned,
        [=](auto count) { forward_held<T, decltype(count)::vectors, Own>(x + start, y + start, width); },
        [=] { forward_any<T, Own>(x + start, y + start, width); });
}

template <class T, bool WHOLE_BLOCK>
__device__ void backward(const T* y, const T* g, T* dx, u32 rows, u32 width, u32 aligned) {
    using Own = Team<WHOLE_BLOCK>;
    if (Own::row() >= rows) return; // a whole warp
    size_t start = size_t(Own::row()) * width;
    by_width<T, WHOLE_BLOCK>(
        width, aligned,
        [=](auto count) {
            backward_held<T, decltype(count)::vectors, Own>(y + start, g + start, dx + start, width);
        },
        [=] { backward_any<T, Own>(y + start, g + start, dx + start, width); });
}

#define BY(T, who, WHOLE_BLOCK, THREADS)                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS) softmax_by_##who##_##T(const T* x, T* y, u32 rows, u32 width, \
        u32 aligned) { forward<T, WHOLE_BLOCK>(x, y, rows, width, aligned); }                                          \
    REGISTER_KERNEL(softmax_by_##who##_##T);                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS) softmax_backward_by_##who##_##T(const T* y, const T* g,      \
        T* dx, u32 rows, u32 width, u32 aligned) { backward<T, WHOLE_BLOCK>(y, g, dx, rows, width, aligned); }         \
    REGISTER_KERNEL(softmax_backward_by_##who##_##T);

#define KERNELS(T)                                                                                                     \
    BY(T, warp, false, 256)                                                                                            \
    BY(T, block, true, 512)

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
