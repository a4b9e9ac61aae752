// Random numbers as a function of their place: the same words, and the same bits, as on the processor.
//
// `random/mod.rs` states the definition, `random/floats.rs` the arithmetic. Every step rounds once: products and sums that
// a compiler may join are written as the functions that forbid it.
#include "block.cuh"
#include "strided.cuh"

struct Stream {
    u32 key[2], step, purpose;
};

struct Words {
    u32 at[4];
};

// Philox 4x32-10 (Salmon et al. 2011).
__device__ __forceinline__ Words philox(u32 block, u32 sample, const Stream& stream) {
    constexpr u32 MULTIPLIER[2] = {0xD2511F53u, 0xCD9E8D57u}, WEYL[2] = {0x9E3779B9u, 0xBB67AE85u};
    u32 c0 = block, c1 = sample, c2 = stream.step, c3 = stream.purpose, k0 = stream.key[0], k1 = stream.key[1];
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u32 high0 = __umulhi(MULTIPLIER[0], c0), low0 = MULTIPLIER[0] * c0;
        u32 high1 = __umulhi(MULTIPLIER[1], c2), low1 = MULTIPLIER[1] * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += WEYL[0];
        k1 += WEYL[1];
    }
    return {{c0, c1, c2, c3}};
}

template <int N> __device__ __forceinline__ f32 polynomial(const f32 (&coefficients)[N], f32 x) {
    f32 value = coefficients[0];
#pragma unroll
    for (int i = 1; i < N; i++) value = __fmaf_rn(value, x, coefficients[i]);
    return value;
}

// Natural logarithm of a normal positive number.
__device__ __forceinline__ f32 logarithm(f32 x) {
    constexpr u32 SQRT_HALF = 0x3F3504F3u;
    const f32 P[8] = {-7.634499e-2f,  1.2761578e-1f, -1.3160183e-1f, 1.4201757e-1f,
                      -1.6623357e-1f, 2.0001227e-1f, -2.500082e-1f,  3.333333e-1f};
    u32 shifted = __float_as_uint(x) - SQRT_HALF;
    f32 e = f32(i32(shifted) >> 23);
    f32 f = __fadd_rn(__uint_as_float((shifted & 0x007FFFFFu) + SQRT_HALF), -1.0f);
    f32 f2 = __fmul_rn(f, f), cubic = __fmul_rn(__fmul_rn(f2, f), polynomial(P, f));
    f32 small = __fmaf_rn(e, -2.1219444e-4f, __fmaf_rn(f2, -0.5f, cubic));
    return __fmaf_rn(e, 0.6933594f, __fadd_rn(f, small));
}

// Cosine and sine of 2 pi word / 2^32.
__device__ __forceinline__ void turn(u32 word, f32& x, f32& y) {
    const f32 SIN[4] = {-4.601658e-3f, 7.968003e-2f, -6.459635e-1f, -4.371139e-8f};
    const f32 COS[4] = {9.0376654e-4f, -2.0860165e-2f, 2.5366923e-1f, -1.2337005f};
    u32 quarter = (word + (1u << 29)) >> 30;
    f32 t = __fmul_rn(f32(i32(word << 2)), 2.3283064e-10f), t2 = __fmul_rn(t, t);
    f32 sin = __fmaf_rn(t, 1.5707964f, __fmul_rn(t, polynomial(SIN, t2)));
    f32 cos = __fmaf_rn(t2, polynomial(COS, t2), 1.0f);
    f32 a = quarter & 1 ? sin : cos, b = quarter & 1 ? cos : sin;
    x = __uint_as_float(__float_as_uint(a) ^ (((quarter + 1) & 2) << 30));
    y = __uint_as_float(__float_as_uint(b) ^ ((quarter & 2) << 30));
}

struct Uniform {
    static __device__ __forceinline__ void draw(const Words& w, f32 (&x)[4]) {
        for (int i = 0; i < 4; i++) x[i] = __fmul_rn(f32(w.at[i] >> 8), 5.9604645e-8f);
    }
};

struct Normal {
    // Box-Muller on pairs of words.
    static __device__ __forceinline__ void draw(const Words& w, f32 (&x)[4]) {
        for (int pair = 0; pair < 4; pair += 2) {
            f32 u = __fmaf_rn(f32(w.at[pair]), 2.3283064e-10f, 1.1641532e-10f), cos, sin;
            f32 r = __fsqrt_rn(__fmul_rn(-2.0f, logarithm(u)));
            turn(w.at[pair + 1], cos, sin);
            x[pair] = __fmul_rn(r, cos);
            x[pair + 1] = __fmul_rn(r, sin);
        }
    }
};

// A thread draws blocks of four elements. `nest` places the elements of a sample, numbered row-major; samples are
// `sample_step` apart.
template <class T, class Draw>
__device__ void draw(T* y, Stream stream, u32 first, u32 samples, const Nest<2>& nest, u32 sample_step) {
    u32 blocks = (nest.count + 3) / 4;
    u64 all = u64(samples) * blocks;
    for (u64 i = thread_number(); i < all; i += thread_count()) {
        u32 sample = u32(i / blocks), block = u32(i % blocks);
        f32 x[4];
        Draw::draw(philox(block, first + sample, stream), x);
        for (u32 k = 0; k < 4 && 4 * block + k < nest.count; k++) {
            u32 at[2];
            nest.places(4 * block + k, at);
            y[size_t(sample) * sample_step + at[1]] = to<T>(x[k]);
        }
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) uniform_##T(T* y, Stream stream, u32 first, u32 samples,         \
        Nest<2> nest, u32 sample_step) { draw<T, Uniform>(y, stream, first, samples, nest, sample_step); }             \
    REGISTER_KERNEL(uniform_##T);                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) normal_##T(T* y, Stream stream, u32 first, u32 samples,          \
        Nest<2> nest, u32 sample_step) { draw<T, Normal>(y, stream, first, samples, nest, sample_step); }              \
    REGISTER_KERNEL(normal_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
