// Parameter updates in place: Adam, moving average; and the sum of squares that clipping needs. Bound by memory.
#include "block.cuh"
#include "strided.cuh"

// The coefficients of a step, as `Scalars` in `adam.rs`.
struct Scalars {
    f64 gradient, keep, mean, beta2, square, step, root, eps;
};

template <class T> __device__ void adam(T* param, const T* grad, T* m, T* v, u64 count, const Scalars& s) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        T g = T(s.gradient) * grad[i];
        T mean = m[i] + T(s.mean) * (g - m[i]), square = T(s.beta2) * v[i] + T(s.square) * g * g;
        m[i] = mean;
        v[i] = square;
        param[i] = T(s.keep) * param[i] + T(s.step) * mean / (T(sqrt(square)) / T(s.root) + T(s.eps));
    }
}

template <class T> __device__ void ema(T* average, const T* param, u64 count, f64 rate) {
    for (u64 i = thread_number(); i < count; i += thread_count()) average[i] += T(rate) * (param[i] - average[i]);
}

// One sum a block in f64, of every `gridDim.x`-th piece of 256 elements; the number of blocks is a function of `count`.
template <class T> __device__ void sum_of_squares(const T* x, f64* partial, u64 count) {
    f64 sum = 0;
    for (u64 i = thread_number(); i < count; i += thread_count()) sum += to<f64>(x[i]) * to<f64>(x[i]);
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
