// A block of threads: shared memory, warps, sums and maxima over a warp or a block, barriers.
//
// Sums and maxima are taken in a fixed order, so the same numbers give the same bits, in every thread that asks.
// Blocks are whole warps.
#pragma once
#include "numbers.cuh"

// SHARED(f32, tile, [16][64]) declares an array of the block, in a function of any kind; SHARED_ALIGNED gives it
// another alignment than 16 bytes. DYN_SHARED(f32, rows) points to the memory whose size the launch gives; all that a
// block declares so is the same memory, aligned to 1024 bytes. Nothing is initialised (the emulator fills it with NaN).
// REGISTER_KERNEL(name) stands after each kernel: the emulator finds kernels by it.
#ifdef CUDA_EMULATOR
#define SHARED_ALIGNED(alignment, T, name, ...)                                                                   \
    typedef T name##_in_shared __VA_ARGS__;                                                                       \
    static char name##_key;                                                                                       \
    name##_in_shared& name =                                                                                      \
        *static_cast<name##_in_shared*>(emulator::shared_object(&name##_key, sizeof(name##_in_shared), alignment))
#define DYN_SHARED(T, name) T* name = static_cast<T*>(emulator::current->block->dynamic_memory)
#define REGISTER_KERNEL(name) \
    static const bool name##_is_registered = emulator::add_kernel(emulator::Entry<&name>::named(#name))
#else
#define SHARED_ALIGNED(alignment, T, name, ...) __shared__ __align__(alignment) T name __VA_ARGS__
#define DYN_SHARED(T, name)                                        \
    extern __shared__ __align__(1024) unsigned char dyn_shared_[]; \
    T* name = reinterpret_cast<T*>(dyn_shared_)
#define REGISTER_KERNEL(name)
#endif
#define SHARED(T, name, ...) SHARED_ALIGNED(16, T, name, __VA_ARGS__)

constexpr u32 WARP = 32;
constexpr u32 FULL_WARP = 0xffffffffu;

__device__ __forceinline__ u32 block_threads() { return blockDim.x * blockDim.y * blockDim.z; }
__device__ __forceinline__ u32 thread_rank() {
    return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ u32 lane_index() { return thread_rank() % WARP; }
__device__ __forceinline__ u32 warp_index() { return thread_rank() / WARP; }

// Where something in shared memory lies, as instructions of the asynchronous machines want it.
__device__ __forceinline__ u32 shared_address(const void* pointer CALLER) {
#ifdef CUDA_EMULATOR
    return emulator::address_in_shared(pointer AT_CALLER);
#else
    return u32(__cvta_generic_to_shared(pointer));
#endif
}

// Waits for all threads of the block, or of the warp, and makes what they wrote visible to each other.
__device__ __forceinline__ void block_sync(ONLY_CALLER) { __syncthreads(AT_ONLY_CALLER); }
__device__ __forceinline__ void warp_sync(ONLY_CALLER) { __syncwarp(FULL_WARP AT_CALLER); }

struct Sum {
    template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};
struct Max {
    __device__ __forceinline__ f32 operator()(f32 a, f32 b) const { return fmaxf(a, b); }
    __device__ __forceinline__ f64 operator()(f64 a, f64 b) const { return fmax(a, b); }
};

// Over the 32 lanes of a warp, all of which call it and get the result.
template <class T, class Join> __device__ __forceinline__ T warp_reduce(T x, Join join) {
#pragma unroll
    for (u32 distance = WARP / 2; distance > 0; distance /= 2) {
        x = join(x, __shfl_xor_sync(FULL_WARP, x, distance));
    }
    return x;
}
template <class T> __device__ __forceinline__ T warp_sum(T x) { return warp_reduce(x, Sum()); }
template <class T> __device__ __forceinline__ T warp_max(T x) { return warp_reduce(x, Max()); }

// Over all threads of a block, all of which call it and get the result: first within each warp, then over the warps.
// `nothing` is what joins without effect.
template <class T, class Join> __device__ __forceinline__ T block_reduce(T x, T nothing, Join join CALLER) {
    SHARED(T, of_warp, [WARP]);
    x = warp_reduce(x, join);
    block_sync(AT_ONLY_CALLER);   // the last call's numbers may still be read
    if (lane_index() == 0) {
        of_warp[warp_index()] = x;
    }
    block_sync(AT_ONLY_CALLER);
    bool is_warp = lane_index() < block_threads() / WARP;
    return warp_reduce(is_warp ? of_warp[lane_index()] : nothing, join);
}
template <class T> __device__ __forceinline__ T block_sum(T x CALLER) {
    return block_reduce(x, T(0), Sum() AT_CALLER);
}
template <class T> __device__ __forceinline__ T block_max(T x CALLER) {
    return block_reduce(x, T(-INFINITY), Max() AT_CALLER);
}

// Named barriers 1 to 15 of `threads` threads, whole warps: some wait (sync), others only say that they came (arrive).
// What a thread wrote before either is visible to those who wait.
__device__ __forceinline__ void barrier_sync(u32 barrier, u32 threads CALLER) {
#ifdef CUDA_EMULATOR
    emulator::barrier_sync(barrier, threads AT_CALLER);
#else
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#endif
}
__device__ __forceinline__ void barrier_arrive(u32 barrier, u32 threads CALLER) {
#ifdef CUDA_EMULATOR
    emulator::barrier_arrive(barrier, threads AT_CALLER);
#else
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#endif
}

// Moves registers between the warpgroups of a block: each thread of a calling warpgroup has `registers` from here on, a
// multiple of 8 from 24 to 256. The kernel says by __launch_bounds__ with how many it starts. (sm_90a)
template <u32 registers> __device__ __forceinline__ void take_registers() {
    static_assert(registers >= 24 && registers <= 256 && registers % 8 == 0, "registers come in eights");
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}
template <u32 registers> __device__ __forceinline__ void give_registers() {
    static_assert(registers >= 24 && registers <= 256 && registers % 8 == 0, "registers come in eights");
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}
