// Pointwise: y = f(x), with f a scalar function or a derivative of one. Bound by memory.
//
// Figure: not yet measured. Without SHORT forms: 2745 GB/s of GELU in f32, 1541 in bf16 (H200, 2026-11-26).
#include "pointwise.cuh"

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        apply_##T(Elementwise<2> e, i32 function, i32 order, f64 a, f64 b) { pointwise<T>(e, function, order, a, b); } \
    REGISTER_KERNEL(apply_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
