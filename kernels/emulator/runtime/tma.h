// The TMA unit: tiles of tensors of up to five dimensions, between global and shared memory.
#pragma once
#include <cstdint>

#include "../device/thread.h"

namespace emulator {

constexpr unsigned MAX_RANK = 5;
constexpr std::uint32_t TENSOR_MAP_MARK = 0x544d4150;

enum class Swizzle : std::uint8_t { none, bytes_32, bytes_64, bytes_128 };

// What the driver writes into the 128 opaque bytes of a tensor map. Index 0 is the innermost dimension.
struct TensorMapFields {
    std::uint32_t mark;
    std::uint8_t rank;
    std::uint8_t element_bytes;
    Swizzle swizzle;
    bool fill_with_nan;                       // elements outside the tensor; else with zero
    std::uint64_t address;
    std::uint64_t size[MAX_RANK];             // in elements
    std::uint64_t stride[MAX_RANK];           // in bytes
    std::uint16_t box[MAX_RANK];              // elements that a tile spans
    std::uint8_t step[MAX_RANK];              // of which it takes every step-th

    // Elements of a tile along one dimension.
    unsigned tile(unsigned dimension) const { return (box[dimension] + step[dimension] - 1u) / step[dimension]; }
    unsigned tile_bytes() const;
    // First byte after the tensor.
    std::uint64_t end() const;
};
static_assert(sizeof(TensorMapFields) <= 128);

struct PendingLoad {
    TensorMapFields map;
    unsigned char* shared;
    void* barrier;
    int start[MAX_RANK];
};

struct PendingStore {
    TensorMapFields map;
    unsigned char* shared;
    int start[MAX_RANK];
    unsigned group;
};

// Where the byte lies that would be at `address` without a swizzle: 16-byte chunks change places within rows of 32, 64
// or 128 bytes, as bits 4, 4 to 5 or 4 to 6 of the address are xored with as many bits from bit 7 on.
constexpr unsigned swizzled(unsigned address, Swizzle swizzle) {
    unsigned chunks = (1u << unsigned(swizzle)) - 1;
    return address ^ ((address >> 7 & chunks) << 4);
}

// Bytes of a row of the swizzle, and of its whole pattern, to which operands are aligned.
constexpr unsigned swizzle_row(Swizzle swizzle) { return 16u << unsigned(swizzle); }
constexpr unsigned swizzle_pattern(Swizzle swizzle) { return swizzle == Swizzle::none ? 16 : 8 * swizzle_row(swizzle); }

// Lets one load of the block that runs land: the oldest, the newest, or any, as threads are ordered.
void land_one_load();

}  // namespace emulator
