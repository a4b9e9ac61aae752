// Conversions between dtypes.
//
// Between floats directly, by vectors of 16 bytes of the wider type. The rest, and what does not come in vectors, through
// f64, which holds every value of every other type but i64: the one pair that this would round twice (i64 to f64) is a
// conversion of its own.
//
// Figure: not yet measured.
#include "block.cuh"
#include "strided.cuh"

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

template <class From, class To> __device__ __forceinline__ void cast_vectors(const Elementwise<2>& e) {
    if constexpr (!same_type<From, To>) {
        constexpr int LANES = 16 / (sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To)), WAYS = 4;
        To* y = static_cast<To*>(e.operands[0]);
        const From* x = static_cast<const From*>(e.operands[1]);
        for (u32 first = thread_number(); first < e.nest.count; first += WAYS * thread_count()) {
            Pack<From, LANES> vectors[WAYS];
            u32 to_y[WAYS];
#pragma unroll
            for (int way = 0; way < WAYS; way++) {
                u32 at[2], index = first + way * thread_count();
                if (index >= e.nest.count) break;
                e.nest.places(index, at);
                to_y[way] = at[0];
                vectors[way] = load_vector<LANES>(x + at[1], e.splat >> 1 & 1);
            }
#pragma unroll
            for (int way = 0; way < WAYS; way++) {
                if (first + way * thread_count() >= e.nest.count) break;
                Pack<To, LANES> result;
#pragma unroll
                for (int lane = 0; lane < LANES; lane++) result[lane] = to<To>(vectors[way][lane]);
                store_pack(y + to_y[way], result);
            }
        }
    }
}

// `code` is x's. Vectors, where there are some, are of floats on both sides.
template <class T> __device__ void cast(const Elementwise<2>& e, i32 code) {
    if constexpr (!same_type<T, u8> && !same_type<T, i64>) {
        if (e.lanes != 1) {
            switch (code) {
            case F32: cast_vectors<f32, T>(e); break;
            case F64: cast_vectors<f64, T>(e); break;
            case BF16: cast_vectors<bf16, T>(e); break;
            default: cast_vectors<f16, T>(e);
            }
        }
    }
    u32 others = e.lanes == 1 ? e.nest.count : e.rest;
    for (u32 index = thread_number(); index < others; index += thread_count()) {
        u32 at[2];
        if (e.lanes == 1) e.nest.places(index, at);
        else e.rest_at(index, at);
        static_cast<T*>(e.operands[0])[at[0]] = Narrow<T>::from(widened(e.operands[1], code, at[1]));
    }
}

#define CASTS(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) cast_to_##T(Elementwise<2> e, i32 code) { cast<T>(e, code); }    \
    REGISTER_KERNEL(cast_to_##T);

CASTS(f32)
CASTS(f64)
CASTS(bf16)
CASTS(f16)
CASTS(u8)
CASTS(i64)
