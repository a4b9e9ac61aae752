// The PTX of wgmma for each N: a struct with one function for A in shared memory and one for A in registers, made by
// macros because inline assembly wants every register named. Used by wgmma.cuh alone.
#pragma once
#include "numbers.cuh"

#ifndef CUDA_EMULATOR

// The names of the first so many operands: TEN(3) is "%30, %31, ... %39", TEN() the first ten.
#define WGMMA_NAME(tens, ones) "%" #tens #ones
#define WGMMA_FOUR(tens, a, b, c, d) \
    WGMMA_NAME(tens, a) ", " WGMMA_NAME(tens, b) ", " WGMMA_NAME(tens, c) ", " WGMMA_NAME(tens, d)
#define WGMMA_TEN(tens) \
    WGMMA_FOUR(tens, 0, 1, 2, 3) ", " WGMMA_FOUR(tens, 4, 5, 6, 7) ", " WGMMA_NAME(tens, 8) ", " WGMMA_NAME(tens, 9)
#define WGMMA_30 WGMMA_TEN() ", " WGMMA_TEN(1) ", " WGMMA_TEN(2)
#define WGMMA_60 WGMMA_30 ", " WGMMA_TEN(3) ", " WGMMA_TEN(4) ", " WGMMA_TEN(5)
#define WGMMA_90 WGMMA_60 ", " WGMMA_TEN(6) ", " WGMMA_TEN(7) ", " WGMMA_TEN(8)
#define WGMMA_120 WGMMA_90 ", " WGMMA_TEN(9) ", " WGMMA_TEN(10) ", " WGMMA_TEN(11)

#define WGMMA_NAMES_4 WGMMA_FOUR(, 0, 1, 2, 3)
#define WGMMA_NAMES_8 WGMMA_NAMES_4 ", " WGMMA_FOUR(, 4, 5, 6, 7)
#define WGMMA_NAMES_16 WGMMA_TEN() ", " WGMMA_FOUR(1, 0, 1, 2, 3) ", %14, %15"
#define WGMMA_NAMES_32 WGMMA_30 ", %30, %31"
#define WGMMA_NAMES_48 WGMMA_30 ", " WGMMA_TEN(3) ", " WGMMA_FOUR(4, 0, 1, 2, 3) ", " WGMMA_FOUR(4, 4, 5, 6, 7)
#define WGMMA_NAMES_64 WGMMA_60 ", " WGMMA_FOUR(6, 0, 1, 2, 3)
#define WGMMA_NAMES_96 WGMMA_90 ", " WGMMA_FOUR(9, 0, 1, 2, 3) ", %94, %95"
#define WGMMA_NAMES_128 WGMMA_120 ", " WGMMA_FOUR(12, 0, 1, 2, 3) ", " WGMMA_FOUR(12, 4, 5, 6, 7)

// The operands themselves.
#define WGMMA_SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define WGMMA_SUMS_8(i) WGMMA_SUMS_4(i), WGMMA_SUMS_4(i + 4)
#define WGMMA_SUMS_16(i) WGMMA_SUMS_8(i), WGMMA_SUMS_8(i + 8)
#define WGMMA_SUMS_32(i) WGMMA_SUMS_16(i), WGMMA_SUMS_16(i + 16)
#define WGMMA_SUMS_48(i) WGMMA_SUMS_32(i), WGMMA_SUMS_16(i + 32)
#define WGMMA_SUMS_64(i) WGMMA_SUMS_32(i), WGMMA_SUMS_32(i + 32)
#define WGMMA_SUMS_96(i) WGMMA_SUMS_64(i), WGMMA_SUMS_32(i + 64)
#define WGMMA_SUMS_128(i) WGMMA_SUMS_64(i), WGMMA_SUMS_64(i + 64)

// "D = A B + D" only if `flag`, the name of an operand, is not 0.
#define WGMMA_PTX(N, k, types, sums, a, b, flag, rest)                                                          \
    "{\n.reg .pred accumulate;\nsetp.ne.b32 accumulate, %" #flag                                                \
    ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N k ".f32." types " {" sums "}, " a ", %" #b ", accumulate, 1, 1" \
    rest ";\n}"

