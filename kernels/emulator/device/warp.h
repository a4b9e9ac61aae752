// Warp collectives: shuffles, votes, __syncwarp. Every lane of the mask brings a value to a meeting; when the last one
// has come, all go on and read what the others brought.
#pragma once
#include <cstring>
#include <type_traits>

#include "thread.h"

namespace emulator {

constexpr unsigned WHOLE_WARP = 0xffffffffu;
constexpr unsigned MEETING_BYTES = 64;

// What the lanes of one meeting brought, and what its `combine` step made of it for each.
struct Exchange {
    unsigned mask;
    alignas(16) unsigned char brought[32][MEETING_BYTES];
    alignas(16) unsigned char result[32][MEETING_BYTES];
};

// Waits until all lanes of `mask` are here. The last one to come runs `combine` for all of them, if there is one.
// `what` names the collective: lanes that meet under different names are a fault.
Exchange& meet(unsigned mask, const char* what, const void* value, unsigned bytes, void (*combine)(Exchange&),
               CallSite site);

[[noreturn]] void fail_shuffle(unsigned source, unsigned mask, CallSite site);

// `source` maps own lane to the lane to read, -1 for "own value".
template <class T, class Source>
T shuffle(const char* what, unsigned mask, T value, Source source, CallSite site) {
    static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "shuffles move 4 or 8 bytes");
    Exchange& exchange = meet(mask, what, &value, sizeof value, nullptr, site);
    int from = source(int(current->lane));
    if (from < 0) {
        return value;
    }
    if (!(exchange.mask >> from & 1)) {
        fail_shuffle(unsigned(from), exchange.mask, site);
    }
    std::memcpy(&value, exchange.brought[from], sizeof value);
    return value;
}

// The lanes of `mask` whose `vote` is not zero.
inline unsigned ballot(const char* what, unsigned mask, bool vote, CallSite site) {
    Exchange& exchange = meet(mask, what, &vote, sizeof vote, nullptr, site);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; lane++) {
        if (exchange.mask >> lane & 1) {
            votes |= unsigned(exchange.brought[lane][0]) << lane;
        }
    }
    return votes;
}

template <class T, class Join>
T reduce(const char* what, unsigned mask, T value, Join join, CallSite site) {
    Exchange& exchange = meet(mask, what, &value, sizeof value, nullptr, site);
    bool first = true;
    T total{};
    for (unsigned lane = 0; lane < 32; lane++) {
        if (exchange.mask >> lane & 1) {
            T other;
            std::memcpy(&other, exchange.brought[lane], sizeof other);
            total = first ? other : join(total, other);
            first = false;
        }
    }
    return total;
}

}  // namespace emulator

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, emulator::CallSite site = emulator::call_site()) {
    auto source = [=](int own) { return (own & ~(width - 1)) | (lane & (width - 1)); };
    return emulator::shuffle("__shfl_sync", mask, value, source, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, emulator::CallSite site = emulator::call_site()) {
    auto source = [=](int own) { return (own ^ bits) <= (own | (width - 1)) ? own ^ bits : -1; };
    return emulator::shuffle("__shfl_xor_sync", mask, value, source, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32,
                   emulator::CallSite site = emulator::call_site()) {
    auto source = [=](int own) { return own + int(by) <= (own | (width - 1)) ? own + int(by) : -1; };
    return emulator::shuffle("__shfl_down_sync", mask, value, source, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, emulator::CallSite site = emulator::call_site()) {
    auto source = [=](int own) { return own - int(by) >= (own & ~(width - 1)) ? own - int(by) : -1; };
    return emulator::shuffle("__shfl_up_sync", mask, value, source, site);
}

inline unsigned __ballot_sync(unsigned mask, int vote, emulator::CallSite site = emulator::call_site()) {
    return emulator::ballot("__ballot_sync", mask, vote != 0, site);
}
inline int __any_sync(unsigned mask, int vote, emulator::CallSite site = emulator::call_site()) {
    return emulator::ballot("__any_sync", mask, vote != 0, site) != 0;
}
inline int __all_sync(unsigned mask, int vote, emulator::CallSite site = emulator::call_site()) {
    return emulator::ballot("__all_sync", mask, vote == 0, site) == 0;
}
inline void __syncwarp(unsigned mask = emulator::WHOLE_WARP, emulator::CallSite site = emulator::call_site()) {
    emulator::meet(mask, "__syncwarp", nullptr, 0, nullptr, site);
}

// Lanes run one after another here, so a lane that asks who is active with it is alone.
inline unsigned __activemask() { return 1u << emulator::current->lane; }

inline unsigned __reduce_add_sync(unsigned mask, unsigned value, emulator::CallSite site = emulator::call_site()) {
    return emulator::reduce("__reduce_add_sync", mask, value, [](unsigned a, unsigned b) { return a + b; }, site);
}
inline int __reduce_add_sync(unsigned mask, int value, emulator::CallSite site = emulator::call_site()) {
    return int(__reduce_add_sync(mask, unsigned(value), site));
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, emulator::CallSite site = emulator::call_site()) {
    return emulator::reduce("__reduce_max_sync", mask, value, [](T a, T b) { return a > b ? a : b; }, site);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, emulator::CallSite site = emulator::call_site()) {
    return emulator::reduce("__reduce_min_sync", mask, value, [](T a, T b) { return a < b ? a : b; }, site);
}
