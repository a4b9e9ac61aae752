// Linear combinations: y = sum of c_i x_i, and y += c x. Bound by memory: each operand is read once, 16 bytes at a time.
// Coefficients are rounded once, outside the loops: conversions from f64 are slow.
//
// Figure: not yet measured.
#include "block.cuh"
#include "strided.cuh"

constexpr int TERMS = 8;

// Those of the launch, or of a table, which a recorded launch reads anew each time that it is replayed.
struct Coefficients {
    f64 at[TERMS];
    const f64* table;

    __device__ __forceinline__ f64 of(int i) const { return table ? table[i] : at[i]; }
};

template <class T> __device__ void combine(const Elementwise<TERMS + 1>& e, const Coefficients& c, int terms) {
    using Wide = typename Computes<T>::In;
    Wide own[TERMS];
#pragma unroll
    for (int i = 0; i < TERMS; i++) own[i] = Wide(i < terms ? c.of(i) : 0);
    elementwise<T>(e, terms, [&](const Wide* x, Wide) {
        Wide sum = product(own[0], x[0]);
#pragma unroll
        for (int i = 1; i < TERMS; i++)
            if (i < terms) sum = mul_add(own[i], x[i], sum);
        return sum;
    });
}

// The most frequent number of terms by far, in fewer registers.
template <class T> __device__ void combine2(const Elementwise<3>& e, const Coefficients& c) {
    using Wide = typename Computes<T>::In;
    Wide first = Wide(c.of(0)), second = Wide(c.of(1));
    elementwise<T>(e, 2, [&](const Wide* x, Wide) { return mul_add(second, x[1], product(first, x[0])); });
}

template <class T> __device__ void accumulate(const Elementwise<2>& e, f64 c) {
    using Wide = typename Computes<T>::In;
    Wide own = Wide(c);
    elementwise<T, 2, true>(e, 1, [&](const Wide* x, Wide y) { return mul_add(own, x[0], y); });
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        combine_##T(Elementwise<TERMS + 1> e, Coefficients c, i32 terms) { combine<T>(e, c, terms); }                  \
    REGISTER_KERNEL(combine_##T);                                                                                      \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        combine2_##T(Elementwise<3> e, Coefficients c) { combine2<T>(e, c); }                                          \
    REGISTER_KERNEL(combine2_##T);                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        accumulate_##T(Elementwise<2> e, f64 c) { accumulate<T>(e, c); }                                               \
    REGISTER_KERNEL(accumulate_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