// p0 to p6 are the names of the operands after the sums.
#define WGMMA_SHAPE(N, count, p0, p1, p2, p3, p4, p5, p6)                                                           \
    template <> struct WgmmaShape<N> {                                                                              \
        template <class T, int a_mn, int b_mn>                                                                      \
        static __device__ __forceinline__ void from_shared(f32 (&d)[count], u64 a, u64 b, int accumulate) {         \
            if constexpr (same_type<T, f32>) {                                                                      \
                asm volatile(WGMMA_PTX(N, "k8", "tf32.tf32", WGMMA_NAMES_##count, "%" #p0, p1, p2, "")              \
                             : WGMMA_SUMS_##count(0)                                                                \
                             : "l"(a), "l"(b), "r"(accumulate));                                                    \
            } else if constexpr (same_type<T, bf16>) {                                                              \
                asm volatile(WGMMA_PTX(N, "k16", "bf16.bf16", WGMMA_NAMES_##count, "%" #p0, p1, p2,                 \
                                       ", %" #p3 ", %" #p4)                                                         \
                             : WGMMA_SUMS_##count(0)                                                                \
                             : "l"(a), "l"(b), "r"(accumulate), "n"(a_mn), "n"(b_mn));                              \
            } else {                                                                                                \
                asm volatile(WGMMA_PTX(N, "k16", "f16.f16", WGMMA_NAMES_##count, "%" #p0, p1, p2,                   \
                                       ", %" #p3 ", %" #p4)                                                         \
                             : WGMMA_SUMS_##count(0)                                                                \
                             : "l"(a), "l"(b), "r"(accumulate), "n"(a_mn), "n"(b_mn));                              \
            }                                                                                                       \
        }                                                                                                           \
        template <class T, int b_mn>                                                                                \
        static __device__ __forceinline__ void from_registers(f32 (&d)[count], const u32 (&a)[4], u64 b,            \
                                                              int accumulate) {                                     \
            if constexpr (same_type<T, f32>) {                                                                      \
                asm volatile(WGMMA_PTX(N, "k8", "tf32.tf32", WGMMA_NAMES_##count,                                   \
                                       "{%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 "}", p4, p5, "")                      \
                             : WGMMA_SUMS_##count(0)                                                                \
                             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));                \
            } else if constexpr (same_type<T, bf16>) {                                                              \
                asm volatile(WGMMA_PTX(N, "k16", "bf16.bf16", WGMMA_NAMES_##count,                                  \
                                       "{%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 "}", p4, p5, ", %" #p6)               \
                             : WGMMA_SUMS_##count(0)                                                                \
                             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(b_mn));     \
            } else {                                                                                                \
                asm volatile(WGMMA_PTX(N, "k16", "f16.f16", WGMMA_NAMES_##count,                                    \
                                       "{%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 "}", p4, p5, ", %" #p6)               \
                             : WGMMA_SUMS_##count(0)                                                                \
                             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(b_mn));     \
            }                                                                                                       \
        }                                                                                                           \
    };

template <int N> struct WgmmaShape;
WGMMA_SHAPE(8, 4, 4, 5, 6, 7, 8, 9, 10)
WGMMA_SHAPE(16, 8, 8, 9, 10, 11, 12, 13, 14)
WGMMA_SHAPE(32, 16, 16, 17, 18, 19, 20, 21, 22)
WGMMA_SHAPE(64, 32, 32, 33, 34, 35, 36, 37, 38)
WGMMA_SHAPE(96, 48, 48, 49, 50, 51, 52, 53, 54)
WGMMA_SHAPE(128, 64, 64, 65, 66, 67, 68, 69, 70)
WGMMA_SHAPE(192, 96, 96, 97, 98, 99, 100, 101, 102)
WGMMA_SHAPE(256, 128, 128, 129, 130, 131, 132, 133, 134)

#endif
