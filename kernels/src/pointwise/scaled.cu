// Pointwise: y = g f(x), with f a scalar function or a derivative of one. Bound by memory.
//
// Figure: not yet measured. Without SHORT forms: 3165 GB/s of the slope of SiLU in bf16 (H200, 2026-11-26).
#include "pointwise.cuh"

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        scaled_##T(Elementwise<3> e, i32 function, i32 order, f64 a, f64 b) { pointwise<T>(e, function, order, a, b); } \
    REGISTER_KERNEL(scaled_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
