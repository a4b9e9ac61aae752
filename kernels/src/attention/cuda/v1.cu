// Attention and its gradients, version 1: a warp a query (or, for the gradients of keys and values, a warp a key).
//
// Idea: the map is never stored. A warp looks at 32 keys at a time, a lane a key, with a running maximum and sum (flash
// attention, Dao et al. 2022); then lanes change sides, and each adds its columns of the values. The backward computes the
// map again from lse. A block's warps share the tile of keys and values in shared memory; nothing is added by atomics.
// Rows of q and k may be turned there by the angles of their positions.
//
// Figure: not yet measured.
#include "attention.cuh"
#include "block.cuh"
#include "maths.cuh"
#include "rotary.cuh"
#include "strided.cuh"

constexpr u32 WARPS = 8, KEYS = 32, COLUMNS = 8; // columns of a lane: values are at most 256 wide

// Copies `count` rows from `from` on into `tile`, rows `width + 1` apart, those beyond `limit` as zeros.
template <class T, class Wide>
__device__ __forceinline__ void load(Wide* tile, const T* rows, u64 step, u32 from, u32 count, u32 limit, u32 width) {
    for (u32 i = threadIdx.x; i < count * width; i += blockDim.x) {
        u32 row = i / width, column = i % width;
        tile[row * (width + 1) + column] = from + row < limit ? to<Wide>(rows[(from + row) * step + column]) : Wide(0);
    }
}

// The same, turned by `table` unless that is null.
template <class T, class Wide>
__device__ __forceinline__ void load_turned(Wide* tile, const T* rows, u64 step, u32 from, u32 count, u32 limit,
                                            u32 width, const Wide* table, const Rotation<Wide>& r) {
    load(tile, rows, step, from, count, limit, width);
    if (!table) return;
    block_sync();
    turn_rows<1>(tile, width + 1, from, count, limit, width, table, r);
}

// Turns back the rows of a gradient that this block has stored.
template <class T, class Wide>
__device__ __forceinline__ void turn_back(T* rows, u64 step, u32 from, u32 limit, u32 width, const Wide* table,
                                          const Rotation<Wide>& r) {
    if (!table) return;
    block_sync();
    turn_rows<-1>(rows + from * step, step, from, WARPS, limit, width, table, r);
}

template <class Wide> __device__ __forceinline__ Wide dot(const Wide* a, const Wide* b, u32 width) {
    Wide sum = 0;
    for (u32 i = 0; i < width; i++) sum = mul_add(a[i], b[i], sum);
    return sum;
}

// How the lanes of a warp share rows of `width` numbers: a lane has column `own`, and every 32nd after it. Of narrow rows
// several lanes have the same column, each of them of every `step`th row from `first` on; their sums are added in the end.
struct Lanes {
    u32 own, first, step;

    __device__ __forceinline__ explicit Lanes(u32 width) {
        u32 wide = WARP;
        while (wide > 1 && wide / 2 >= width) wide /= 2;
        own = threadIdx.x % wide;
        first = threadIdx.x % WARP / wide;
        step = WARP / wide;
    }
    template <class Wide> __device__ __forceinline__ Wide together(Wide sum) const {
        for (u32 distance = WARP / 2; distance >= WARP / step && step > 1; distance /= 2)
            sum += __shfl_xor_sync(FULL_WARP, sum, distance);
        return sum;
    }
};

template <class T>
__device__ void forward(Rows<const T> q, Rows<const T> k, Rows<const T> v, Rows<T> out, typename Computes<T>::In* lse,
                        const Rotation<typename Computes<T>::In>& r, const Shape& s) {
    using Wide = typename Computes<T>::In;
    DYN_SHARED(Wide, memory);
    Wide *queries = memory, *keys = queries + WARPS * (s.width + 1), *values = keys + KEYS * (s.width + 1);
    u32 pair = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32, query = blockIdx.x * WARPS + warp;
    load_turned(queries, q.of(pair, s.heads), q.position, blockIdx.x * WARPS, WARPS, s.queries, s.width, r.q, r);
    Wide most = Wide(-INFINITY), total = 0, sum[COLUMNS] = {};
    Lanes lanes(s.value_width);
    for (u32 from = 0; from < s.keys; from += KEYS) {
        block_sync();
        load_turned(keys, k.of(pair, s.heads), k.position, from, KEYS, s.keys, s.width, r.k, r);
        load(values, v.of(pair, s.heads), v.position, from, KEYS, s.keys, s.value_width);
        block_sync();
        Wide score = Wide(-INFINITY);
        if (from + lane < s.keys)
            score = dot(queries + warp * (s.width + 1), keys + lane * (s.width + 1), s.width) * Wide(s.scale);
        Wide higher = warp_max(score);
        higher = most > higher ? most : higher;
        // All -inf so far: the difference would be NaN.
        Wide keep = most == higher ? Wide(1) : exponential(most - higher);
        Wide weight = score == Wide(-INFINITY) ? Wide(0) : exponential(score - higher);
        if (score != score) weight = score;
        total = mul_add(total, keep, warp_sum(weight));
        most = higher;
        for (u32 j = 0; j < COLUMNS; j++) sum[j] *= keep;
        for (u32 key = lanes.first; key < KEYS; key += lanes.step) {
            Wide share = __shfl_sync(FULL_WARP, weight, key);
            for (u32 j = 0; j < COLUMNS; j++) {
                u32 column = lanes.own + 32 * j;
                if (column >= s.value_width) break;
                sum[j] = mul_add(share, values[key * (s.value_width + 1) + column], sum[j]);
            }
        }
    }
    sum[0] = lanes.together(sum[0]);
    if (query >= s.queries) return;
    T* row = out.of(pair, s.heads) + query * out.position;
    for (u32 j = 0; j < COLUMNS; j++) {
        u32 column = lane + 32 * j;
        if (column < s.value_width) row[column] = to<T>(s.keys ? sum[j] / total : Wide(0));
    }
    if (lane == 0) lse[size_t(pair) * s.queries + query] = s.keys ? most + logarithm(total) : Wide(-INFINITY);
}

