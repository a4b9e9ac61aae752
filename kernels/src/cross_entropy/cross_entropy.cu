// Cross-entropy of rows of logits against labels, a warp a row. A label that is no class makes its row NaN: to say which
// it was, the host would have to wait.
#include "block.cuh"
#include "maths.cuh"
#include "strided.cuh"

constexpr int WARPS = 8;

// The largest of a row, and the sum of exponentials with it taken out.
template <class T> struct Normaliser {
    using Wide = typename Computes<T>::In;
    Wide most, sum;

    __device__ __forceinline__ Normaliser(const T* x, u32 width, u32 lane) : most(Wide(-INFINITY)), sum(0) {
        for (u32 i = lane; i < width; i += 32) {
            Wide v = to<Wide>(x[i]);
            most = v > most ? v : most;
        }
        most = warp_max(most);
        for (u32 i = lane; i < width; i += 32) sum += exponential(to<Wide>(x[i]) - most);
        sum = warp_sum(sum);
    }
};

template <class T> __device__ void forward(const T* logits, const i64* labels, T* loss, u32 rows, u32 width) {
    using Wide = typename Computes<T>::In;
    u32 row = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const T* x = logits + size_t(row) * width;
    Normaliser<T> n(x, width, lane);
    i64 label = labels[row];
    bool known = label >= 0 && label < i64(width);
    if (lane == 0) loss[row] = to<T>(known ? logarithm(n.sum) + (n.most - to<Wide>(x[label])) : Wide(NAN));
}

// g (softmax(x) - onehot(label))
template <class T>
__device__ void backward(const T* logits, const i64* labels, const T* g, T* dlogits, u32 rows, u32 width) {
    using Wide = typename Computes<T>::In;
    u32 row = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const T* x = logits + size_t(row) * width;
    Normaliser<T> n(x, width, lane);
    i64 label = labels[row];
    bool known = label >= 0 && label < i64(width);
    Wide factor = known ? to<Wide>(g[row]) : Wide(NAN);
    for (u32 i = lane; i < width; i += 32) {
        Wide p = exponential(to<Wide>(x[i]) - n.most) / n.sum;
        dlogits[size_t(row) * width + i] = to<T>(factor * (i64(i) == label ? p - Wide(1) : p));
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) cross_entropy_##T(const T* logits, const i64* labels, T* loss,   \
        u32 rows, u32 width) { forward<T>(logits, labels, loss, rows, width); }                                        \
    REGISTER_KERNEL(cross_entropy_##T);                                                                                \
    extern "C" __global__ void __launch_bounds__(256) cross_entropy_backward_##T(const T* logits, const i64* labels,   \
        const T* g, T* dlogits, u32 rows, u32 width) { backward<T>(logits, labels, g, dlogits, rows, width); }         \
    REGISTER_KERNEL(cross_entropy_backward_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
