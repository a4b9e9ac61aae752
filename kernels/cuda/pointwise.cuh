// Scalar functions with their first two derivatives, as the table in `pointwise/table.rs` defines and numbers them, and
// the loop that applies one.
//
// Bound by memory: the frequent functions have a loop of their own each, by vectors, the cheap of them inlined; the rest,
// and what does not come in vectors, go through one call. Both must give the same bits, so a frequent function leaves the
// compiler no product to fuse: it says `product` or `mul_add`.
#pragma once
#include "block.cuh"
#include "gates.cuh"
#include "strided.cuh"

// The device's own functions, by one name for both widths.
__device__ __forceinline__ f32 logarithm_of_more(f32 x) { return log1pf(x); }
__device__ __forceinline__ f64 logarithm_of_more(f64 x) { return log1p(x); }
__device__ __forceinline__ f32 tangent(f32 x) { return tanhf(x); }
__device__ __forceinline__ f64 tangent(f64 x) { return tanh(x); }
__device__ __forceinline__ f32 sine(f32 x) { return sinf(x); }
__device__ __forceinline__ f64 sine(f64 x) { return sin(x); }
__device__ __forceinline__ f32 cosine(f32 x) { return cosf(x); }
__device__ __forceinline__ f64 cosine(f64 x) { return cos(x); }
__device__ __forceinline__ f32 length(f32 x, f32 y) { return hypotf(x, y); }
__device__ __forceinline__ f64 length(f64 x, f64 y) { return hypot(x, y); }

enum Function {
    EXP, LN, SQRT, RSQRT, RECIPROCAL, SQUARE, ABS, SIGMOID, SILU, TANH, GELU, GELU_TANH, RELU, SOFTPLUS, SIN, COS,
    CHARBONNIER, CLAMP
};

// `a` and `b` are the function's parameters: eps of Charbonnier, the bounds of clamp.
template <class T, class R> __device__ Jet<R> jet(i32 function, R x, R a, R b) {
    switch (function) {
    case EXP: {
        R y = exponential(x);
        return {{y, y, y}};
    }
    case LN: return {{logarithm(x), R(1) / x, R(-1) / (x * x)}};
    case SQRT: {
        R r = root(x);
        return {{r, R(0.5) / r, R(-0.25) / (x * r)}};
    }
    case RSQRT: {
        R r = root(x);
        return {{R(1) / r, R(-0.5) / (x * r), R(0.75) / (x * x * r)}};
    }
    case RECIPROCAL: return {{R(1) / x, R(-1) / (x * x), R(2) / (x * x * x)}};
    case SQUARE: return {{product(x, x), x + x, R(2)}};
    case ABS: return {{magnitude(x), x > 0 ? R(1) : x < 0 ? R(-1) : R(0), R(0)}};
    case SIGMOID: return sigmoid<T>(x);
    case SILU: return gated(x, sigmoid<T>(x));
    case TANH: {
        R y = tangent(x), slope = product(R(4), sigmoid<T>(x + x).at[1]);
        return {{y, slope, product(product(R(-2), y), slope)}};
    }
    case GELU: return gated(x, normal<T>(x));
    case GELU_TANH: return gated(x, gelu_gate<T>(x));
    case RELU: return {{x > 0 ? x : R(0), x > 0 ? R(1) : R(0), R(0)}};
    case SOFTPLUS: {
        Jet<R> gate = sigmoid<T>(x);
        R value = (x > 0 ? x : R(0)) + logarithm_of_more(exponential(-magnitude(x)));
        return {{value, gate.at[0], gate.at[1]}};
    }
    case SIN: return {{sine(x), cosine(x), -sine(x)}};
    case COS: return {{cosine(x), -sine(x), -cosine(x)}};
    case CHARBONNIER: {
        R r = length(x, a);
        return {{r, x / r, a / r * (a / r) / r}};
    }
    default: return {{x < a ? a : x > b ? b : x, a <= x && x <= b ? R(1) : R(0), R(0)}};
    }
}

// The derivative of `order`; NaN gives NaN at every order.
template <class T, class R> __device__ __forceinline__ R derivative(i32 function, i32 order, R x, R a, R b) {
    if (x != x) return x;
    Jet<R> f = jet<T>(function, x, a, b);
    return order == 0 ? f.at[0] : order == 1 ? f.at[1] : f.at[2];
}

// Calls: what is not inlined into every lane of every kernel, which would be minutes of the compiler's time.
template <class T, class R> __device__ __noinline__ R value(i32 function, i32 order, R x, f64 a, f64 b) {
    return derivative<T>(function, order, x, R(a), R(b));
}
template <class T, i32 FUNCTION, i32 ORDER> __device__ __noinline__ f32 value_of(f32 x) {
    return derivative<T>(FUNCTION, ORDER, x, 0.0f, 0.0f);
}

// y = f(x), or g f(x) where there are three operands, of what comes in vectors.
template <class T, int N, class F> __device__ __forceinline__ void vectors(const Elementwise<N>& e, F f) {
    using Wide = typename Computes<T>::In;
    elementwise_vectors<T, N, false, N == 2 ? 2 : 1>(
        e, N - 1, [f](const Wide* x, Wide) { return N == 3 ? product(x[N - 2], f(x[0])) : f(x[0]); });
}

template <class T, int N>
__device__ __forceinline__ void pointwise(const Elementwise<N>& e, i32 function, i32 order, f64 a, f64 b) {
    using Wide = typename Computes<T>::In;
    auto any = [=](Wide x) { return value<T>(function, order, x, a, b); };
    if constexpr (same_type<T, f64>) {
        vectors<T>(e, any);
    } else {
#define INLINED(FUNCTION, ORDER)                                                                                       \
    case FUNCTION * 3 + ORDER:                                                                                         \
        vectors<T>(e, [](f32 x) { return derivative<T>(FUNCTION, ORDER, x, 0.0f, 0.0f); });                            \
        break;
#define CALLED(FUNCTION, ORDER)                                                                                        \
    case FUNCTION * 3 + ORDER: vectors<T>(e, [](f32 x) { return value_of<T, FUNCTION, ORDER>(x); }); break;
        switch (function * 3 + order) {
            INLINED(EXP, 0)
            INLINED(SQUARE, 0)
            INLINED(SQUARE, 1)
            INLINED(SIGMOID, 0)
            INLINED(SIGMOID, 1)
            INLINED(SILU, 0)
            INLINED(SILU, 1)
            INLINED(RELU, 0)
            INLINED(RELU, 1)
            INLINED(GELU, 0)
            INLINED(GELU, 1)
            CALLED(TANH, 0)
            CALLED(TANH, 1)
            CALLED(GELU_TANH, 0)
            CALLED(GELU_TANH, 1)
        default: vectors<T>(e, any);
        }
#undef CALLED
#undef INLINED
    }
    elementwise_others<T, N, false>(
        e, N - 1, [&](const Wide* x, Wide) { return N == 3 ? product(x[N - 2], any(x[0])) : any(x[0]); });
}
