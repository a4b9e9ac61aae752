// The mbarrier objects that kernels keep in shared memory: one 64-bit word that counts arrivals and bytes.
//
// A phase ends when no arrival is missing and no byte is outstanding; its parity then flips.
#pragma once
#include <string>

#include "../device/thread.h"

namespace emulator {

// Bytes of a copy have landed.
void mbarrier_complete_bytes(void* barrier, unsigned bytes);

// Fails unless `barrier` is an initialised mbarrier in shared memory.
void check_mbarrier(const void* barrier, const char* what, CallSite site);

std::string describe_mbarrier(const void* barrier, unsigned parity);

}  // namespace emulator
