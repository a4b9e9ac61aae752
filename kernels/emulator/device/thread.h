// What a kernel sees of the thread that runs it: threadIdx, blockIdx, blockDim, gridDim.
//
// `current` is the CUDA thread that this OS thread runs now. All that belongs to a running block hangs on it, so blocks
// on different OS threads share nothing; and fibers never change OS threads.
#pragma once
#include "vector_types.h"

namespace emulator {

// Where in a kernel something was called; as a default argument it names the caller's own line.
struct CallSite {
    const char* file;
    int line;
};

constexpr CallSite call_site(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
}

struct Block {
    dim3 grid;          // gridDim
    dim3 size{0, 0, 0}; // blockDim
    uint3 index;        // blockIdx
    unsigned threads;   // in this block
    void* dynamic_memory;
};

// The part of a thread that headers may see; runtime/worker.h has the rest.
struct Thread {
    uint3 index;        // threadIdx
    unsigned rank;      // its number in the block
    unsigned lane;      // its number in its warp
    Block* block;
};

extern thread_local Thread* current __attribute__((tls_model("initial-exec")));

// Prints one line that names kernel, block and thread, and aborts.
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);

}  // namespace emulator

[[noreturn]] inline void __trap() { emulator::fail("__trap()"); }
