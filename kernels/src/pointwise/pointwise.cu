// Scalar functions with their first two derivatives, as the table in `table.rs` defines them: y = f(x) and y = g f(x).
// Functions are numbered as there; the number is the same for all threads, so the switch costs a jump.
#include "block.cuh"
#include "maths.cuh"
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
__device__ __forceinline__ f32 error_complement(f32 x) { return erfcf(x); }
__device__ __forceinline__ f64 error_complement(f64 x) { return erfc(x); }
__device__ __forceinline__ f32 length(f32 x, f32 y) { return hypotf(x, y); }
__device__ __forceinline__ f64 length(f64 x, f64 y) { return hypot(x, y); }
template <class R> __device__ __forceinline__ R magnitude(R x) { return x < 0 ? -x : x; }

// A function and its derivatives at one place.
template <class R> struct Jet {
    R at[3];
};

// The logistic function, without cancellation on either side.
template <class R> __device__ __forceinline__ Jet<R> sigmoid(R x) {
    R e = exponential(-magnitude(x)), large = R(1) / (R(1) + e), small = e / (R(1) + e), slope = large * small;
    if (x < 0) return {{small, slope, slope * (large - small)}};
    return {{large, slope, slope * (small - large)}};
}

// The normal distribution function.
template <class R> __device__ __forceinline__ Jet<R> normal(R x) {
    R density = exponential(R(-0.5) * x * x) * R(0.3989422804014326779);
    return {{R(0.5) * error_complement(-x * R(0.7071067811865475244)), density, -x * density}};
}

// sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)); beyond 40 it is 0 or 1 to the last bit, and the cube would overflow.
template <class R> __device__ __forceinline__ Jet<R> gelu_gate(R x) {
    constexpr R SCALE = R(1.5957691216057307117), CUBE = R(0.044715);
    x = x > 40 ? R(40) : x < -40 ? R(-40) : x;
    Jet<R> gate = sigmoid(SCALE * (x + CUBE * x * x * x));
    R rate = SCALE * (R(1) + R(3) * CUBE * x * x), change = SCALE * R(6) * CUBE * x;
    return {{gate.at[0], rate * gate.at[1], change * gate.at[1] + rate * rate * gate.at[2]}};
}

// x gate(x)
template <class R> __device__ __forceinline__ Jet<R> gated(R x, Jet<R> gate) {
    return {{x * gate.at[0], gate.at[0] + x * gate.at[1], R(2) * gate.at[1] + x * gate.at[2]}};
}

enum Function {
    EXP, LN, SQRT, RSQRT, RECIPROCAL, SQUARE, ABS, SIGMOID, SILU, TANH, GELU, GELU_TANH, RELU, SOFTPLUS, SIN, COS,
    CHARBONNIER, CLAMP
};

// `a` and `b` are the function's parameters: eps of Charbonnier, the bounds of clamp.
template <class R> __device__ Jet<R> jet(i32 function, R x, R a, R b) {
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
    case SQUARE: return {{x * x, R(2) * x, R(2)}};
    case ABS: return {{magnitude(x), x > 0 ? R(1) : x < 0 ? R(-1) : R(0), R(0)}};
    case SIGMOID: return sigmoid(x);
    case SILU: return gated(x, sigmoid(x));
    case TANH: {
        R y = tangent(x), slope = R(4) * sigmoid(R(2) * x).at[1];
        return {{y, slope, R(-2) * y * slope}};
    }
    case GELU: return gated(x, normal(x));
    case GELU_TANH: return gated(x, gelu_gate(x));
    case RELU: return {{x > 0 ? x : R(0), x > 0 ? R(1) : R(0), R(0)}};
    case SOFTPLUS: {
        Jet<R> gate = sigmoid(x);
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

// The derivative of `order`; NaN gives NaN at every order. A call, not inlined into every lane of every kernel: eighteen
// functions in eight lanes are a minute of the compiler's time.
template <class R> __device__ __noinline__ R value(i32 function, i32 order, R x, f64 a, f64 b) {
    if (x != x) return x;
    Jet<R> f = jet(function, x, R(a), R(b));
    return order == 0 ? f.at[0] : order == 1 ? f.at[1] : f.at[2];
}

template <class T> __device__ void apply(const Elementwise<2>& e, i32 function, i32 order, f64 a, f64 b) {
    using Wide = typename Computes<T>::In;
    elementwise<T>(e, 1, [&](const Wide* x, Wide) { return value(function, order, x[0], a, b); });
}

template <class T> __device__ void scaled(const Elementwise<3>& e, i32 function, i32 order, f64 a, f64 b) {
    using Wide = typename Computes<T>::In;
    elementwise<T>(e, 2, [&](const Wide* x, Wide) { return x[1] * value(function, order, x[0], a, b); });
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        apply_##T(Elementwise<2> e, i32 function, i32 order, f64 a, f64 b) { apply<T>(e, function, order, a, b); }     \
    REGISTER_KERNEL(apply_##T);                                                                                        \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        scaled_##T(Elementwise<3> e, i32 function, i32 order, f64 a, f64 b) { scaled<T>(e, function, order, a, b); }   \
    REGISTER_KERNEL(scaled_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
