// Small triangular matrices: solving, and the lower triangle.
//
// Idea of the solve: a block keeps the packed triangle and up to 16 right-hand sides in shared memory; one barrier a row.
// Loads and stores run along whichever axis of b and x has neighbours.
// Figure: not yet measured.
#include "strided.cuh"
#include "triangle.cuh"

// As `solve` in `cuda.rs` gives them: rows of l, right-hand sides of b and of a block.
struct Sizes {
    u32 size, sides, side, transposed;
};
// From row to row and column to column.
struct Steps {
    u32 x[2], l[2], b[2];
};

// Calls f(row, column) for all of `size` by `side`, rows fastest where their numbers are neighbours.
template <class F> __device__ __forceinline__ void each(u32 size, u32 side, const u32 (&step)[2], F f) {
    bool down = step[0] < step[1];
    for (u32 e = threadIdx.x; e < size * side; e += BLOCK)
        f(down ? e % size : e / side, down ? e / size : e % side);
}

// `batch` places the matrices of x, l and b.
template <class T> __device__ void solve(const T* l, const T* b, T* x, const Nest<3>& batch, const Sizes& s,
                      const Steps& step) {
    DYN_SHARED(T, triangle);
    T* room = triangle + packed(s.size, 0);
    u32 first = blockIdx.x * s.side, pitch = s.side + 1;
    for (u32 matrix = blockIdx.y; matrix < batch.count; matrix += gridDim.y) {
        u32 at[3];
        batch.places(matrix, at);
        block_sync();
        fill_triangle(triangle, s.size, [&](u32 i, u32 j) { return l[at[1] + i * step.l[0] + j * step.l[1]]; });
        each(s.size, s.side, step.b, [&](u32 i, u32 j) {
            room[i * pitch + j] = first + j < s.sides ? b[at[2] + i * step.b[0] + (first + j) * step.b[1]] : T(0);
        });
        solve_triangle(triangle, room, s.size, s.side, s.transposed != 0);
        each(s.size, s.side, step.x, [&](u32 i, u32 j) {
            if (first + j < s.sides) x[at[0] + i * step.x[0] + (first + j) * step.x[1]] = room[i * pitch + j];
        });
    }
}

// Of matrices of `rows` by `columns`; `all` places every element of y, which is row-major, and x.
struct Shape {
    u32 rows, columns;
};

template <class T> __device__ void lower(const T* x, T* y, const Nest<2>& all, const Shape& s, f64 diagonal) {
    using Wide = typename Computes<T>::In;
    for (u32 e = thread_number(); e < all.count; e += thread_count()) {
        u32 at[2];
        all.places(e, at);
        u32 i = at[0] / s.columns % s.rows, j = at[0] % s.columns;
        Wide value = to<Wide>(x[at[1]]);
        y[at[0]] = to<T>(i > j ? value : i == j ? value * Wide(diagonal) : Wide(0));
    }
}

#define SOLVE(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        solve_triangular_##T(const T* l, const T* b, T* x, Nest<3> batch, Sizes s, Steps step) {                       \
        solve<T>(l, b, x, batch, s, step);                                                                             \
    }                                                                                                                  \
    REGISTER_KERNEL(solve_triangular_##T);

SOLVE(f32)
SOLVE(f64)

#define LOWER(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        lower_triangle_##T(const T* x, T* y, Nest<2> all, Shape s, f64 diagonal) { lower<T>(x, y, all, s, diagonal); } \
    REGISTER_KERNEL(lower_triangle_##T);

LOWER(f32)
LOWER(f64)
LOWER(bf16)
LOWER(f16)
