// Elementwise work over operands of any strides.
//
// The structs here are passed by value from Rust and have twins there (`src/cuda/nest.rs`, `src/cuda/elementwise.rs`):
// change both. Places are in elements; an operand has fewer than 2^31.
#pragma once
#include "numbers.cuh"

// What a kernel computes in: f64 for f64, f32 for all else.
template <class T> struct Computes {
    using In = f32;
};
template <> struct Computes<f64> {
    using In = f64;
};

// Divides numbers below 2^31 by `size`: a multiplication and a shift.
struct Divisor {
    u32 size, multiplier, shift;
    struct Split {
        u32 quotient, rest;
    };

    __device__ __forceinline__ u32 quotient(u32 n) const { return (__umulhi(n, multiplier) + n) >> shift; }
    __device__ __forceinline__ Split split(u32 n) const {
        u32 q = quotient(n);
        return {q, n - q * size};
    }
};

// A loop nest over N operands of one shape, the result first; innermost loop last.
template <int N> struct Nest {
    static constexpr int LOOPS = 8;
    u32 count;
    u32 depth;
    Divisor divisors[LOOPS];
    u32 strides[LOOPS][N];

    // Where element `index`, counted in the order of the loops, lies in each operand.
    __device__ __forceinline__ void places(u32 index, u32 (&at)[N]) const {
        for (int operand = 0; operand < N; operand++) at[operand] = 0;
        for (int level = int(depth) - 1; level >= 0; level--) {
            u32 outer = level == 0 ? 0 : divisors[level].quotient(index);
            u32 step = index - outer * divisors[level].size;
            for (int operand = 0; operand < N; operand++) at[operand] += step * strides[level][operand];
            index = outer;
        }
    }
};

// The operands of an elementwise kernel, the result first.
template <int N> struct Elementwise {
    void* operands[N];
    Nest<N> nest;
    u32 flat; // all operands run one element after another, from 16-byte boundaries
    u32 unused;
};

// The number of this thread, and of all threads of the launch: kernels stride through what one wave does not cover.
__device__ __forceinline__ u32 thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ u32 thread_count() { return gridDim.x * blockDim.x; }

// y[i] = f(x_0[i], x_1[i], ..) for the first `inputs` operands after the result; f(values, old) gets them widened to f32
// (f64 stays), and the old y where UPDATES says so.
template <class T, int N, bool UPDATES = false, class F>
__device__ __forceinline__ void elementwise(const Elementwise<N>& e, int inputs, F f) {
    using Wide = typename Computes<T>::In;
    constexpr int LANES = 16 / sizeof(T);
    T* y = static_cast<T*>(e.operands[0]);
    u32 vectors = e.flat ? e.nest.count / LANES : 0;
    for (u32 v = thread_number(); v < vectors; v += thread_count()) {
        Pack<T, LANES> x[N], result;
        for (int i = 1; i < N; i++)
            if (i <= inputs) x[i] = static_cast<const Pack<T, LANES>*>(e.operands[i])[v];
        if (UPDATES) result = reinterpret_cast<const Pack<T, LANES>*>(y)[v];
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            Wide values[N - 1];
            for (int i = 1; i < N; i++)
                if (i <= inputs) values[i - 1] = to<Wide>(x[i][lane]);
            result[lane] = to<T>(f(values, UPDATES ? to<Wide>(result[lane]) : Wide(0)));
        }
        reinterpret_cast<Pack<T, LANES>*>(y)[v] = result;
    }
    for (u32 index = vectors * LANES + thread_number(); index < e.nest.count; index += thread_count()) {
        u32 at[N];
        e.nest.places(index, at);
        Wide values[N - 1];
        for (int i = 1; i < N; i++)
            if (i <= inputs) values[i - 1] = to<Wide>(static_cast<const T*>(e.operands[i])[at[i]]);
        y[at[0]] = to<T>(f(values, UPDATES ? to<Wide>(y[at[0]]) : Wide(0)));
    }
}
