// Allocating and freeing memory.
#include "memory.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "complain.h"
#include "export.h"
#include "stream.h"

namespace driver {

namespace {

constexpr std::size_t ALIGNMENT = 256;

void fill_with_nan(void* memory, std::size_t bytes) { std::memset(memory, 0xff, bytes); }

std::size_t device_memory_limit() {
    if (const char* text = std::getenv("EMULATOR_MEMORY")) {
        return std::strtoull(text, nullptr, 0);
    }
    return std::size_t(sysconf(_SC_PHYS_PAGES)) * std::size_t(sysconf(_SC_PAGE_SIZE)) / 2;
}

void* pointer(Address address) { return reinterpret_cast<void*>(address); }

}  // namespace

Memory& device_memory() {
    static auto& memory = *new Memory(device_memory_limit());
    return memory;
}

Memory& host_memory() {
    static auto& memory = *new Memory(SIZE_MAX);
    return memory;
}

bool is_reachable(Address address, std::size_t bytes) {
    return device_memory().contains(address, bytes) || host_memory().contains(address, bytes);
}

Result Memory::allocate(Address* address, std::size_t bytes) {
    if (!address || bytes == 0) {
        return ERROR_INVALID_VALUE;
    }
    std::lock_guard lock(mutex);
    void* memory = nullptr;
    if (bytes > limit - in_use || posix_memalign(&memory, ALIGNMENT, bytes) != 0) {
        return ERROR_OUT_OF_MEMORY;
    }
    fill_with_nan(memory, bytes);
    *address = reinterpret_cast<Address>(memory);
    blocks[*address] = bytes;
    in_use += bytes;
    auto past = freed.lower_bound(*address + bytes);
    while (past != freed.begin() && std::prev(past)->first + std::prev(past)->second > *address) {
        past = freed.erase(std::prev(past));
    }
    return SUCCESS;
}

Result Memory::release(Address address) {
    if (address == 0) {
        return SUCCESS;
    }
    std::lock_guard lock(mutex);
    auto block = blocks.find(address);
    if (block == blocks.end()) {
        complain("freeing %p, which is not the start of a live block", pointer(address));
        return ERROR_INVALID_VALUE;
    }
    fill_with_nan(pointer(address), block->second);
    in_use -= block->second;
    freed.insert(*block);
    blocks.erase(block);
    std::free(pointer(address));
    return SUCCESS;
}

bool Memory::holds(const Blocks& blocks, Address address, std::size_t bytes) {
    auto after = blocks.upper_bound(address);
    if (after == blocks.begin()) {
        return false;
    }
    auto [start, size] = *std::prev(after);
    std::size_t offset = address - start;
    return offset <= size && bytes <= size - offset;
}

bool Memory::contains(Address address, std::size_t bytes) {
    std::shared_lock lock(mutex);
    return holds(blocks, address, bytes);
}

bool Memory::is_freed(Address address) {
    std::shared_lock lock(mutex);
    return holds(freed, address, 1) && !holds(blocks, address, 0);
}

std::size_t Memory::used() {
    std::shared_lock lock(mutex);
    return in_use;
}

}  // namespace driver

using namespace driver;

EXPORT Result cuMemAlloc_v2(Address* address, std::size_t bytes) {
    Result allowed = refuse_while_capturing();
    return allowed ? allowed : device_memory().allocate(address, bytes);
}
EXPORT Result cuMemFree_v2(Address address) {
    Result allowed = refuse_while_capturing();
    return allowed ? allowed : device_memory().release(address);
}
// A stream that captures would make these nodes of its graph, with memory of the graph's own: not emulated.
EXPORT Result cuMemAllocAsync(Address* address, std::size_t bytes, void* stream) {
    if (Result refused = refuse_in_capture(stream, "cuMemAllocAsync")) {
        return refused;
    }
    if (bytes == 0 && address) {
        *address = 0;
        return SUCCESS;
    }
    return device_memory().allocate(address, bytes);
}
EXPORT Result cuMemAllocFromPoolAsync(Address* address, std::size_t bytes, void*, void* stream) {
    return cuMemAllocAsync(address, bytes, stream);
}
EXPORT Result cuMemFreeAsync(Address address, void* stream) {
    Result refused = refuse_in_capture(stream, "cuMemFreeAsync");
    return refused ? refused : device_memory().release(address);
}
EXPORT Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    *total = device_memory().total();
    *free = *total - device_memory().used();
    return SUCCESS;
}

EXPORT Result cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
    Result allowed = refuse_while_capturing();
    return allowed ? allowed : host_memory().allocate(reinterpret_cast<Address*>(memory), bytes);
}
EXPORT Result cuMemAllocHost_v2(void** memory, std::size_t bytes) { return cuMemHostAlloc(memory, bytes, 0); }
EXPORT Result cuMemFreeHost(void* memory) {
    Result allowed = refuse_while_capturing();
    return allowed ? allowed : host_memory().release(reinterpret_cast<Address>(memory));
}
EXPORT Result cuMemHostGetDevicePointer_v2(Address* address, void* memory, unsigned) {
    *address = reinterpret_cast<Address>(memory);
    return host_memory().contains(*address, 0) ? SUCCESS : ERROR_INVALID_VALUE;
}
