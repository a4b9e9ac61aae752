// Loading and storing tiles, and when that happens.
//
// From order to landing the destination of a load is NaN: a thread that reads it too early sees that, and so does one
// that ordered the load while another still read the old contents.
#include "tma.h"

#include <algorithm>
#include <cstring>

#include "../device/engines.h"
#include "fail.h"
#include "mbarrier.h"
#include "sanitizer.h"
#include "worker.h"

namespace emulator {

unsigned TensorMapFields::tile_bytes() const {
    unsigned bytes = element_bytes;
    for (unsigned dimension = 0; dimension < rank; dimension++) {
        bytes *= tile(dimension);
    }
    return bytes;
}

std::uint64_t TensorMapFields::end() const {
    std::uint64_t last = address;
    for (unsigned dimension = 0; dimension < rank; dimension++) {
        last += (size[dimension] - 1) * stride[dimension];
    }
    return last + element_bytes;
}

namespace {

constexpr unsigned CHUNK_BYTES = 16;

TensorMapFields read_map(const void* map, unsigned rank, const char* what, CallSite site) {
    TensorMapFields fields;
    if (reinterpret_cast<std::uintptr_t>(map) % 64 != 0) {
        fail("%s:%d: %s: a tensor map is aligned to 64 bytes", site.file, site.line, what);
    }
    std::memcpy(&fields, map, sizeof fields);
    if (fields.mark != TENSOR_MAP_MARK) {
        fail("%s:%d: %s: not a tensor map", site.file, site.line, what);
    }
    if (fields.rank != rank) {
        fail("%s:%d: %s with %u coordinates through a tensor map of rank %u", site.file, site.line, what, rank,
             fields.rank);
    }
    // What lies in shared memory when a row is narrower than the swizzle's is not documented.
    if (fields.swizzle != Swizzle::none && fields.box[0] * fields.element_bytes != swizzle_row(fields.swizzle)) {
        fail("%s:%d: %s: the emulator wants rows of %u bytes for this swizzle, the box has %u", site.file, site.line,
             what, swizzle_row(fields.swizzle), fields.box[0] * fields.element_bytes);
    }
    return fields;
}

void check_tile_in_shared(const void* shared, const TensorMapFields& map, const char* what, CallSite site) {
    unsigned alignment = std::max(128u, swizzle_pattern(map.swizzle));
    if (unsigned address = worker->shared.address_of(shared, site); address % alignment != 0) {
        fail("%s:%d: %s: shared address %#x is not aligned to %u bytes, as its swizzle wants", site.file, site.line,
             what, address, alignment);
    }
    worker->shared.check(shared, map.tile_bytes(), what, site);
}

// Walks a tile chunk by chunk. `move(global, shared, bytes)` gets 16 bytes of shared memory and where they belong in
// the tensor; `bytes` of them, from the first, lie inside it, after `skipped` that lie before its start.
template <class Move>
void for_each_chunk(const TensorMapFields& map, const unsigned char* shared, const int* start, Move move) {
    unsigned address = worker->shared.address_of(shared, {});
    unsigned row_bytes = map.box[0] * map.element_bytes;
    unsigned rows = map.tile_bytes() / row_bytes;
    for (unsigned row = 0; row < rows; row++) {
        bool inside = true;
        std::uint64_t global = map.address;
        unsigned rest = row;
        for (unsigned dimension = 1; dimension < map.rank; dimension++) {
            long at = start[dimension] + long(rest % map.tile(dimension)) * map.step[dimension];
            rest /= map.tile(dimension);
            inside = inside && at >= 0 && std::uint64_t(at) < map.size[dimension];
            global += std::uint64_t(at) * map.stride[dimension];
        }
        for (unsigned byte = 0; byte < row_bytes; byte += CHUNK_BYTES) {
            long first = start[0] * long(map.element_bytes) + byte;
            long end = inside ? long(map.size[0] * map.element_bytes) : 0;
            long from = std::clamp(-first, 0l, long(CHUNK_BYTES));
            long to = std::clamp(end - first, from, long(CHUNK_BYTES));
            unsigned char* chunk = worker->shared.at(swizzled(address + row * row_bytes + byte, map.swizzle));
            move(reinterpret_cast<unsigned char*>(global + std::uint64_t(first)), chunk, from, to);
        }
    }
}

void land(const PendingLoad& load) {
    auto move = [&](unsigned char* global, unsigned char* chunk, long from, long to) {
        std::memset(chunk, load.map.fill_with_nan ? 0xff : 0, CHUNK_BYTES);
        if (from < to) {
            if (is_forbidden(global + from, std::size_t(to - from))) {
                fail("a TMA load reads memory that is not allocated, at %p", static_cast<void*>(global + from));
            }
            std::memcpy(chunk + from, global + from, std::size_t(to - from));
        }
    };
    for_each_chunk(load.map, load.shared, load.start, move);
    mbarrier_complete_bytes(load.barrier, load.map.tile_bytes());
}

void land(const PendingStore& store) {
    auto move = [](unsigned char* global, unsigned char* chunk, long from, long to) {
        if (from < to) {
            if (is_forbidden(global + from, std::size_t(to - from))) {
                fail("a TMA store writes memory that is not allocated, at %p", static_cast<void*>(global + from));
            }
            std::memcpy(global + from, chunk + from, std::size_t(to - from));
        }
    };
    for_each_chunk(store.map, store.shared, store.start, move);
}

}  // namespace

void tma_load(void* shared, const void* map, void* barrier, unsigned rank, const int* start, CallSite site) {
    PendingLoad load{read_map(map, rank, "tma_load", site), static_cast<unsigned char*>(shared), barrier, {}};
    check_tile_in_shared(shared, load.map, "tma_load", site);
    check_mbarrier(barrier, "tma_load", site);
    std::copy(start, start + rank, load.start);
    std::memset(shared, 0xff, load.map.tile_bytes());
    worker->loads.push_back(load);
}

void land_one_load() {
    std::size_t which = 0;
    if (order_setting().order == Order::reverse) {
        which = worker->loads.size() - 1;
    } else if (order_setting().order == Order::random) {
        which = worker->random.below(unsigned(worker->loads.size()));
    }
    PendingLoad load = worker->loads[which];
    worker->loads.erase(worker->loads.begin() + long(which));
    land(load);
}

void tma_store(const void* map, const void* shared, unsigned rank, const int* start, CallSite site) {
    ThreadState& self = engine_user();
    auto* tile = static_cast<unsigned char*>(const_cast<void*>(shared));
    PendingStore store{read_map(map, rank, "tma_store", site), tile, {}, self.store_groups};
    check_tile_in_shared(shared, store.map, "tma_store", site);
    std::copy(start, start + rank, store.start);
    self.stores.push_back(store);
}

void tma_store_commit() { engine_user().store_groups++; }

void tma_store_wait(unsigned groups_left) {
    ThreadState& self = engine_user();
    yield();
    std::vector<PendingStore> left;
    for (const PendingStore& store : self.stores) {
        if (store.group + groups_left < self.store_groups) {
            land(store);
        } else {
            left.push_back(store);
        }
    }
    self.stores.swap(left);
}

}  // namespace emulator
