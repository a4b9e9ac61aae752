// Sums and maxima over any subset of axes. Bound by memory.
//
// A sum is a fixed tree over its terms: chunks of CHUNK terms; within a chunk 32 lanes, which take turns of RUN neighbouring
// terms each and add them in WAYS interleaved accumulators; lanes pairwise; then the sums of chunks in the same way. It
// depends on the number of terms alone, not on how they lie in memory.
//
// Where terms are neighbours in memory a warp computes one chunk of one result (`rows`); where results are (`columns`), a
// block computes 8 vectors of results, 32 threads each. Loads are of 16 bytes where all that is read at once is aligned.
//
// Figure: not yet measured.
#include "block.cuh"
#include "strided.cuh"

constexpr int CHUNK = 1024, RUN = 8, WAYS = 4, LANES = 32, COLUMNS = 8;

template <class R> struct Adding {
    static __device__ __forceinline__ R none() { return R(0); }
    __device__ __forceinline__ R operator()(R a, R b) const { return a + b; }
};
template <class R> struct Largest {
    static __device__ __forceinline__ R none() { return R(-INFINITY); }
    // NaN wins, on either side.
    __device__ __forceinline__ R operator()(R a, R b) const { return a != a || a > b ? a : b; }
};

// As in `cuda.rs`. `kept` places each result's first term and the result; `terms` the terms after it. With more than one
// chunk, results go to `partial` [results, chunks].
struct Reduction {
    Nest<2> kept;
    Nest<1> terms;
    u32 chunks;
    u32 vectors; // whether what is read at once is neighbours, from 16-byte boundaries

    // The terms of a chunk: from `first` up to `end`.
    __device__ __forceinline__ void bounds(u32 chunk, u32& first, u32& end) const {
        first = chunk * CHUNK;
        end = chunks == 1 || terms.count - first < CHUNK ? terms.count : first + CHUNK;
    }
};

template <class T, class Out, template <class> class Fold>
__device__ void rows(const T* x, Out* y, typename Computes<T>::In* partial, const Reduction& r) {
    using Wide = typename Computes<T>::In;
    constexpr int PACK = 16 / sizeof(T) < RUN ? 16 / sizeof(T) : RUN;
    Fold<Wide> join;
    u32 item = blockIdx.x * (blockDim.x / WARP) + warp_index(), result = item / r.chunks, chunk = item % r.chunks;
    if (result >= r.kept.count) return;
    u32 at[2], first, end;
    r.kept.places(result, at);
    r.bounds(chunk, first, end);
    Wide ways[WAYS];
#pragma unroll
    for (int way = 0; way < WAYS; way++) ways[way] = join.none();
#pragma unroll 2
    for (u32 run = first + lane_index() * RUN; run < end; run += LANES * RUN) {
        u32 place[1];
        if (r.vectors && run + RUN <= end) {
            Pack<T, PACK> packs[RUN / PACK];
            r.terms.places(run, place);
#pragma unroll
            for (int i = 0; i < RUN / PACK; i++) packs[i] = load_pack<PACK>(x + at[0] + place[0] + i * PACK);
#pragma unroll
            for (int i = 0; i < RUN; i++) ways[i % WAYS] = join(ways[i % WAYS], to<Wide>(packs[i / PACK][i % PACK]));
        } else {
#pragma unroll
            for (int i = 0; i < RUN; i++) {
                if (run + i >= end) break;
                r.terms.places(run + i, place);
                ways[i % WAYS] = join(ways[i % WAYS], to<Wide>(x[at[0] + place[0]]));
            }
        }
    }
    Wide value = warp_reduce(join(join(ways[0], ways[1]), join(ways[2], ways[3])), join);
    if (lane_index() != 0) return;
    if (r.chunks == 1) y[at[1]] = to<Out>(value);
    else partial[result * r.chunks + chunk] = value;
}

