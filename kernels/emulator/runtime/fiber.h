// Fibers: stacks that this OS thread switches between by hand. CUDA threads run on them.
//
// A fiber never ends and never changes its OS thread; a finished one waits to be given other work.
#pragma once
#include <cstddef>

namespace emulator {

struct Fiber {
    void (*body)() = nullptr;               // what it runs first; null for a stack that was there before
    void* stack_pointer = nullptr;          // where it goes on
    const void* stack_bottom = nullptr;
    std::size_t stack_bytes = 0;
    void* fake_stack = nullptr;             // AddressSanitizer's
};

// A new fiber that runs `body`, which must not return, when it is first switched to.
Fiber* new_fiber(void (*body)());

// Leaves `from` and goes on in `to`; returns when somebody switches back to `from`.
void switch_fiber(Fiber& from, Fiber& to);

}  // namespace emulator
