// Products of tall matrices, c = a' b: a sum over the rows, split over blocks in chunks of fixed length.
//
// Idea: a block sums one chunk of one matrix, so that there are blocks enough however small the result; the sums of
// chunks are added in their order, in f64, by `gram_total`. `gram` is the product by tiles, with the rows as its depth.
// `gram_few`, for at most 4 columns of b, is bound by reading a: a warp reads 32 neighbours of a row, every 8th row, and
// a thread keeps the sums of its column of a.
// Figure: not yet measured.
#include "tile.cuh"

constexpr u32 FEW = 4, GROUPS = 8;

// As `sums` in `cuda.rs` gives them. `row`: from row to row of a and b; `work`: chunks of all matrices.
struct Sizes {
    u32 rows, height, width, row[2], chunk, chunks, work;
};

template <class T> struct Operand {
    const T* data;
    u32 step;
    using Row = u32;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return false; }
    __device__ __forceinline__ Row row(u32 i) const { return i; }
    __device__ __forceinline__ u32 depth(u32 n) const { return n * step; }
    __device__ __forceinline__ Wide at(Row row, u32 depth) const { return to<Wide>(data[row + depth]); }
};

template <class T>
__device__ void tiles(const T* a, const T* b, typename Computes<T>::In* sums, const Sizes& s, const Nest<3>& batch) {
    using Wide = typename Computes<T>::In;
    for (u32 item = blockIdx.z; item < s.work; item += gridDim.z) {
        u32 at[3], from = item % s.chunks * s.chunk, end = min(s.rows, from + s.chunk);
        batch.places(item / s.chunks, at);
        Wide* to = sums + size_t(item) * s.height * s.width;
        tiled_product<Wide>(s.height, s.width, from, end, Operand<T>{a + at[1], s.row[0]},
                            Operand<T>{b + at[2], s.row[1]},
                            [&](u32 i, u32 j, Wide sum) { to[i * s.width + j] = sum; });
    }
}

template <class T>
__device__ void few(const T* a, const T* b, typename Computes<T>::In* sums, const Sizes& s, const Nest<3>& batch) {
    using Wide = typename Computes<T>::In;
    SHARED(Wide, of_group, [GROUPS][FEW][WARP]);
    u32 lane = threadIdx.x % WARP, group = threadIdx.x / WARP, i = blockIdx.x * WARP + lane;
    for (u32 item = blockIdx.y; item < s.work; item += gridDim.y) {
        u32 at[3], from = item % s.chunks * s.chunk, end = min(s.rows, from + s.chunk);
        batch.places(item / s.chunks, at);
        Wide sum[FEW] = {};
#pragma unroll 4
        for (u32 row = from + group; row < end; row += GROUPS) {
            Wide x = i < s.height ? to<Wide>(a[at[1] + row * s.row[0] + i]) : Wide(0);
#pragma unroll
            for (u32 j = 0; j < FEW; j++)
                if (j < s.width) sum[j] = mul_add(x, to<Wide>(b[at[2] + row * s.row[1] + j]), sum[j]);
        }
        for (u32 j = 0; j < FEW; j++) of_group[group][j][lane] = sum[j];
        block_sync();
        if (group < s.width && i < s.height) {
            Wide total = of_group[0][group][lane];
            for (u32 other = 1; other < GROUPS; other++) total += of_group[other][group][lane];
            sums[(size_t(item) * s.height + i) * s.width + group] = total;
        }
        block_sync();
    }
}

// Of a result of `size` numbers a matrix, `count` together.
struct Totals {
    u32 size, chunks, count;
};

template <class Wide> __device__ void total(const Wide* sums, Wide* c, const Totals& t) {
    for (u32 e = thread_number(); e < t.count; e += thread_count()) {
        const Wide* from = sums + size_t(e / t.size) * t.chunks * t.size + e % t.size;
        f64 total = 0;
#pragma unroll 8
        for (u32 chunk = 0; chunk < t.chunks; chunk++) total += f64(from[size_t(chunk) * t.size]);
        c[e] = Wide(total);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        gram_##T(const T* a, const T* b, Computes<T>::In* sums, Sizes s, Nest<3> batch) { tiles<T>(a, b, sums, s, batch); } \
    REGISTER_KERNEL(gram_##T);                                                                                         \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        gram_few_##T(const T* a, const T* b, Computes<T>::In* sums, Sizes s, Nest<3> batch) { few<T>(a, b, sums, s, batch); } \
    REGISTER_KERNEL(gram_few_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)

#define TOTAL(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) gram_total_##T(const T* sums, T* c, Totals t) { total<T>(sums, c, t); } \
    REGISTER_KERNEL(gram_total_##T);

TOTAL(f32)
TOTAL(f64)
