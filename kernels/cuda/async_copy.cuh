// cp.async: copies from global to shared memory that a thread orders and later waits for. sm_80 and up.
//
// A thread's copies since its last commit are a group. A wait covers the calling thread's own groups: a barrier must
// follow before other threads read what landed. Until the wait the destination holds nothing (in the emulator, NaN).
#pragma once
#include "block.cuh"

// Copies `bytes` = 4, 8 or 16 bytes, all aligned to that; 16 go past the first-level cache. Unless `valid`, nothing is
// read and zeros are written.
template <int bytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool valid = true CALLER) {
    static_assert(bytes == 4 || bytes == 8 || bytes == 16, "cp.async copies 4, 8 or 16 bytes");
#ifdef CUDA_EMULATOR
    emulator::cp_async(shared, global, bytes, valid ? bytes : 0 AT_CALLER);
#else
    int read = valid ? bytes : 0;
    if constexpr (bytes == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                     "r"(read)
                     : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(shared_address(shared)), "l"(global),
                     "r"(read), "n"(bytes)
                     : "memory");
    }
#endif
}

__device__ __forceinline__ void copy_async_commit() {
#ifdef CUDA_EMULATOR
    emulator::cp_async_commit();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most the `groups_left` youngest groups are under way.
template <int groups_left> __device__ __forceinline__ void copy_async_wait() {
#ifdef CUDA_EMULATOR
    emulator::cp_async_wait(groups_left);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(groups_left) : "memory");
#endif
}

// Waits for all copies, committed or not.
__device__ __forceinline__ void copy_async_wait_all() {
#ifdef CUDA_EMULATOR
    emulator::cp_async_wait_all();
#else
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}
