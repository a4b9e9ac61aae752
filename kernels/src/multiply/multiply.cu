// The elementwise product. Bound by memory.
//
// Figure: not yet measured.
#include "block.cuh"
#include "strided.cuh"

template <class T> __device__ void multiply(const Elementwise<3>& e) {
    using Wide = typename Computes<T>::In;
    elementwise<T>(e, 2, [](const Wide* x, Wide) { return x[0] * x[1]; });
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) multiply_##T(Elementwise<3> e) { multiply<T>(e); }               \
    REGISTER_KERNEL(multiply_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
