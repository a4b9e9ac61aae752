// Matrix products by warpgroups, asynchronous: D (64 x N, f32) += A (64 x k) B (k x N). sm_90a; included by hopper.cuh.
//
// The four warps of a warpgroup (128 threads, the first a multiple of 128) call each of these together. A and B lie in
// shared memory (matrix_descriptor.cuh says how), or A in registers. k is 16 for bf16 and f16, 8 for tf32.
//
//     wgmma_fence(sums);                      // after anything else has written sums, or A's registers
//     wgmma<bf16, 128>(sums, a, b, false);    // as many as you like
//     wgmma_commit();                         // they are a group
//     wgmma_wait<0>(sums);                    // before sums are touched, or the operands overwritten
//
// The lane 4g + t of warp w of a warpgroup has sums[i] of row 16 w + g + 8 (i / 2 % 2), column 8 (i / 4) + 2t + i % 2.
// A in registers is as for mma_m16n8k16, rows counted from 16 w.
#pragma once
#include "matrix_descriptor.cuh"
#include "tensor_core.cuh"
#include "wgmma_shapes.cuh"

// Keeps the compiler from moving what it does with these registers across this point.
template <int count> __device__ __forceinline__ void pin(f32 (&registers)[count]) {
#ifndef CUDA_EMULATOR
#pragma unroll
    for (int i = 0; i < count; i++) {
        asm volatile("" : "+f"(registers[i])::"memory");
    }
#endif
}

// Before the first product of a group, with the sums that it adds to.
template <int... counts> __device__ __forceinline__ void wgmma_fence(f32 (&... sums)[counts]) {
    (pin(sums), ...);
#ifdef CUDA_EMULATOR
    emulator::wgmma_fence();
#else
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

__device__ __forceinline__ void wgmma_commit() {
#ifdef CUDA_EMULATOR
    emulator::wgmma_commit();
#else
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

// Waits until at most the `groups_left` youngest groups are under way. `sums` are those that may be read after it.
template <int groups_left, int... counts> __device__ __forceinline__ void wgmma_wait(f32 (&... sums)[counts]) {
#ifdef CUDA_EMULATOR
    emulator::wgmma_wait(groups_left);
#else
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(groups_left) : "memory");
#endif
    (pin(sums), ...);
}

// sums += A B, or sums = A B unless `accumulate`; A and B by their descriptors. T is bf16 or f16, or f32 for numbers
// that are used as tf32 (K-major only).
template <class T, int N, Major a_major = Major::k, Major b_major = Major::k>
__device__ __forceinline__ void wgmma(f32 (&sums)[N / 2], u64 a, u64 b, bool accumulate = true CALLER) {
    static_assert(!same_type<T, f32> || (a_major == Major::k && b_major == Major::k), "tf32 operands are K-major");
#ifdef CUDA_EMULATOR
    emulator::Wgmma product{matrix_type<T>, false, a_major == Major::mn, b_major == Major::mn, accumulate, N, a, b};
    emulator::wgmma(product, sums, nullptr AT_CALLER);
#else
    WgmmaShape<N>::template from_shared<T, int(a_major), int(b_major)>(sums, a, b, accumulate);
#endif
}

// The same with A in registers.
template <class T, int N, Major b_major = Major::k>
__device__ __forceinline__ void wgmma(f32 (&sums)[N / 2], const u32 (&a)[4], u64 b, bool accumulate = true CALLER) {
    static_assert(!same_type<T, f32> || b_major == Major::k, "tf32 operands are K-major");
#ifdef CUDA_EMULATOR
    emulator::Wgmma product{matrix_type<T>, true, false, b_major == Major::mn, accumulate, N, 0, b};
    emulator::wgmma(product, sums, a AT_CALLER);
#else
    WgmmaShape<N>::template from_registers<T, int(b_major)>(sums, a, b, accumulate);
#endif
}
