// Barriers in shared memory that threads arrive at and copies count bytes on. sm_90a; included by hopper.cuh.
//
// A phase ends when the expected arrivals have come and no expected byte is outstanding; then the next begins. Phases
// are waited for by their parity: a ring of stages waits for 0 on its first round, for 1 on its second, and so on. A
// fresh barrier is in phase 0, so waiting for parity 1 on it returns at once: how a producer finds an empty ring free.
//
// One thread makes barriers, then fence_barrier_init(), then a block_sync() before any other use.
#pragma once
#include "block.cuh"

struct Mbarrier {
    u64 state;
};

__device__ __forceinline__ void mbarrier_init(Mbarrier& barrier, u32 arrivals CALLER) {
#ifdef CUDA_EMULATOR
    emulator::mbarrier_init(&barrier, arrivals AT_CALLER);
#else
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(arrivals) : "memory");
#endif
}

// Makes fresh barriers visible to the TMA unit.
__device__ __forceinline__ void fence_barrier_init() {
#ifndef CUDA_EMULATOR
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

// Between ordinary writes to shared memory and reads of them by the TMA unit or wgmma (or the other way round).
__device__ __forceinline__ void fence_proxy_async() {
#ifndef CUDA_EMULATOR
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

__device__ __forceinline__ void mbarrier_arrive(Mbarrier& barrier CALLER) {
#ifdef CUDA_EMULATOR
    emulator::mbarrier_arrive(&barrier AT_CALLER);
#else
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&barrier)) : "memory");
#endif
}

// Arrives, and tells the present phase to wait for so many bytes of copies.
__device__ __forceinline__ void mbarrier_arrive_expect(Mbarrier& barrier, u32 bytes CALLER) {
#ifdef CUDA_EMULATOR
    emulator::mbarrier_expect_bytes(&barrier, bytes AT_CALLER);
    emulator::mbarrier_arrive(&barrier AT_CALLER);
#else
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)), "r"(bytes)
                 : "memory");
#endif
}

// Waits for the end of the phase of this parity.
__device__ __forceinline__ void mbarrier_wait(Mbarrier& barrier, u32 parity CALLER) {
#ifdef CUDA_EMULATOR
    emulator::mbarrier_wait(&barrier, parity AT_CALLER);
#else
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "again_%=:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again_%=;\n"
                 "}" ::"r"(shared_address(&barrier)),
                 "r"(parity)
                 : "memory");
#endif
}
