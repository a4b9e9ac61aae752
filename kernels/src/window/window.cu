// Sums over rectangles of pixels: nearest resizing, average pooling, and their adjoints. A thread an element of the result;
// terms are added in ascending order.
#include "block.cuh"
#include "strided.cuh"

// Which pixels an output pixel sums along an axis, as `Window` in `mod.rs` defines them.
enum Kind { SHOWN, SHOWING, WINDOW, AROUND };

struct Axis {
    u32 a, b, c;
};

__device__ __forceinline__ u32 rounded_up(u32 a, u32 b) { return (a + b - 1) / b; }

__device__ __forceinline__ void range(u32 kind, const Axis& axis, u32 i, u32& from, u32& end) {
    switch (kind) {
    case SHOWN: // of `a` pixels, shown in `b`
        from = u32(u64(i) * axis.a / axis.b);
        end = from + 1;
        return;
    case SHOWING: // `a` pixels, shown in `b`
        from = rounded_up(i * axis.b, axis.a);
        end = rounded_up((i + 1) * axis.b, axis.a);
        return;
    case WINDOW: // `a` pixels, every `b`
        from = i * axis.b;
        end = from + axis.a;
        return;
    default: // windows of `a` pixels, every `b`, `c` of them
        end = i / axis.b + 1;
        if (end > axis.c) end = axis.c;
        from = i + 1 > axis.a ? rounded_up(i + 1 - axis.a, axis.b) : 0;
        if (from > end) from = end;
    }
}

// Places: the result, x at pixel (0, 0), the result's row and column.
template <class T>
__device__ void sums(const T* x, T* y, const Nest<4>& nest, u32 kind, Axis rows, Axis columns, u32 row_step,
                     u32 column_step, f64 scale) {
    using Wide = typename Computes<T>::In;
    for (u32 i = thread_number(); i < nest.count; i += thread_count()) {
        u32 at[4], top, bottom, left, right;
        nest.places(i, at);
        range(kind, rows, at[2], top, bottom);
        range(kind, columns, at[3], left, right);
        Wide sum = 0;
        for (u32 row = top; row < bottom; row++)
            for (u32 column = left; column < right; column++)
                sum += to<Wide>(x[at[1] + row * row_step + column * column_step]);
        y[at[0]] = to<T>(Wide(scale) * sum);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) window_##T(const T* x, T* y, Nest<4> nest, u32 kind, Axis rows,  \
        Axis columns, u32 row_step, u32 column_step, f64 scale) {                                                      \
        sums<T>(x, y, nest, kind, rows, columns, row_step, column_step, scale);                                        \
    }                                                                                                                  \
    REGISTER_KERNEL(window_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
