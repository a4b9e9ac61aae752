// Barriers of a block: __syncthreads() is barrier 0 with all threads; 1 to 15 are named and count the threads given.
#pragma once
#include <atomic>

#include "thread.h"

namespace emulator {

constexpr unsigned WHOLE_BLOCK = 0;

void barrier_sync(unsigned barrier, unsigned threads, CallSite site);
void barrier_arrive(unsigned barrier, unsigned threads, CallSite site);

// How many threads of the block pass a non-zero `vote`, after a barrier of the whole block.
unsigned barrier_count(int vote, CallSite site);

}  // namespace emulator

inline void __syncthreads(emulator::CallSite site = emulator::call_site()) {
    emulator::barrier_sync(emulator::WHOLE_BLOCK, 0, site);
}
inline int __syncthreads_count(int vote, emulator::CallSite site = emulator::call_site()) {
    return int(emulator::barrier_count(vote, site));
}
inline int __syncthreads_or(int vote, emulator::CallSite site = emulator::call_site()) {
    return emulator::barrier_count(vote, site) != 0;
}
inline int __syncthreads_and(int vote, emulator::CallSite site = emulator::call_site()) {
    return emulator::barrier_count(vote, site) == emulator::current->block->threads;
}

inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_system() { std::atomic_thread_fence(std::memory_order_seq_cst); }
