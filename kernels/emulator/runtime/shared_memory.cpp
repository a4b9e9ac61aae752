// Placing and checking objects in shared memory.
#include "shared_memory.h"

#include <sys/mman.h>

#include <cstring>

#include "../device/shared_memory.h"
#include "fail.h"
#include "sanitizer.h"
#include "worker.h"

namespace emulator {

namespace {

constexpr std::size_t ARENA_BYTES = 256 << 10;   // all that an 18-bit address reaches
constexpr std::size_t SYSTEM_BYTES = 1 << 10;
constexpr std::size_t GAP_BYTES = 64;
constexpr std::size_t DYNAMIC_ALIGNMENT = 1 << 10;

std::size_t round_up(std::size_t value, std::size_t to) { return (value + to - 1) / to * to; }

}  // namespace

SharedMemory::SharedMemory() {
    void* memory = mmap(nullptr, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fail_outside("no memory for a block's shared memory");
    }
    arena = static_cast<unsigned char*>(memory);
}

void* SharedMemory::reset(std::size_t dynamic_bytes) {
    forbid(arena, ARENA_BYTES);
    objects.clear();
    static_bytes = 0;
    top = SYSTEM_BYTES;
    return place(nullptr, dynamic_bytes, DYNAMIC_ALIGNMENT);
}

void* SharedMemory::object(const void* key, std::size_t bytes, std::size_t alignment) {
    for (const Object& object : objects) {
        if (object.key == key) {
            return arena + object.offset;
        }
    }
    static_bytes += bytes;
    if (static_bytes > MAX_STATIC_BYTES) {
        fail("%zu bytes of static shared memory in one block; a GPU allows %zu, take DYN_SHARED", static_bytes,
             MAX_STATIC_BYTES);
    }
    if (static_bytes + objects[0].bytes > MAX_SHARED_BYTES) {
        fail("%zu bytes of static and %zu of dynamic shared memory in one block; a GPU has %zu", static_bytes,
             objects[0].bytes, MAX_SHARED_BYTES);
    }
    return place(key, bytes, alignment);
}

void* SharedMemory::place(const void* key, std::size_t bytes, std::size_t alignment) {
    std::size_t offset = round_up(top, alignment);
    top = round_up(offset + bytes, 8) + GAP_BYTES;
    if (top > ARENA_BYTES) {
        fail("too many objects in shared memory, with the gaps that the emulator leaves between them");
    }
    objects.push_back({key, offset, bytes});
    allow(arena + offset, bytes);
    std::memset(arena + offset, 0xff, bytes);
    return arena + offset;
}

bool SharedMemory::contains(const void* address) const {
    return address >= arena && address < arena + ARENA_BYTES;
}

unsigned SharedMemory::address_of(const void* pointer, CallSite site) const {
    if (!contains(pointer)) {
        fail("%s:%d: %p is not in shared memory", site.file, site.line, pointer);
    }
    return unsigned(static_cast<const unsigned char*>(pointer) - arena);
}

const SharedMemory::Object* SharedMemory::object_around(const void* address) const {
    std::size_t offset = std::size_t(static_cast<const unsigned char*>(address) - arena);
    for (const Object& object : objects) {
        if (offset >= object.offset && offset < object.offset + object.bytes) {
            return &object;
        }
    }
    return nullptr;
}

void SharedMemory::check(const void* address, std::size_t bytes, const char* what, CallSite site) const {
    unsigned start = address_of(address, site);
    const Object* object = object_around(address);
    if (!object || start + bytes > object->offset + object->bytes) {
        fail("%s:%d: %s touches %zu bytes of shared memory that lie in no object, or past the end of one", site.file,
             site.line, what, bytes);
    }
}

void* shared_object(const void* key, unsigned long bytes, unsigned long alignment) {
    return worker->shared.object(key, bytes, alignment);
}

unsigned address_in_shared(const void* address, CallSite site) { return worker->shared.address_of(address, site); }

}  // namespace emulator