// A thread has WIDTH neighbouring results, a vector or one.
template <class T, class Out, template <class> class Fold, int WIDTH>
__device__ __forceinline__ void columns(const T* x, Out* y, typename Computes<T>::In* partial, const Reduction& r) {
    using Wide = typename Computes<T>::In;
    SHARED(Wide, lanes, [WIDTH][COLUMNS][LANES + 1]);
    Fold<Wide> join;
    u32 wide = ceil_div(r.kept.count, u32(COLUMNS * WIDTH)), chunk = blockIdx.x / wide;
    u32 column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS, block = blockIdx.x % wide;
    u32 result = (block * COLUMNS + column) * WIDTH, at[2] = {0, 0};
    Wide ways[WAYS][WIDTH];
#pragma unroll
    for (int i = 0; i < WAYS * WIDTH; i++) ways[i / WIDTH][i % WIDTH] = join.none();
    if (result < r.kept.count) {
        u32 first, end;
        r.kept.places(result, at);
        r.bounds(chunk, first, end);
        for (u32 run = first + lane * RUN; run < end; run += LANES * RUN) {
            Pack<T, WIDTH> packs[RUN];
#pragma unroll
            for (int i = 0; i < RUN; i++) {
                u32 place[1];
                if (run + i >= end) break;
                r.terms.places(run + i, place);
                packs[i] = load_pack<WIDTH>(x + at[0] + place[0]);
            }
#pragma unroll
            for (int i = 0; i < RUN; i++) {
                if (run + i >= end) break;
#pragma unroll
                for (int j = 0; j < WIDTH; j++) ways[i % WAYS][j] = join(ways[i % WAYS][j], to<Wide>(packs[i][j]));
            }
        }
    }
#pragma unroll
    for (int j = 0; j < WIDTH; j++)
        lanes[j][column][lane] = join(join(ways[0][j], ways[1][j]), join(ways[2][j], ways[3][j]));
    block_sync();
    // Pairwise, as `warp_reduce` does: a warp a column.
    for (int j = 0; j < WIDTH; j++) {
        u32 own = (block * COLUMNS + warp_index()) * WIDTH + j;
        Wide value = warp_reduce(lanes[j][warp_index()][lane_index()], join);
        if (lane_index() != 0 || own >= r.kept.count) continue;
        u32 places[2];
        r.kept.places(own, places);
        if (r.chunks == 1) y[places[1]] = to<Out>(value);
        else partial[own * r.chunks + chunk] = value;
    }
}

template <class T, class Out, template <class> class Fold>
__device__ void columns(const T* x, Out* y, typename Computes<T>::In* partial, const Reduction& r) {
    if (r.vectors) columns<T, Out, Fold, 16 / sizeof(T)>(x, y, partial, r);
    else columns<T, Out, Fold, 1>(x, y, partial, r);
}

#define REDUCTIONS(name, T, Out, Fold)                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) name##_rows_##Out(const T* x, Out* y, Computes<T>::In* partial,  \
        Reduction r) { rows<T, Out, Fold>(x, y, partial, r); }                                                         \
    REGISTER_KERNEL(name##_rows_##Out);

#define KERNELS(T)                                                                                                     \
    REDUCTIONS(sum, T, T, Adding)                                                                                      \
    REDUCTIONS(max, T, T, Largest)                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) sum_columns_##T(const T* x, T* y, Computes<T>::In* partial,      \
        Reduction r) { columns<T, T, Adding>(x, y, partial, r); }                                                      \
    REGISTER_KERNEL(sum_columns_##T);                                                                                  \
    extern "C" __global__ void __launch_bounds__(256) max_columns_##T(const T* x, T* y, Computes<T>::In* partial,      \
        Reduction r) { columns<T, T, Largest>(x, y, partial, r); }                                                     \
    REGISTER_KERNEL(max_columns_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)

// The second pass of a sum in 16 bits: partial sums are f32.
REDUCTIONS(sum_partial, f32, bf16, Adding)
REDUCTIONS(sum_partial, f32, f16, Adding)
