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

// The operands of an elementwise kernel, the result first. The nest counts vectors of `lanes` elements, 16 bytes of the
// widest operand; or elements, where lanes are 1 because rows are not whole vectors.
template <int N> struct Elementwise {
    void* operands[N];
    Nest<N> nest;
    u32 lanes;
    u32 splat; // bit i: operand i has one element for all lanes of a vector
    u32 rest;  // elements after the last vector, of dense operands
    u32 unused;

    // Where element `index` of the rest lies in each operand.
    __device__ __forceinline__ void rest_at(u32 index, u32 (&at)[N]) const {
#pragma unroll
        for (int i = 0; i < N; i++) at[i] = splat >> i & 1 ? 0 : nest.count * lanes + index;
    }
};

// The number of this thread, and of all threads of the launch: kernels stride through what one wave does not cover.
__device__ __forceinline__ u32 thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ u32 thread_count() { return gridDim.x * blockDim.x; }

template <int LANES, class T> __device__ __forceinline__ Pack<T, LANES> load_vector(const T* from, bool splat) {
    if (!splat) return load_pack<LANES>(from);
    Pack<T, LANES> pack;
    T one = *from;
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) pack[lane] = one;
    return pack;
}

// y[i] = f(x_0[i], x_1[i], ..) for the first `inputs` operands after the result; f(values, old) gets them widened to f32
// (f64 stays), and the old y where UPDATES says so. In two parts: what comes in vectors, and the others.
//
// A thread loads a vector of each operand WAYS times before it computes with the first: the more is under way, the less
// is waited for.
template <class T, int N, bool UPDATES, int WAYS, class F>
__device__ __forceinline__ void elementwise_vectors(const Elementwise<N>& e, int inputs, F f) {
    using Wide = typename Computes<T>::In;
    constexpr int LANES = 16 / sizeof(T);
    T* y = static_cast<T*>(e.operands[0]);
    u32 count = e.lanes == 1 ? 0 : e.nest.count;
    for (u32 first = thread_number(); first < count; first += WAYS * thread_count()) {
        Pack<T, LANES> vectors[WAYS][N];
        u32 to_y[WAYS];
#pragma unroll
        for (int way = 0; way < WAYS; way++) {
            u32 at[N], index = first + way * thread_count();
            if (index >= count) break;
            e.nest.places(index, at);
            to_y[way] = at[0];
            if (UPDATES) vectors[way][0] = load_pack<LANES>(y + at[0]);
#pragma unroll
            for (int i = 1; i < N; i++)
                if (i <= inputs)
                    vectors[way][i] =
                        load_vector<LANES>(static_cast<const T*>(e.operands[i]) + at[i], e.splat >> i & 1);
        }
#pragma unroll
        for (int way = 0; way < WAYS; way++) {
            if (first + way * thread_count() >= count) break;
            Wide result[LANES];
#pragma unroll
            for (int lane = 0; lane < LANES; lane++) {
                Wide values[N - 1];
#pragma unroll
                for (int i = 1; i < N; i++)
                    if (i <= inputs) values[i - 1] = to<Wide>(vectors[way][i][lane]);
                result[lane] = f(values, UPDATES ? to<Wide>(vectors[way][0][lane]) : Wide(0));
            }
            store_pack(y + to_y[way], rounded<T>(result));
        }
    }
}

template <class T, int N, bool UPDATES, class F>
__device__ __forceinline__ void elementwise_others(const Elementwise<N>& e, int inputs, F f) {
    using Wide = typename Computes<T>::In;
    T* y = static_cast<T*>(e.operands[0]);
    u32 count = e.lanes == 1 ? e.nest.count : e.rest;
    for (u32 index = thread_number(); index < count; index += thread_count()) {
        u32 at[N];
        if (e.lanes == 1) e.nest.places(index, at);
        else e.rest_at(index, at);
        Wide values[N - 1];
#pragma unroll
        for (int i = 1; i < N; i++)
            if (i <= inputs) values[i - 1] = to<Wide>(static_cast<const T*>(e.operands[i])[at[i]]);
        y[at[0]] = to<T>(f(values, UPDATES ? to<Wide>(y[at[0]]) : Wide(0)));
    }
}

template <class T, int N, bool UPDATES = false, class F>
__device__ __forceinline__ void elementwise(const Elementwise<N>& e, int inputs, F f) {
    constexpr int WAYS = N + UPDATES == 2 ? 4 : N + UPDATES == 3 ? 2 : 1;
    elementwise_vectors<T, N, UPDATES, WAYS>(e, inputs, f);
    elementwise_others<T, N, UPDATES>(e, inputs, f);
}
