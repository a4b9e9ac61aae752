// Memory pools: accepted, and without effect. Every allocation is a block of its own, returned when it is freed, so
// that no pool hides a use after free.
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include "export.h"
#include "memory.h"
#include "results.h"

using namespace driver;

namespace {

enum PoolAttribute {
    RELEASE_THRESHOLD = 4,
    RESERVED_CURRENT = 5,
    RESERVED_HIGH = 6,
    USED_CURRENT = 7,
    USED_HIGH = 8,
};

struct Pool {
    std::mutex mutex;
    std::uint64_t release_threshold = 0;
};

Pool default_pool;

bool is_flag(int attribute) { return attribute < RELEASE_THRESHOLD; }

}  // namespace

EXPORT Result cuDeviceGetDefaultMemPool(void** pool, int) {
    *pool = &default_pool;
    return SUCCESS;
}
EXPORT Result cuDeviceGetMemPool(void** pool, int) {
    *pool = &default_pool;
    return SUCCESS;
}
EXPORT Result cuDeviceSetMemPool(int, void*) { return SUCCESS; }
EXPORT Result cuMemPoolCreate(void** pool, const void*) {
    *pool = new Pool;
    return SUCCESS;
}
EXPORT Result cuMemPoolDestroy(void* pool) {
    if (pool != &default_pool) {
        delete static_cast<Pool*>(pool);
    }
    return SUCCESS;
}
EXPORT Result cuMemPoolTrimTo(void*, std::size_t) { return SUCCESS; }

EXPORT Result cuMemPoolSetAttribute(void* handle, int attribute, void* value) {
    auto& pool = *static_cast<Pool*>(handle);
    std::lock_guard lock(pool.mutex);
    if (attribute == RELEASE_THRESHOLD) {
        pool.release_threshold = *static_cast<std::uint64_t*>(value);
    }
    return SUCCESS;
}

EXPORT Result cuMemPoolGetAttribute(void* handle, int attribute, void* value) {
    auto& pool = *static_cast<Pool*>(handle);
    std::lock_guard lock(pool.mutex);
    if (is_flag(attribute)) {
        *static_cast<int*>(value) = 1;
    } else if (attribute == RELEASE_THRESHOLD) {
        *static_cast<std::uint64_t*>(value) = pool.release_threshold;
    } else {
        *static_cast<std::uint64_t*>(value) = device_memory().used();
    }
    return SUCCESS;
}
