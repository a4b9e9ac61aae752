// The TMA unit: one thread orders the copy of a whole tile of a tensor. sm_90a; included by hopper.cuh.
//
// The host describes the tensor in a TensorMap (cuTensorMapEncodeTiled): sizes and strides, the box that a tile spans,
// a step along each dimension but the innermost, a swizzle. Coordinates are in elements, innermost dimension first, and
// may be negative or too large: elements outside the tensor load as zero and are not stored. A tile lies densely in
// shared memory, innermost dimension first, aligned to 128 bytes, or to the pattern of its swizzle: 1024, 512 or 256
// bytes for rows of 128, 64 or 32, which the innermost side of the box must fill. Within the pattern 16-byte chunks are
// permuted: see matrix_descriptor.cuh.
#pragma once
#include "mbarrier.cuh"

// A kernel takes it as `const __grid_constant__ TensorMap map`.
struct alignas(64) TensorMap {
    u64 opaque[16];
};

__device__ __forceinline__ void tma_prefetch(const TensorMap& map) {
#ifndef CUDA_EMULATOR
    asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#endif
}

// Loads a tile. `barrier` counts its bytes when it lands, those outside the tensor included.
#ifdef CUDA_EMULATOR
#define TMA_LOAD(rank, ...)                                                    \
    const i32 start[] = {__VA_ARGS__};                                         \
    emulator::tma_load(shared, &map, &barrier, rank, start AT_CALLER)
#else
#define TMA_LOAD(rank, ...) TMA_LOAD_##rank(__VA_ARGS__)
#define TMA_LOAD_ASM(rank, places, ...)                                                                         \
    asm volatile("cp.async.bulk.tensor." #rank                                                                  \
                 "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {" places "}], [%2];" :: \
                     "r"(shared_address(shared)), "l"(&map), "r"(shared_address(&barrier)), __VA_ARGS__         \
                 : "memory")
#define TMA_LOAD_2(c0, c1) TMA_LOAD_ASM(2, "%3, %4", "r"(c0), "r"(c1))
#define TMA_LOAD_3(c0, c1, c2) TMA_LOAD_ASM(3, "%3, %4, %5", "r"(c0), "r"(c1), "r"(c2))
#define TMA_LOAD_4(c0, c1, c2, c3) TMA_LOAD_ASM(4, "%3, %4, %5, %6", "r"(c0), "r"(c1), "r"(c2), "r"(c3))
#define TMA_LOAD_5(c0, c1, c2, c3, c4) \
    TMA_LOAD_ASM(5, "%3, %4, %5, %6, %7", "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4))
#endif

__device__ __forceinline__ void tma_load_2d(void* shared, const TensorMap& map, Mbarrier& barrier, i32 c0,
                                            i32 c1 CALLER) {
    TMA_LOAD(2, c0, c1);
}
__device__ __forceinline__ void tma_load_3d(void* shared, const TensorMap& map, Mbarrier& barrier, i32 c0, i32 c1,
                                            i32 c2 CALLER) {
    TMA_LOAD(3, c0, c1, c2);
}
__device__ __forceinline__ void tma_load_4d(void* shared, const TensorMap& map, Mbarrier& barrier, i32 c0, i32 c1,
                                            i32 c2, i32 c3 CALLER) {
    TMA_LOAD(4, c0, c1, c2, c3);
}
__device__ __forceinline__ void tma_load_5d(void* shared, const TensorMap& map, Mbarrier& barrier, i32 c0, i32 c1,
                                            i32 c2, i32 c3, i32 c4 CALLER) {
    TMA_LOAD(5, c0, c1, c2, c3, c4);
}

// Stores a tile. Threads that wrote it call fence_proxy_async(), then a barrier, then one thread stores, commits and
// waits before the tile is written again or the block ends.
__device__ __forceinline__ void tma_store_2d(const TensorMap& map, const void* shared, i32 c0, i32 c1 CALLER) {
#ifdef CUDA_EMULATOR
    const i32 start[] = {c0, c1};
    emulator::tma_store(&map, shared, 2, start AT_CALLER);
#else
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map),
                 "r"(shared_address(shared)), "r"(c0), "r"(c1)
                 : "memory");
#endif
}

// A thread's stores since its last commit are a group.
__device__ __forceinline__ void tma_store_commit() {
#ifdef CUDA_EMULATOR
    emulator::tma_store_commit();
#else
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#endif
}

// Waits until at most the `groups_left` youngest groups still read shared memory.
template <int groups_left> __device__ __forceinline__ void tma_store_wait() {
#ifdef CUDA_EMULATOR
    emulator::tma_store_wait(groups_left);
#else
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(groups_left) : "memory");
#endif
}
