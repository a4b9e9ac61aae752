// Picking slices along an axis by index, and adding them back. A thread an element of the result; no atomics, so sums have
// the order of the index. An index outside the axis gives NaN, or zero bits for integers, when it is picked, and adds to
// nothing: to say which it was, the host would have to wait.
#include "block.cuh"
#include "strided.cuh"

// Places: the result, x at index 0, the index.
template <class T> __device__ void gather(const T* x, const i64* index, T* y, const Nest<3>& nest, u32 size, u32 step,
                                          u64 missing) {
    for (u32 i = thread_number(); i < nest.count; i += thread_count()) {
        u32 at[3];
        nest.places(i, at);
        i64 pick = index[at[2]];
        y[at[0]] = pick >= 0 && pick < i64(size) ? x[at[1] + u32(pick) * step] : T(missing);
    }
}

// Places: the result, g at position 0, the coordinate along the axis.
template <class T> __device__ void scatter_add(const T* g, const i64* index, T* dx, const Nest<3>& nest, u32 picked,
                                               u32 step, u32 index_step) {
    using Wide = typename Computes<T>::In;
    for (u32 i = thread_number(); i < nest.count; i += thread_count()) {
        u32 at[3];
        nest.places(i, at);
        Wide sum = 0;
        for (u32 j = 0; j < picked; j++)
            if (index[j * index_step] == i64(at[2])) sum += to<Wide>(g[at[1] + j * step]);
        dx[at[0]] = to<T>(sum);
    }
}

#define PICKS(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) gather_##T(const T* x, const i64* index, T* y, Nest<3> nest,     \
        u32 size, u32 step, u64 missing) { gather<T>(x, index, y, nest, size, step, missing); }                        \
    REGISTER_KERNEL(gather_##T);

PICKS(u8)
PICKS(u16)
PICKS(u32)
PICKS(u64)

#define ADDS(T)                                                                                                        \
    extern "C" __global__ void __launch_bounds__(256) scatter_add_##T(const T* g, const i64* index, T* dx,             \
        Nest<3> nest, u32 picked, u32 step, u32 index_step) {                                                          \
        scatter_add<T>(g, index, dx, nest, picked, step, index_step);                                                  \
    }                                                                                                                  \
    REGISTER_KERNEL(scatter_add_##T);

ADDS(f32)
ADDS(f64)
ADDS(bf16)
ADDS(f16)