// The map at (query, key) and scale times its slope, from rows in shared memory.
template <class Wide> struct Slope {
    Wide weight, slope;
    __device__ __forceinline__ Slope(const Wide* q, const Wide* k, const Wide* g, const Wide* v, Wide lse, Wide inner,
                                     const Shape& s) {
        weight = exponential(dot(q, k, s.width) * Wide(s.scale) - lse);
        slope = weight * (dot(g, v, s.value_width) - inner) * Wide(s.scale);
    }
};

// inner[query] = g . out
template <class T>
__device__ void inner_products(Rows<const T> out, Rows<const T> g, typename Computes<T>::In* inner, const Shape& s) {
    using Wide = typename Computes<T>::In;
    u32 pair = blockIdx.y, lane = threadIdx.x % 32, query = blockIdx.x * WARPS + threadIdx.x / 32;
    if (query >= s.queries) return;
    const T *a = out.of(pair, s.heads) + query * out.position, *b = g.of(pair, s.heads) + query * g.position;
    Wide sum = 0;
    for (u32 i = lane; i < s.value_width; i += 32) sum = mul_add(to<Wide>(a[i]), to<Wide>(b[i]), sum);
    sum = warp_sum(sum);
    if (lane == 0) inner[size_t(pair) * s.queries + query] = sum;
}

// dq: a warp a query, over tiles of keys.
template <class T>
__device__ void query_gradient(Rows<const T> q, Rows<const T> k, Rows<const T> v, Rows<const T> g,
                               const typename Computes<T>::In* lse, const typename Computes<T>::In* inner, Rows<T> dq,
                               const Rotation<typename Computes<T>::In>& r, const Shape& s) {
    using Wide = typename Computes<T>::In;
    DYN_SHARED(Wide, memory);
    Wide *own_q = memory, *own_g = own_q + WARPS * (s.width + 1), *keys = own_g + WARPS * (s.value_width + 1);
    Wide* values = keys + KEYS * (s.width + 1);
    u32 pair = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * WARPS;
    u32 query = first + warp;
    bool real = query < s.queries;
    size_t at = size_t(pair) * s.queries + (real ? query : 0);
    load_turned(own_q, q.of(pair, s.heads), q.position, first, WARPS, s.queries, s.width, r.q, r);
    load(own_g, g.of(pair, s.heads), g.position, first, WARPS, s.queries, s.value_width);
    Wide sum[COLUMNS] = {}, own_lse = lse[at], own_inner = inner[at];
    Lanes lanes(s.width);
    for (u32 from = 0; from < s.keys; from += KEYS) {
        block_sync();
        load_turned(keys, k.of(pair, s.heads), k.position, from, KEYS, s.keys, s.width, r.k, r);
        load(values, v.of(pair, s.heads), v.position, from, KEYS, s.keys, s.value_width);
        block_sync();
        Wide slope = 0;
        if (from + lane < s.keys)
            slope = Slope<Wide>(own_q + warp * (s.width + 1), keys + lane * (s.width + 1),
                                own_g + warp * (s.value_width + 1), values + lane * (s.value_width + 1), own_lse,
                                own_inner, s).slope;
        for (u32 key = lanes.first; key < KEYS; key += lanes.step) {
            Wide share = __shfl_sync(FULL_WARP, slope, key);
            for (u32 j = 0; j < COLUMNS; j++) {
                u32 column = lanes.own + 32 * j;
                if (column >= s.width) break;
                sum[j] = mul_add(share, keys[key * (s.width + 1) + column], sum[j]);
            }
        }
    }
    sum[0] = lanes.together(sum[0]);
    T* row = dq.of(pair, s.heads) + query * dq.position;
    for (u32 j = 0; j < COLUMNS; j++)
        if (real && lane + 32 * j < s.width) row[lane + 32 * j] = to<T>(sum[j]);
    turn_back(dq.of(pair, s.heads), dq.position, first, s.queries, s.width, r.q, r);
}

