// Parameter updates in place: Adam, moving average; and the sum of squares that clipping needs. Bound by memory: one
// pass, 16 bytes at a time where all operands start at such boundaries.
//
// Figure: not yet measured.
#include "block.cuh"
#include "maths.cuh"
#include "strided.cuh"

// The coefficients of a step, as `Scalars` in `adam.rs`; and as kernels use them, converted once.
struct Scalars {
    f64 gradient, keep, mean, beta2, square, step, root, eps;
};
template <class T> struct Step {
    T gradient, keep, mean, beta2, square, step, root, eps;

    __device__ __forceinline__ Step(const Scalars& s)
        : gradient(T(s.gradient)), keep(T(s.keep)), mean(T(s.mean)), beta2(T(s.beta2)), square(T(s.square)),
          step(T(s.step)), root(T(s.root)), eps(T(s.eps)) {}

    __device__ __forceinline__ void update(T& param, T grad, T& m, T& v) const {
        T g = gradient * grad;
        m = m + mean * (g - m);
        v = beta2 * v + square * g * g;
        param = keep * param + step * m / (::root(v) / root + eps);
    }
};

template <class... Pointers> __device__ __forceinline__ bool are_aligned(Pointers... pointers) {
    return ((reinterpret_cast<size_t>(pointers) % 16 == 0) && ...);
}

template <class T> __device__ void adam(T* param, const T* grad, T* m, T* v, u64 count, const Scalars& s) {
    constexpr int LANES = 16 / sizeof(T);
    Step<T> step(s);
    u64 vectors = are_aligned(param, grad, m, v) ? count / LANES : 0;
    for (u64 i = thread_number(); i < vectors; i += thread_count()) {
        Pack<T, LANES> own = load_pack<LANES>(param + i * LANES), g = load_pack<LANES>(grad + i * LANES);
        Pack<T, LANES> own_m = load_pack<LANES>(m + i * LANES), own_v = load_pack<LANES>(v + i * LANES);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) step.update(own[lane], g[lane], own_m[lane], own_v[lane]);
        store_pack(param + i * LANES, own);
        store_pack(m + i * LANES, own_m);
        store_pack(v + i * LANES, own_v);
    }
    for (u64 i = vectors * LANES + thread_number(); i < count; i += thread_count())
        step.update(param[i], grad[i], m[i], v[i]);
}

template <class T> __device__ void ema(T* average, const T* param, u64 count, f64 rate) {
    constexpr int LANES = 16 / sizeof(T);
    T share = T(rate);
    u64 vectors = are_aligned(average, param) ? count / LANES : 0;
    for (u64 i = thread_number(); i < vectors; i += thread_count()) {
        Pack<T, LANES> own = load_pack<LANES>(average + i * LANES), other = load_pack<LANES>(param + i * LANES);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) own[lane] += share * (other[lane] - own[lane]);
        store_pack(average + i * LANES, own);
    }
    for (u64 i = vectors * LANES + thread_number(); i < count; i += thread_count())
        average[i] += share * (param[i] - average[i]);
}

// One sum a block in f64: a thread adds every so many-th vector, or element where x is not aligned, and what is left over;
// the number of blocks is a function of `count`.
template <class T> __device__ void sum_of_squares(const T* x, f64* partial, u64 count) {
    constexpr int LANES = 16 / sizeof(T);
    f64 sum = 0;
    auto add = [&](T element) { sum = mul_add(to<f64>(element), to<f64>(element), sum); };
    u64 vectors = are_aligned(x) ? count / LANES : 0;
#pragma unroll 4
    for (u64 i = thread_number(); i < vectors; i += thread_count()) {
        Pack<T, LANES> own = load_pack<LANES>(x + i * LANES);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) add(own[lane]);
    }
    for (u64 i = vectors * LANES + thread_number(); i < count; i += thread_count()) add(x[i]);
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The sum of the blocks' sums, by one block.
template <class Out> __device__ void sum_of_partials(const f64* partial, Out* y, u32 count) {
    f64 sum = 0;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) sum += partial[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *y = Out(sum);
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) adam_##T(T* param, const T* grad, T* m, T* v, u64 count,         \
        Scalars s) { adam<T>(param, grad, m, v, count, s); }                                                           \
    REGISTER_KERNEL(adam_##T);                                                                                         \
    extern "C" __global__ void __launch_bounds__(256) ema_##T(T* average, const T* param, u64 count, f64 rate) {       \
        ema<T>(average, param, count, rate);                                                                           \
    }                                                                                                                  \
    REGISTER_KERNEL(ema_##T);                                                                                          \
    extern "C" __global__ void __launch_bounds__(256) sum_of_partials_##T(const f64* partial, T* y, u32 count) {       \
        sum_of_partials<T>(partial, y, count);                                                                         \
    }                                                                                                                  \
    REGISTER_KERNEL(sum_of_partials_##T);

KERNELS(f32)
KERNELS(f64)

#define SQUARES(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) sum_of_squares_##T(const T* x, f64* partial, u64 count) {        \
        sum_of_squares<T>(x, partial, count);                                                                          \
    }                                                                                                                  \
    REGISTER_KERNEL(sum_of_squares_##T);

SQUARES(f32)
SQUARES(f64)
SQUARES(bf16)
SQUARES(f16)
