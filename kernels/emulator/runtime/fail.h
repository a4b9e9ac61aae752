// How the emulator reports a fault: one line on stderr that names kernel, block and thread, then abort().
#pragma once
#include "../device/thread.h"

namespace emulator {

// One line without kernel or thread, for faults of the library itself.
[[noreturn, gnu::format(printf, 1, 2)]] void fail_outside(const char* format, ...);

}  // namespace emulator