// dk and dv: a warp a key, over tiles of queries.
template <class T>
__device__ void key_gradients(Rows<const T> q, Rows<const T> k, Rows<const T> v, Rows<const T> g,
                              const typename Computes<T>::In* lse, const typename Computes<T>::In* inner, Rows<T> dk,
                              Rows<T> dv, const Rotation<typename Computes<T>::In>& r, const Shape& s) {
    using Wide = typename Computes<T>::In;
    DYN_SHARED(Wide, memory);
    Wide *own_k = memory, *own_v = own_k + WARPS * (s.width + 1), *queries = own_v + WARPS * (s.value_width + 1);
    Wide* cotangents = queries + KEYS * (s.width + 1);
    u32 pair = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * WARPS;
    load_turned(own_k, k.of(pair, s.heads), k.position, first, WARPS, s.keys, s.width, r.k, r);
    load(own_v, v.of(pair, s.heads), v.position, first, WARPS, s.keys, s.value_width);
    Wide sum_k[COLUMNS] = {}, sum_v[COLUMNS] = {};
    Lanes lanes(s.width > s.value_width ? s.width : s.value_width);
    for (u32 from = 0; from < s.queries; from += KEYS) {
        block_sync();
        load_turned(queries, q.of(pair, s.heads), q.position, from, KEYS, s.queries, s.width, r.q, r);
        load(cotangents, g.of(pair, s.heads), g.position, from, KEYS, s.queries, s.value_width);
        block_sync();
        Wide weight = 0, slope = 0;
        if (from + lane < s.queries) {
            size_t at = size_t(pair) * s.queries + from + lane;
            Slope<Wide> here(queries + lane * (s.width + 1), own_k + warp * (s.width + 1),
                             cotangents + lane * (s.value_width + 1), own_v + warp * (s.value_width + 1), lse[at],
                             inner[at], s);
            weight = here.weight;
            slope = here.slope;
        }
        for (u32 query = lanes.first; query < KEYS; query += lanes.step) {
            Wide share = __shfl_sync(FULL_WARP, slope, query), part = __shfl_sync(FULL_WARP, weight, query);
            for (u32 j = 0; j < COLUMNS; j++) {
                u32 column = lanes.own + 32 * j;
                if (column >= s.width && column >= s.value_width) break;
                if (column < s.width) sum_k[j] = mul_add(share, queries[query * (s.width + 1) + column], sum_k[j]);
                if (column < s.value_width)
                    sum_v[j] = mul_add(part, cotangents[query * (s.value_width + 1) + column], sum_v[j]);
            }
        }
    }
    sum_k[0] = lanes.together(sum_k[0]);
    sum_v[0] = lanes.together(sum_v[0]);
    u32 key = first + warp;
    T *row_k = dk.of(pair, s.heads) + key * dk.position, *row_v = dv.of(pair, s.heads) + key * dv.position;
    for (u32 j = 0; j < COLUMNS; j++) {
        u32 column = lane + 32 * j;
        if (key < s.keys && column < s.width) row_k[column] = to<T>(sum_k[j]);
        if (key < s.keys && column < s.value_width) row_v[column] = to<T>(sum_v[j]);
    }
    turn_back(dk.of(pair, s.heads), dk.position, first, s.keys, s.width, r.k, r);
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) attention_v1_##T(Rows<const T> q, Rows<const T> k,               \
        Rows<const T> v, Rows<T> out, Computes<T>::In* lse, Rotation<Computes<T>::In> r, Shape s) {                    \
        forward<T>(q, k, v, out, lse, r, s); }                                                                         \
    REGISTER_KERNEL(attention_v1_##T);                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) attention_inner_v1_##T(Rows<const T> out, Rows<const T> g,       \
        Computes<T>::In* inner, Shape s) { inner_products<T>(out, g, inner, s); }                                      \
    REGISTER_KERNEL(attention_inner_v1_##T);                                                                           \
    extern "C" __global__ void __launch_bounds__(256) attention_dq_v1_##T(Rows<const T> q, Rows<const T> k,            \
        Rows<const T> v, Rows<const T> g, const Computes<T>::In* lse, const Computes<T>::In* inner, Rows<T> dq,        \
        Rotation<Computes<T>::In> r, Shape s) { query_gradient<T>(q, k, v, g, lse, inner, dq, r, s); }                 \
    REGISTER_KERNEL(attention_dq_v1_##T);                                                                              \
    extern "C" __global__ void __launch_bounds__(256) attention_dkdv_v1_##T(Rows<const T> q, Rows<const T> k,          \
        Rows<const T> v, Rows<const T> g, const Computes<T>::In* lse, const Computes<T>::In* inner, Rows<T> dk,        \
        Rows<T> dv, Rotation<Computes<T>::In> r, Shape s) {                                                            \
        key_gradients<T>(q, k, v, g, lse, inner, dk, dv, r, s); }                                                      \
    REGISTER_KERNEL(attention_dkdv_v1_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
