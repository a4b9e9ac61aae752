// Shared memory of one block: an arena with forbidden gaps between its objects, NaN in every new one.
//
// Layout, as a GPU has it: 1 KiB that belongs to the system, then (here) dynamic memory, then static objects as kernels
// reach them. An address in it, as instructions see it, is the offset from the start of the arena, below 2^18.
#pragma once
#include <cstddef>
#include <vector>

#include "../device/thread.h"

namespace emulator {

constexpr std::size_t MAX_STATIC_BYTES = 48 << 10;    // what a GPU gives without being asked
constexpr std::size_t MAX_SHARED_BYTES = 227 << 10;   // of one block, static and dynamic together

class SharedMemory {
public:
    SharedMemory();

    // Forgets all objects and makes the dynamic one. Gives its address.
    void* reset(std::size_t dynamic_bytes);
    void* object(const void* key, std::size_t bytes, std::size_t alignment);

    bool contains(const void* address) const;
    unsigned address_of(const void* pointer, CallSite site) const;
    unsigned char* at(unsigned address) const { return arena + address; }

    // Fails unless all of these bytes lie in one object.
    void check(const void* address, std::size_t bytes, const char* what, CallSite site) const;

private:
    struct Object {
        const void* key;
        std::size_t offset;
        std::size_t bytes;
    };

    void* place(const void* key, std::size_t bytes, std::size_t alignment);
    const Object* object_around(const void* address) const;

    unsigned char* arena;
    std::size_t top = 0;
    std::size_t static_bytes = 0;
    std::vector<Object> objects;   // [0] is the dynamic one
};

}  // namespace emulator
