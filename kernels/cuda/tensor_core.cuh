// Tensor cores one warp at a time: D (16 x 8, f32) += A (16 x k) B (k x 8), and the loads that feed them. sm_80 and up.
//
// All 32 lanes call each of these. PTX ISA, "Matrix fragments", with lane = 4g + t:
//   d[i]                      row g + 8 (i / 2),  column 2t + i % 2
//   bf16, f16 (k = 16)  a[i]  row g + 8 (i % 2),  k 8 (i / 2) + 2t, + 1     b[i]  column g,  k 8i + 2t, + 1
//   tf32      (k = 8)   a[i]  row g + 8 (i % 2),  k 4 (i / 2) + t           b[i]  column g,  k 4i + t
#pragma once
#include "block.cuh"

#ifdef CUDA_EMULATOR
template <class T> constexpr emulator::MatrixType matrix_type = emulator::MatrixType::tf32;
template <> constexpr emulator::MatrixType matrix_type<bf16> = emulator::MatrixType::bf16;
template <> constexpr emulator::MatrixType matrix_type<f16> = emulator::MatrixType::f16;
#endif

// d += a b for T = bf16 or f16.
template <class T>
__device__ __forceinline__ void mma_m16n8k16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2] CALLER) {
    static_assert(same_type<T, bf16> || same_type<T, f16>, "m16n8k16 is of bf16 or f16");
#ifdef CUDA_EMULATOR
    emulator::mma_m16n8(matrix_type<T>, d, a, b AT_CALLER);
#else
#define MMA_M16N8K16(types)                                                                  \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." types                              \
                 ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"      \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                            \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
    if constexpr (same_type<T, bf16>) {
        MMA_M16N8K16("bf16.bf16");
    } else {
        MMA_M16N8K16("f16.f16");
    }
#undef MMA_M16N8K16
#endif
}

// d += a b of numbers that to_tf32 made.
__device__ __forceinline__ void mma_m16n8k8_tf32(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2] CALLER) {
#ifdef CUDA_EMULATOR
    emulator::mma_m16n8(emulator::MatrixType::tf32, d, a, b AT_CALLER);
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// To 10 bits of mantissa, ties away from zero. The units ignore the other bits: unrounded numbers would be cut off.
__device__ __forceinline__ u32 to_tf32(f32 x) {
#ifdef CUDA_EMULATOR
    return emulator::f32_to_tf32(x);
#else
    u32 y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
#endif
}

// Loads four (two) 8 x 8 matrices of 16-bit numbers from shared memory. Lane 8m + r (of the first 32 or 16) gives the
// address of row r of matrix m, 8 numbers aligned to 16 bytes. registers[m] holds elements 2t, 2t + 1 of row g of
// matrix m; transposed, of its column g.
__device__ __forceinline__ void ldmatrix_x4(u32 (&registers)[4], const void* row CALLER) {
#ifdef CUDA_EMULATOR
    emulator::ldmatrix(registers, 4, false, row AT_CALLER);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(shared_address(row))
                 : "memory");
#endif
}
__device__ __forceinline__ void ldmatrix_x4_transposed(u32 (&registers)[4], const void* row CALLER) {
#ifdef CUDA_EMULATOR
    emulator::ldmatrix(registers, 4, true, row AT_CALLER);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(shared_address(row))
                 : "memory");
#endif
}
__device__ __forceinline__ void ldmatrix_x2(u32 (&registers)[2], const void* row CALLER) {
#ifdef CUDA_EMULATOR
    emulator::ldmatrix(registers, 2, false, row AT_CALLER);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(shared_address(row))
                 : "memory");
#endif
}
__device__ __forceinline__ void ldmatrix_x2_transposed(u32 (&registers)[2], const void* row CALLER) {
#ifdef CUDA_EMULATOR
    emulator::ldmatrix(registers, 2, true, row AT_CALLER);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(shared_address(row))
                 : "memory");
#endif
}
