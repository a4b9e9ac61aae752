// Copies between storage orders, constants, and conversions between dtypes.
//
// Copies and constants know the size of an element only. A conversion goes through f64, which holds every value of every
// other type but i64; the one pair that this would round twice (i64 to f64) is a conversion of its own.
#include "block.cuh"
#include "strided.cuh"

// y = x, in the order of y's storage, 16 bytes at a time where both are dense.
template <class T> __device__ void copy(const Elementwise<2>& e) {
    constexpr int LANES = 16 / sizeof(T);
    T* y = static_cast<T*>(e.operands[0]);
    const T* x = static_cast<const T*>(e.operands[1]);
    u32 vectors = e.flat ? e.nest.count / LANES : 0;
    for (u32 v = thread_number(); v < vectors; v += thread_count())
        reinterpret_cast<Pack<T, LANES>*>(y)[v] = reinterpret_cast<const Pack<T, LANES>*>(x)[v];
    for (u32 i = vectors * LANES + thread_number(); i < e.nest.count; i += thread_count()) {
        u32 at[2];
        e.nest.places(i, at);
        y[at[0]] = x[at[1]];
    }
}

template <class T> __device__ void fill(const Elementwise<1>& e, u64 bits) {
    constexpr int LANES = 16 / sizeof(T);
    T* y = static_cast<T*>(e.operands[0]);
    T value = T(bits);
    Pack<T, LANES> pack;
    for (int lane = 0; lane < LANES; lane++) pack[lane] = value;
    u32 vectors = e.flat ? e.nest.count / LANES : 0;
    for (u32 v = thread_number(); v < vectors; v += thread_count()) reinterpret_cast<Pack<T, LANES>*>(y)[v] = pack;
    for (u32 i = vectors * LANES + thread_number(); i < e.nest.count; i += thread_count()) {
        u32 at[1];
        e.nest.places(i, at);
        y[at[0]] = value;
    }
}

// Numbers of the dtypes, as `code` in `cuda.rs` gives them.
enum Code { F32, F64, BF16, F16, U8, I64 };

// Element `i` of `x` in f64.
__device__ __forceinline__ f64 widened(const void* x, i32 code, u32 i) {
    switch (code) {
    case F32: return f64(static_cast<const f32*>(x)[i]);
    case F64: return static_cast<const f64*>(x)[i];
    case BF16: return f64(to_f32(static_cast<const bf16*>(x)[i]));
    case F16: return f64(to_f32(static_cast<const f16*>(x)[i]));
    case U8: return f64(static_cast<const u8*>(x)[i]);
    default: return f64(static_cast<const i64*>(x)[i]);
    }
}

// To a float: rounded once, to nearest even. To an integer: towards zero, beyond its range the nearest end, NaN to 0.
template <class T> struct Narrow {
    static __device__ __forceinline__ T from(f64 x) { return to<T>(x); }
};
template <> struct Narrow<u8> {
    static __device__ __forceinline__ u8 from(f64 x) { return x != x ? 0 : x <= 0 ? 0 : x >= 255 ? 255 : u8(x); }
};
template <> struct Narrow<i64> {
    static __device__ __forceinline__ i64 from(f64 x) {
        constexpr i64 LEAST = i64(1ull << 63), MOST = ~LEAST;
        return x != x ? 0 : x <= -9223372036854775808.0 ? LEAST : x >= 9223372036854775808.0 ? MOST : i64(x);
    }
};

template <class T> __device__ void cast(const Elementwise<2>& e, i32 code) {
    for (u32 i = thread_number(); i < e.nest.count; i += thread_count()) {
        u32 at[2];
        e.nest.places(i, at);
        static_cast<T*>(e.operands[0])[at[0]] = Narrow<T>::from(widened(e.operands[1], code, at[1]));
    }
}

#define MOVES(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) copy_##T(Elementwise<2> e) { copy<T>(e); }                       \
    REGISTER_KERNEL(copy_##T);                                                                                         \
    extern "C" __global__ void __launch_bounds__(256) fill_##T(Elementwise<1> e, u64 bits) { fill<T>(e, bits); }       \
    REGISTER_KERNEL(fill_##T);

MOVES(u8)
MOVES(u16)
MOVES(u32)
MOVES(u64)

#define CASTS(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) cast_to_##T(Elementwise<2> e, i32 code) { cast<T>(e, code); }    \
    REGISTER_KERNEL(cast_to_##T);

CASTS(f32)
CASTS(f64)
CASTS(bf16)
CASTS(f16)
CASTS(u8)
CASTS(i64)
