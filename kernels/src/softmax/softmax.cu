// Softmax over rows, a warp a row: maximum, sum of exponentials, result. Numbers are f32 or wider whatever the storage.
#include "block.cuh"
#include "maths.cuh"
#include "strided.cuh"

constexpr int WARPS = 8;

template <class T> __device__ void forward(const T* x, T* y, u32 rows, u32 width) {
    using Wide = typename Computes<T>::In;
    u32 row = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    x += size_t(row) * width;
    y += size_t(row) * width;
    Wide most = Wide(-INFINITY), sum = 0;
    for (u32 i = lane; i < width; i += 32) {
        Wide v = to<Wide>(x[i]);
        most = v > most ? v : most;
    }
    most = warp_max(most);
    for (u32 i = lane; i < width; i += 32) sum += exponential(to<Wide>(x[i]) - most);
    Wide share = Wide(1) / warp_sum(sum);
    for (u32 i = lane; i < width; i += 32) y[i] = to<T>(exponential(to<Wide>(x[i]) - most) * share);
}

// dx = y (g - sum g y)
template <class T> __device__ void backward(const T* y, const T* g, T* dx, u32 rows, u32 width) {
    using Wide = typename Computes<T>::In;
    u32 row = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    size_t start = size_t(row) * width;
    Wide inner = 0;
    for (u32 i = lane; i < width; i += 32) inner = mul_add(to<Wide>(g[start + i]), to<Wide>(y[start + i]), inner);
    inner = warp_sum(inner);
    for (u32 i = lane; i < width; i += 32)
        dx[start + i] = to<T>(to<Wide>(y[start + i]) * (to<Wide>(g[start + i]) - inner));
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        softmax_##T(const T* x, T* y, u32 rows, u32 width) { forward<T>(x, y, rows, width); }                          \
    REGISTER_KERNEL(softmax_##T);                                                                                      \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        softmax_backward_##T(const T* y, const T* g, T* dx, u32 rows, u32 width) { backward<T>(y, g, dx, rows, width); } \
    REGISTER_KERNEL(softmax_backward_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
