// Sums and maxima over any subset of axes.
//
// A sum is a fixed tree over its terms: chunks of CHUNK terms; within a chunk 32 lanes, each of which adds every 32nd term
// in four interleaved accumulators; lanes pairwise; then the sums of chunks in the same way. It depends on the number of
// terms alone. A block computes 8 results with 32 lanes each, lanes side by side where terms are neighbours in memory,
// results side by side where those are (`across`).
#include "block.cuh"
#include "strided.cuh"

constexpr int CHUNK = 4096, LANES = 32, RESULTS = 8, WAYS = 4;

template <class R> struct Adding {
    static __device__ __forceinline__ R none() { return R(0); }
    static __device__ __forceinline__ R both(R a, R b) { return a + b; }
};
template <class R> struct Largest {
    static __device__ __forceinline__ R none() { return R(-INFINITY); }
    // NaN wins, on either side.
    static __device__ __forceinline__ R both(R a, R b) { return a != a || a > b ? a : b; }
};

// `kept` places each result's first term and the result; `terms` the terms after it. Block (x, y): results 8 x .., chunk y.
// With more than one chunk, results go to `partial` [results, chunks].
template <class T, class Out, template <class> class Fold>
__device__ void reduce(const T* x, Out* y, typename Computes<T>::In* partial, const Nest<2>& kept, const Nest<1>& terms,
                       u32 chunks, u32 across) {
    using Wide = typename Computes<T>::In;
    using F = Fold<Wide>;
    SHARED(Wide, lanes, [RESULTS][LANES + 1]);
    u32 t = threadIdx.x, slot = across ? t % RESULTS : t / LANES, lane = across ? t / RESULTS : t % LANES;
    u32 result = blockIdx.x * RESULTS + slot, chunk = blockIdx.y;
    Wide value = F::none();
    u32 at[2] = {0, 0};
    if (result < kept.count) {
        kept.places(result, at);
        u32 first = chunk * CHUNK, end = chunks == 1 ? terms.count : first + CHUNK;
        if (end > terms.count) end = terms.count;
        Wide ways[WAYS];
        for (int way = 0; way < WAYS; way++) ways[way] = F::none();
        for (u32 base = first + lane; base < end; base += LANES * WAYS) {
#pragma unroll
            for (int way = 0; way < WAYS; way++) {
                u32 term = base + way * LANES;
                if (term < end) {
                    u32 place[1];
                    terms.places(term, place);
                    ways[way] = F::both(ways[way], to<Wide>(x[at[0] + place[0]]));
                }
            }
        }
        value = F::both(F::both(ways[0], ways[1]), F::both(ways[2], ways[3]));
    }
    lanes[slot][lane] = value;
    __syncthreads();
    for (u32 half = LANES / 2; half > 0; half /= 2) {
        if (lane < half) lanes[slot][lane] = F::both(lanes[slot][lane], lanes[slot][lane + half]);
        __syncthreads();
    }
    if (lane == 0 && result < kept.count) {
        if (chunks == 1) y[at[1]] = to<Out>(lanes[slot][0]);
        else partial[result * chunks + chunk] = lanes[slot][0];
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) sum_##T(const T* x, T* y, Computes<T>::In* partial,              \
        Nest<2> kept, Nest<1> terms, u32 chunks, u32 across) {                                                         \
        reduce<T, T, Adding>(x, y, partial, kept, terms, chunks, across);                                            \
    }                                                                                                                  \
    REGISTER_KERNEL(sum_##T);                                                                                          \
    extern "C" __global__ void __launch_bounds__(256) max_##T(const T* x, T* y, Computes<T>::In* partial,              \
        Nest<2> kept, Nest<1> terms, u32 chunks, u32 across) {                                                         \
        reduce<T, T, Largest>(x, y, partial, kept, terms, chunks, across);                                            \
    }                                                                                                                  \
    REGISTER_KERNEL(max_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)

// The second pass of a sum in 16 bits: partial sums are f32.
#define NARROW(T)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) sum_partial_##T(const f32* x, T* y, f32* partial, Nest<2> kept,  \
        Nest<1> terms, u32 chunks, u32 across) {                                                                       \
        reduce<f32, T, Adding>(x, y, partial, kept, terms, chunks, across);                                          \
    }                                                                                                                  \
    REGISTER_KERNEL(sum_partial_##T);

NARROW(bf16)
NARROW(f16)
