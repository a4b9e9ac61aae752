// cp.async: copies of 4, 8 or 16 bytes, each by its own thread.
//
// From order to landing the destination is NaN: whoever reads it before the wait sees that. A thread that waits lets
// all others run first, so that their reads, if no barrier holds them back, come before the landing.
#include <cstring>

#include "../device/engines.h"
#include "fail.h"
#include "sanitizer.h"
#include "worker.h"

namespace emulator {

static void land(const PendingCopy& copy) {
    std::memcpy(copy.shared, copy.global, copy.source_bytes);
    std::memset(static_cast<unsigned char*>(copy.shared) + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
}

static void land_groups_before(ThreadState& self, unsigned end) {
    if (self.copies.empty() || self.copies.front().group >= end) {
        return;
    }
    yield();
    std::size_t left = 0;
    for (const PendingCopy& copy : self.copies) {
        if (copy.group < end) {
            land(copy);
        } else {
            self.copies[left++] = copy;
        }
    }
    self.copies.resize(left);
}

void cp_async(void* shared, const void* global, unsigned bytes, unsigned source_bytes, CallSite site) {
    ThreadState& self = engine_user();
    if (worker->shared.address_of(shared, site) % bytes != 0 || reinterpret_cast<std::uintptr_t>(global) % bytes != 0) {
        fail("%s:%d: cp.async of %u bytes is misaligned: %p <- %p", site.file, site.line, bytes, shared, global);
    }
    worker->shared.check(shared, bytes, "cp.async", site);
    if (source_bytes && is_forbidden(global, source_bytes)) {
        fail("%s:%d: cp.async reads memory that is not allocated, at %p", site.file, site.line, global);
    }
    std::memset(shared, 0xff, bytes);
    self.copies.push_back({shared, global, bytes, source_bytes, self.copy_groups});
}

void cp_async_commit() { engine_user().copy_groups++; }

void cp_async_wait(unsigned groups_left) {
    ThreadState& self = engine_user();
    if (self.copy_groups > groups_left) {
        land_groups_before(self, self.copy_groups - groups_left);
    }
}

void cp_async_wait_all() {
    ThreadState& self = engine_user();
    self.copy_groups++;
    land_groups_before(self, self.copy_groups);
}

void check_aligned(const void* address, unsigned alignment, CallSite site) {
    if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0) {
        fail("%s:%d: a vector of %u bytes at %p is misaligned", site.file, site.line, alignment, address);
    }
}

}  // namespace emulator
