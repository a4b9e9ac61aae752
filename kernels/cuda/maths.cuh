// Functions that f32 and f64 have under two names, by one; and the logistic function.
#pragma once
#include "numbers.cuh"

__device__ __forceinline__ f32 exponential(f32 x) { return expf(x); }
__device__ __forceinline__ f64 exponential(f64 x) { return exp(x); }
__device__ __forceinline__ f32 logarithm(f32 x) { return logf(x); }
__device__ __forceinline__ f64 logarithm(f64 x) { return log(x); }
__device__ __forceinline__ f32 root(f32 x) { return sqrtf(x); }
__device__ __forceinline__ f64 root(f64 x) { return sqrt(x); }

// 1 / x, in f32 by the special function unit to 2^-23: a division is ten instructions, too many for one an element.
// A result below 2^-126 is 0.
__device__ __forceinline__ f32 reciprocal(f32 x) {
#ifdef CUDA_EMULATOR
    return 1.0f / x;
#else
    f32 y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}
__device__ __forceinline__ f64 reciprocal(f64 x) { return 1.0 / x; }

// 1 / (1 + e^-x); in f32 to a relative 2^-22 + |x| 2^-23, in five instructions.
__device__ __forceinline__ f32 logistic(f32 x) { return reciprocal(1.0f + exp2_fast(x * -1.44269504089f)); }
__device__ __forceinline__ f64 logistic(f64 x) { return 1.0 / (1.0 + exp(-x)); }
