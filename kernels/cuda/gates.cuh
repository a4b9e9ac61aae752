// The logistic function and the normal distribution function with their first two derivatives, and x times them: what the
// usual activations are made of.
//
// Where a result is rounded to 16 bits, memory has twice the elements ready: SHORT forms, good to a relative 2^-14, are
// then used on every path.
#pragma once
#include "maths.cuh"

__device__ __forceinline__ f32 error_complement(f32 x) { return erfcf(x); }
__device__ __forceinline__ f64 error_complement(f64 x) { return erfc(x); }
template <class R> __device__ __forceinline__ R magnitude(R x) { return x < 0 ? -x : x; }

// A function and its derivatives at one place.
template <class R> struct Jet {
    R at[3];
};

template <class T> constexpr bool SHORT = sizeof(T) == 2;

// The logistic function, without cancellation on either side. T: what results are stored as.
template <class T, class R> __device__ __forceinline__ Jet<R> sigmoid(R x) {
    R e;
    if constexpr (SHORT<T>) e = exp2_fast(product(magnitude(x), -1.44269504089f));
    else e = exponential(-magnitude(x));
    R large = reciprocal(R(1) + e), small = product(e, large);
    R slope = product(large, small);
    if (x < 0) return {{small, slope, product(slope, large - small)}};
    return {{large, slope, product(slope, small - large)}};
}

// The normal distribution function; SHORT, e^(-x^2 / 2) times powers of t, as Abramowitz and Stegun 7.1.26, but fitted so
// that the tail is good to as many digits as the middle.
template <class T, class R> __device__ __forceinline__ Jet<R> normal(R x) {
    if constexpr (SHORT<T>) {
        f32 e = exp2_fast(product(product(x, x), -0.72134752044f)), t = reciprocal(mul_add(magnitude(x), 0.38f, 1.0f));
        f32 sum = mul_add(mul_add(-0.0899249695f, t, 0.1888690455f), t, 0.0919854701f);
        f32 tail = product(product(mul_add(mul_add(sum, t, 0.1578276437f), t, 0.1512253408f), t), e);
        f32 density = product(e, 0.39894228040f);
        return {{x < 0 ? tail : 1.0f - tail, density, product(-x, density)}};
    }
    R density = product(exponential(product(product(R(-0.5), x), x)), R(0.3989422804014326779));
    R share = product(R(0.5), error_complement(product(-x, R(0.7071067811865475244))));
    return {{share, density, product(-x, density)}};
}

// sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)); beyond 40 it is 0 or 1 to the last bit, and the cube would overflow.
template <class T, class R> __device__ __forceinline__ Jet<R> gelu_gate(R x) {
    constexpr R SCALE = R(1.5957691216057307117), CUBE = R(0.044715);
    x = x > 40 ? R(40) : x < -40 ? R(-40) : x;
    R square = product(x, x);
    Jet<R> gate = sigmoid<T>(product(SCALE, mul_add(product(CUBE, square), x, x)));
    R rate = product(SCALE, mul_add(R(3) * CUBE, square, R(1))), change = product(SCALE * R(6) * CUBE, x);
    R bend = mul_add(product(rate, rate), gate.at[2], product(change, gate.at[1]));
    return {{gate.at[0], product(rate, gate.at[1]), bend}};
}

// x gate(x)
template <class R> __device__ __forceinline__ Jet<R> gated(R x, Jet<R> gate) {
    R slope = mul_add(x, gate.at[1], gate.at[0]), bend = mul_add(x, gate.at[2], gate.at[1] + gate.at[1]);
    return {{product(x, gate.at[0]), slope, bend}};
}
