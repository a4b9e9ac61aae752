// What a product goes through before it is stored: activation(product + bias) + residual. A twin of `src/epilogue.rs`.
#pragma once
#include "gates.cuh"
#include "strided.cuh"

enum Activation : u32 { NONE, SILU_OF_16_BITS, GELU_OF_16_BITS };

// Either pointer may be null. The residual lies as the result does.
template <class T> struct Epilogue {
    const T *bias, *residual;
    u32 activation, unused;
    using Wide = typename Computes<T>::In;

    // That of a part of the result which begins at `column` of the bias and at element `place`.
    __device__ __forceinline__ Epilogue of(u32 column, u32 place) const {
        return {bias ? bias + column : nullptr, residual ? residual + place : nullptr, activation, 0};
    }
    __device__ __forceinline__ Wide operator()(Wide sum, u32 column, u32 place) const {
        sum += bias ? to<Wide>(bias[column]) : Wide(0); // where it is null, this sum keeps ptxas from spilling
        sum = activated(sum);
        return residual ? sum + to<Wide>(residual[place]) : sum;
    }
    // In 16 bits alone: f32 is not bound by memory, and its long forms would cost registers.
    __device__ __forceinline__ Wide activated(Wide x) const {
        if constexpr (SHORT<T>) {
            if (activation == SILU_OF_16_BITS) return gated(x, sigmoid<T>(x)).at[0];
            if (activation == GELU_OF_16_BITS) return gated(x, normal<T>(x)).at[0];
        }
        return x;
    }
};
