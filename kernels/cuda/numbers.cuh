// Numbers: short names, bf16 and f16 with their conversions, packs for 16-byte loads and stores.
//
// Every kernel includes this, directly or through another header; no header of the CUDA toolkit is needed. Conversions
// round to nearest, ties to even, and give the same bits on the GPU and in the emulator. Arithmetic is done in f32 or
// f64: bf16 and f16 are for storage.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;
using f32 = float;
using f64 = double;

struct bf16 {
    u16 bits;
};
struct f16 {
    u16 bits;
};

#ifndef CUDA_EMULATOR
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#endif

// The line that calls a function of this vocabulary, for the emulator's messages; nothing on the GPU. CALLER is
// declared and AT_CALLER handed on after other arguments, ONLY_CALLER and AT_ONLY_CALLER where there are none.
#ifdef CUDA_EMULATOR
#define ONLY_CALLER emulator::CallSite caller = emulator::call_site()
#define AT_ONLY_CALLER caller
#define CALLER , ONLY_CALLER
#define AT_CALLER , caller
#else
#define ONLY_CALLER
#define AT_ONLY_CALLER
#define CALLER
#define AT_CALLER
#endif

template <class A, class B> constexpr bool same_type = false;
template <class A> constexpr bool same_type<A, A> = true;

template <class T> __device__ __forceinline__ constexpr T ceil_div(T a, T b) { return (a + b - 1) / b; }
template <class T> __device__ __forceinline__ constexpr T round_up(T a, T b) { return ceil_div(a, b) * b; }

__device__ __forceinline__ u32 bits_of(f32 x) { return __float_as_uint(x); }
__device__ __forceinline__ f32 f32_of(u32 bits) { return __uint_as_float(bits); }
__device__ __forceinline__ u64 bits_of(f64 x) { return u64(__double_as_longlong(x)); }
__device__ __forceinline__ f64 f64_of(u64 bits) { return __longlong_as_double(i64(bits)); }

// a * b + c, rounded once: the same bits as Rust's mul_add.
__device__ __forceinline__ f32 mul_add(f32 a, f32 b, f32 c) { return __fmaf_rn(a, b, c); }
__device__ __forceinline__ f64 mul_add(f64 a, f64 b, f64 c) { return __fma_rn(a, b, c); }

// a * b, rounded whatever is added to it: the compiler may fuse an ordinary product, in one place and not in another.
__device__ __forceinline__ f32 product(f32 a, f32 b) { return __fmul_rn(a, b); }
__device__ __forceinline__ f64 product(f64 a, f64 b) { return __dmul_rn(a, b); }

// 2^x by the special function unit, to 2^-22; results below 2^-126 are 0.
__device__ __forceinline__ f32 exp2_fast(f32 x) {
#ifdef CUDA_EMULATOR
    return exp2f(x);
#else
    f32 y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

__device__ __forceinline__ f32 to_f32(f32 x) { return x; }
__device__ __forceinline__ f32 to_f32(f64 x) { return f32(x); }
__device__ __forceinline__ f32 to_f32(bf16 x) { return f32_of(u32(x.bits) << 16); }
__device__ __forceinline__ f32 to_f32(f16 x) {
#ifdef CUDA_EMULATOR
    return emulator::f16_to_f32(x.bits);
#else
    f32 y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
#endif
}

__device__ __forceinline__ bf16 to_bf16(f32 x) {
#ifdef CUDA_EMULATOR
    return {emulator::f32_to_bf16(x)};
#else
    bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
#endif
}

__device__ __forceinline__ f16 to_f16(f32 x) {
#ifdef CUDA_EMULATOR
    return {emulator::f32_to_f16(x)};
#else
    f16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
#endif
}

// Two numbers rounded into one register, `low` in the low half: operands of the tensor cores.
template <class T> __device__ __forceinline__ u32 pair(f32 low, f32 high) {
    static_assert(same_type<T, bf16> || same_type<T, f16>, "pairs are of bf16 or f16");
#ifdef CUDA_EMULATOR
    u16 (*round)(f32) = same_type<T, bf16> ? emulator::f32_to_bf16 : emulator::f32_to_f16;
    return u32(round(high)) << 16 | round(low);
#else
    u32 both;
    if constexpr (same_type<T, bf16>) {
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    } else {
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    }
    return both;
#endif
}

template <class T> __device__ __forceinline__ T from_f32(f32 x) {
    if constexpr (same_type<T, bf16>) {
        return to_bf16(x);
    } else if constexpr (same_type<T, f16>) {
        return to_f16(x);
    } else {
        return T(x);
    }
}

// Towards zero, and if that changed the value, to the neighbour with an odd mantissa: rounding the result to fewer bits
// is then the same as rounding x itself.
__device__ __forceinline__ f32 round_to_odd(f64 x) {
    f32 y = __double2float_rz(x);
    return f64(y) == x ? y : f32_of(bits_of(y) | 1);
}

// Between f32, f64, bf16 and f16, rounded once.
template <class To, class From> __device__ __forceinline__ To to(From x) {
    if constexpr (same_type<To, From>) {
        return x;
    } else if constexpr (same_type<From, f64> && !same_type<To, f32>) {
        return from_f32<To>(round_to_odd(x));
    } else {
        return from_f32<To>(to_f32(x));
    }
}

// N neighbours that are loaded and stored at once, up to 16 bytes; the address is a multiple of their size.
template <class T, int N> struct alignas(sizeof(T) * N) Pack {
    static_assert(sizeof(T) * N <= 16 && (N & (N - 1)) == 0, "a pack has at most 16 bytes");
    T items[N];

    __device__ __forceinline__ T& operator[](int i) { return items[i]; }
    __device__ __forceinline__ const T& operator[](int i) const { return items[i]; }
};

template <int N, class T> __device__ __forceinline__ Pack<T, N> load_pack(const T* from CALLER) {
#ifdef CUDA_EMULATOR
    emulator::check_aligned(from, sizeof(Pack<T, N>) AT_CALLER);
#endif
    return *reinterpret_cast<const Pack<T, N>*>(from);
}

template <int N, class T> __device__ __forceinline__ void store_pack(T* to, const Pack<T, N>& pack CALLER) {
#ifdef CUDA_EMULATOR
    emulator::check_aligned(to, sizeof(Pack<T, N>) AT_CALLER);
#endif
    *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// A pack in f32, and numbers rounded to a pack: f32 two at a time into 16 bits.
template <int N, class T> __device__ __forceinline__ void widen(const Pack<T, N>& pack, f32 (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) x[i] = to_f32(pack[i]);
}
template <class T, int N, class R> __device__ __forceinline__ Pack<T, N> rounded(const R (&x)[N]) {
    Pack<T, N> pack;
    if constexpr (sizeof(T) == 2 && same_type<R, f32> && N % 2 == 0) {
        Pack<u32, N / 2> pairs;
#pragma unroll
        for (int i = 0; i < N / 2; i++) pairs[i] = pair<T>(x[2 * i], x[2 * i + 1]);
        pack = *reinterpret_cast<const Pack<T, N>*>(&pairs);
    } else {
#pragma unroll
        for (int i = 0; i < N; i++) pack[i] = to<T>(x[i]);
    }
    return pack;
}
