// The Woodbury identity, y = (v - P C (alpha I + C)^-1 P' v) / alpha, after the sums of chunks of t = P' v (`gram.cu`).
//
// Idea: `woodbury_small` adds those sums, and solves in shared memory for u = t - alpha (alpha I + C)^-1 t; then P is read
// once more. `woodbury_few`, for at most 4 columns of v, reads a row of P by a warp and is bound by memory; `woodbury` is a
// product by tiles.
// Figure: not yet measured.
#include "strided.cuh"
#include "tile.cuh"
#include "triangle.cuh"

constexpr u32 FEW = 4, ROWS = 64;

// As `apply` in `cuda.rs` gives them. `side`: right-hand sides of a block; `c`: from row to row and column to column of C.
struct Small {
    u32 rank, sides, side, chunks, c[2];
};

// `batch` places the matrices of y, P, v and C, and alpha. u is [matrix, rank, sides]. Block x is some right-hand sides of
// one matrix.
template <class T>
__device__ void small(const T* sums, const T* c, const T* alpha, T* u, const Nest<5>& batch, const Small& s) {
    DYN_SHARED(T, triangle);
    T* room = triangle + packed(s.rank, 0);
    u32 tiles = ceil_div(s.sides, s.side), matrix = blockIdx.x / tiles, size = s.rank * s.sides, at[5];
    batch.places(matrix, at);
    T shift = alpha[at[4]] > T(0) ? alpha[at[4]] : T(NAN);
    fill_triangle(triangle, s.rank, [&](u32 i, u32 j) {
        T value = c[at[3] + i * s.c[0] + j * s.c[1]];
        return i == j ? value + shift : value;
    });
    // Calls f(place in t and u, number in shared memory) for the right-hand sides that are there.
    auto each = [&](auto f) {
        u32 first = blockIdx.x % tiles * s.side;
        for (u32 e = threadIdx.x; e < s.rank * s.side; e += BLOCK) {
            u32 i = e / s.side, j = e % s.side;
            if (first + j < s.sides) f(i * s.sides + first + j, room[i * (s.side + 1) + j]);
        }
    };
    sums += size_t(matrix) * s.chunks * size;
    u += size_t(matrix) * size;
    // t goes to where u will be, too: a thread reads again what it wrote.
    each([&](u32 place, T& x) {
        f64 t = 0;
        for (u32 chunk = 0; chunk < s.chunks; chunk++) t += f64(sums[size_t(chunk) * size + place]);
        u[place] = x = T(t);
    });
    factorise(triangle, s.rank, T(-1));
    for (u32 transposed = 0; transposed < 2; transposed++)
        solve_triangle(triangle, room, s.rank, s.side, transposed == 1);
    each([&](u32 place, T& x) { u[place] = mul_add(-shift, x, u[place]); });
}

// From row to row of P and v.
struct Sizes {
    u32 rows, rank, sides, p_row, v_row, unused;
};

template <class T>
__device__ void few(const T* p, const T* v, const typename Computes<T>::In* alpha,
                    const typename Computes<T>::In* u, T* y, const Nest<5>& batch, const Sizes& s) {
    using Wide = typename Computes<T>::In;
    constexpr u32 EACH = MOST_ROWS / WARP;
    SHARED(Wide, small, [MOST_ROWS][FEW]);
    u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (u32 matrix = blockIdx.y; matrix < batch.count; matrix += gridDim.y) {
        u32 at[5];
        batch.places(matrix, at);
        Wide scale = Wide(1) / alpha[at[4]];
        block_sync();
        for (u32 e = threadIdx.x; e < s.rank * s.sides; e += BLOCK)
            small[e / s.sides][e % s.sides] = u[size_t(matrix) * s.rank * s.sides + e];
        block_sync();
        u32 end = min(s.rows, (blockIdx.x + 1) * ROWS);
#pragma unroll 2
        for (u32 row = blockIdx.x * ROWS + warp; row < end; row += BLOCK / WARP) {
            Wide sum[FEW] = {};
#pragma unroll
            for (u32 part = 0; part < EACH; part++) {
                u32 k = part * WARP + lane;
                if (k >= s.rank) continue;
                Wide x = to<Wide>(p[at[1] + row * s.p_row + k]);
#pragma unroll
                for (u32 j = 0; j < FEW; j++)
                    if (j < s.sides) sum[j] = mul_add(x, small[k][j], sum[j]);
            }
#pragma unroll
            for (u32 j = 0; j < FEW; j++) {
                if (j >= s.sides) continue;
                Wide total = warp_sum(sum[j]);
                if (lane == j)
                    y[at[0] + row * s.sides + j] = to<T>((to<Wide>(v[at[2] + row * s.v_row + j]) - total) * scale);
            }
        }
    }
}

// Rows of P, along the depth, and columns of u, across it.
template <class T, bool ALONG> struct Operand {
    const T* data;
    u32 step;
    using Row = u32;
    using Wide = typename Computes<T>::In;

    __device__ __forceinline__ bool depth_runs() const { return ALONG; }
    __device__ __forceinline__ Row row(u32 i) const { return ALONG ? i * step : i; }
    __device__ __forceinline__ u32 depth(u32 k) const { return ALONG ? k : k * step; }
    __device__ __forceinline__ Wide at(Row row, u32 depth) const { return to<Wide>(data[row + depth]); }
};

template <class T>
__device__ void tiles(const T* p, const T* v, const typename Computes<T>::In* alpha,
                      const typename Computes<T>::In* u, T* y, const Nest<5>& batch, const Sizes& s) {
    using Wide = typename Computes<T>::In;
    for (u32 matrix = blockIdx.z; matrix < batch.count; matrix += gridDim.z) {
        u32 at[5];
        batch.places(matrix, at);
        Wide scale = Wide(1) / alpha[at[4]];
        tiled_product<Wide>(s.rows, s.sides, 0, s.rank, Operand<T, true>{p + at[1], s.p_row},
                            Operand<Wide, false>{u + size_t(matrix) * s.rank * s.sides, s.sides},
                            [&](u32 row, u32 j, Wide sum) {
                                Wide rest = to<Wide>(v[at[2] + row * s.v_row + j]) - sum;
                                y[at[0] + row * s.sides + j] = to<T>(rest * scale);
                            });
    }
}

#define SMALL(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) woodbury_small_##T(const T* sums, const T* c, const T* alpha,    \
        T* u, Nest<5> batch, Small s) { small<T>(sums, c, alpha, u, batch, s); }                                       \
    REGISTER_KERNEL(woodbury_small_##T);

SMALL(f32)
SMALL(f64)

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) woodbury_##T(const T* p, const T* v,                             \
        const Computes<T>::In* alpha, const Computes<T>::In* u, T* y, Nest<5> batch, Sizes s) {                        \
        tiles<T>(p, v, alpha, u, y, batch, s);                                                                         \
    }                                                                                                                  \
    REGISTER_KERNEL(woodbury_##T);                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) woodbury_few_##T(const T* p, const T* v,                         \
        const Computes<T>::In* alpha, const Computes<T>::In* u, T* y, Nest<5> batch, Sizes s) {                        \
        few<T>(p, v, alpha, u, y, batch, s);                                                                           \
    }                                                                                                                  \
    REGISTER_KERNEL(woodbury_few_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
