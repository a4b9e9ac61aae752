// Sums and maxima over any subset of axes. Bound by memory.
//
// A sum is a fixed tree over its terms: chunks of CHUNK terms; within a chunk 32 lanes, which take turns of RUN neighbouring
// terms each and add them in WAYS interleaved accumulators; lanes pairwise; then the sums of chunks in the same way. It
// depends on the number of terms alone, not on how they lie in memory.
//
// Where terms are neighbours in memory a warp computes one chunk of one result (`rows`), and a block whose warps have all
// chunks of a result goes on to join them; where results are (`columns`), a block computes 8 vectors of results, 32 threads
// each. Loads are of 16 bytes where all that is read at once is aligned, and BATCH runs or one run of vectors are under way
// before the first of them is added.
//
// Figure: not yet measured. One run at a time, with a place computed for each of its terms: 2780 GB/s of rows, 2750 of
// columns in f32 (H200, 2026-11-26).
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
    u32 share;   // warps of a block that have the chunks of one result and join them; 1: chunks go to `partial`
    u32 vectors; // whether what is read at once is neighbours, from 16-byte boundaries
    u32 even;    // whether the terms of a run lie `step` apart
    u32 step;

    // The terms of a chunk: from `first` up to `end`.
    __device__ __forceinline__ void bounds(u32 chunk, u32& first, u32& end) const {
        first = chunk * CHUNK;
        end = chunks == 1 || terms.count - first < CHUNK ? terms.count : first + CHUNK;
    }
};

// The terms of a chunk, in every lane of a warp.
template <class T, class Fold>
__device__ __forceinline__ typename Computes<T>::In chunk_of_row(const T* x, u32 first, u32 end, const Reduction& r,
                                                                 Fold join) {
    using Wide = typename Computes<T>::In;
    constexpr int PACK = 16 / sizeof(T) < RUN ? 16 / sizeof(T) : RUN, BATCH = sizeof(T) == 8 ? 2 : 4;
    constexpr u32 TURN = LANES * RUN;
    using Run = Pack<T, PACK>[RUN / PACK];
    Wide ways[WAYS];
#pragma unroll
    for (int way = 0; way < WAYS; way++) ways[way] = join.none();
    auto load = [&](u32 run, Run& packs) {
        u32 place[1];
        r.terms.places(run, place);
#pragma unroll
        for (int i = 0; i < RUN / PACK; i++) packs[i] = load_pack<PACK>(x + place[0] + i * PACK);
    };
    auto add = [&](const Run& packs) {
#pragma unroll
        for (int i = 0; i < RUN; i++) ways[i % WAYS] = join(ways[i % WAYS], to<Wide>(packs[i / PACK][i % PACK]));
    };
    u32 run = first + lane_index() * RUN;
    for (; r.vectors && run + (BATCH - 1) * TURN + RUN <= end; run += BATCH * TURN) {
        Run packs[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; i++) load(run + i * TURN, packs[i]);
#pragma unroll
        for (int i = 0; i < BATCH; i++) add(packs[i]);
    }
    for (; run < end; run += TURN) {
        if (r.vectors && run + RUN <= end) {
            Run packs;
            load(run, packs);
            add(packs);
            continue;
        }
#pragma unroll
        for (int i = 0; i < RUN; i++) {
            u32 place[1];
            if (run + i >= end) break;
            r.terms.places(run + i, place);
            ways[i % WAYS] = join(ways[i % WAYS], to<Wide>(x[place[0]]));
        }
    }
    return warp_reduce(join(join(ways[0], ways[1]), join(ways[2], ways[3])), join);
}

template <class T, class Out, template <class> class Fold>
__device__ void rows(const T* x, Out* y, typename Computes<T>::In* partial, const Reduction& r) {
    using Wide = typename Computes<T>::In;
    SHARED(Wide, of_chunk, [WARP]);
    Fold<Wide> join;
    u32 item = blockIdx.x * (blockDim.x / WARP) + warp_index(), turns = r.share == 1 ? r.chunks : r.share;
    u32 result = item / turns, chunk = item % turns, at[2] = {0, 0};
    bool works = result < r.kept.count;
    Wide value = join.none();
    if (works) r.kept.places(result, at);
    if (works && chunk < r.chunks) {
        u32 first, end;
        r.bounds(chunk, first, end);
        value = chunk_of_row(x + at[0], first, end, r, join);
    }
    if (r.share > 1) {
        // Another pass over the sums of chunks would do the same.
        if (lane_index() == 0) of_chunk[warp_index()] = value;
        block_sync();
        if (chunk != 0) return;
        Wide ways[WAYS];
#pragma unroll
        for (int way = 0; way < WAYS; way++) ways[way] = join.none();
#pragma unroll
        for (int i = 0; i < RUN; i++) {
            u32 term = lane_index() * RUN + i;
            if (term < r.chunks) ways[i % WAYS] = join(ways[i % WAYS], of_chunk[warp_index() + term]);
        }
        value = warp_reduce(join(join(ways[0], ways[1]), join(ways[2], ways[3])), join);
    }
    if (!works || lane_index() != 0) return;
    if (r.chunks == 1 || r.share > 1) y[at[1]] = to<Out>(value);
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
        const T* own = x + at[0];
        auto add = [&](int i, const Pack<T, WIDTH>& pack) {
#pragma unroll
            for (int j = 0; j < WIDTH; j++) ways[i % WAYS][j] = join(ways[i % WAYS][j], to<Wide>(pack[j]));
        };
        for (u32 run = first + lane * RUN; run < end; run += LANES * RUN) {
            u32 place[1];
            if (r.even && run + RUN <= end) {
                Pack<T, WIDTH> packs[RUN];
                r.terms.places(run, place);
#pragma unroll
                for (int i = 0; i < RUN; i++) packs[i] = load_pack<WIDTH>(own + place[0] + i * r.step);
#pragma unroll
                for (int i = 0; i < RUN; i++) add(i, packs[i]);
                continue;
            }
#pragma unroll
            for (int i = 0; i < RUN; i++) {
                if (run + i >= end) break;
                r.terms.places(run + i, place);
                add(i, load_pack<WIDTH>(own + place[0]));
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
    extern "C" __global__ void __launch_bounds__(1024) name##_rows_##Out(const T* x, Out* y, Computes<T>::In* partial, \
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
