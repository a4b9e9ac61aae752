// Windows of a canvas, taken out and put back. A thread an element of the result; a pixel of the canvas looks through the
// windows for those that cover it, so sums have the order of the windows and need no atomics.
#include "block.cuh"
#include "strided.cuh"

constexpr u32 MOST = 256;

// As `Windows` in `cuda.rs`.
struct Windows {
    u32 count, height, width;
    u32 step[3]; // of what is read: from window to window, row to row, column to column
    u32 offsets[MOST][2];
};

// Places: the result, x in its corner, the window's number, its share.
template <class T>
__device__ void gather(const T* x, const typename Computes<T>::In* shares, T* y, const Nest<4>& nest,
                       const Windows& w) {
    using Wide = typename Computes<T>::In;
    for (u32 i = thread_number(); i < nest.count; i += thread_count()) {
        u32 at[4];
        nest.places(i, at);
        T pixel = x[at[1] + w.offsets[at[2]][0] * w.step[1] + w.offsets[at[2]][1] * w.step[2]];
        y[at[0]] = shares ? to<T>(shares[at[3]] * to<Wide>(pixel)) : pixel;
    }
}

// Places: the result, x at the first pixel of the first window, the result's row and column.
template <class T>
__device__ void scatter(const T* x, const typename Computes<T>::In* shares, T* y, const Nest<4>& nest,
                        const Windows& w) {
    using Wide = typename Computes<T>::In;
    for (u32 i = thread_number(); i < nest.count; i += thread_count()) {
        u32 at[4];
        nest.places(i, at);
        Wide sum = 0;
        for (u32 n = 0; n < w.count; n++) {
            // Before the window's first row or column the difference wraps to a large number.
            u32 row = at[2] - w.offsets[n][0], column = at[3] - w.offsets[n][1];
            if (row >= w.height || column >= w.width) continue;
            Wide pixel = to<Wide>(x[at[1] + n * w.step[0] + row * w.step[1] + column * w.step[2]]);
            sum += shares ? shares[(n * w.height + row) * w.width + column] * pixel : pixel;
        }
        y[at[0]] = to<T>(sum);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) gather_patches_##T(const T* x, const Computes<T>::In* shares,    \
        T* y, Nest<4> nest, Windows windows) { gather<T>(x, shares, y, nest, windows); }                               \
    REGISTER_KERNEL(gather_patches_##T);                                                                               \
    extern "C" __global__ void __launch_bounds__(256) scatter_patches_##T(const T* x, const Computes<T>::In* shares,   \
        T* y, Nest<4> nest, Windows windows) { scatter<T>(x, shares, y, nest, windows); }                              \
    REGISTER_KERNEL(scatter_patches_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
