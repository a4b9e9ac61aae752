// Shared memory of the block that runs now. runtime/shared_memory.cpp says how it is laid out and checked.
#pragma once
#include "thread.h"

namespace emulator {

// The object that belongs to `key` in this block: the same for each of its threads, filled with NaN when it is new.
void* shared_object(const void* key, unsigned long bytes, unsigned long alignment);

// The 32-bit address that instructions use for shared memory. Fails if `address` is not in shared memory.
unsigned address_in_shared(const void* address, CallSite site = call_site());

}  // namespace emulator
