// Device memory: ordinary memory of the process, in blocks that the driver knows.
//
// A block has exactly the bytes asked for, so that AddressSanitizer sees the first one past its end. It is NaN when it
// is new and NaN when it is freed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <shared_mutex>

#include "results.h"

namespace driver {

using Address = std::uint64_t;

class Memory {
public:
    // With `limit` bytes in all.
    explicit Memory(std::size_t limit) : limit(limit) {}

    Result allocate(Address* address, std::size_t bytes);
    Result release(Address address);

    // Whether all these bytes lie in one live block; the address just after a block belongs to it.
    bool contains(Address address, std::size_t bytes);

    // Whether a block was freed here, and no other has taken its place.
    bool is_freed(Address address);

    std::size_t total() const { return limit; }
    std::size_t used();

private:
    std::shared_mutex mutex;
    using Blocks = std::map<Address, std::size_t>;   // bytes by start
    static bool holds(const Blocks& blocks, Address address, std::size_t bytes);

    Blocks blocks;
    Blocks freed;   // those whose place no block has taken since
    std::size_t in_use = 0;
    std::size_t limit;
};

Memory& device_memory();   // EMULATOR_MEMORY bytes, or half of the machine's
Memory& host_memory();     // pinned

// Whether a kernel may be given this address.
bool is_reachable(Address address, std::size_t bytes);

}  // namespace driver
