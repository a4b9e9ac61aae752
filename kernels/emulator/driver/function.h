// A function of a module: one of this library's kernels, and what the program has set for it.
#pragma once
#include <cstddef>

#include "../device/registry.h"

namespace driver {

constexpr unsigned MAX_THREADS = 1024;               // of a block
constexpr int DEFAULT_DYNAMIC_BYTES = 48 << 10;      // of shared memory
constexpr int MAX_DYNAMIC_BYTES = 227 << 10;

struct Function {
    const emulator::Kernel* kernel;
    int max_dynamic_bytes = DEFAULT_DYNAMIC_BYTES;
};

// Where a parameter lies in the argument buffer of its kernel, as the GPU's ABI has it.
inline std::size_t offset_of(const emulator::Kernel& kernel, std::size_t index) {
    std::size_t offset = 0;
    for (std::size_t i = 0;; i++) {
        const emulator::Parameter& parameter = kernel.parameters[i];
        offset = (offset + parameter.alignment - 1) / parameter.alignment * parameter.alignment;
        if (i == index) {
            return offset;
        }
        offset += parameter.bytes;
    }
}

}  // namespace driver
