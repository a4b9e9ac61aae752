// Warp collectives: waiting for the lanes of a mask.
//
// Stricter than a GPU in two points, both almost always mistakes: a mask that names a lane that has returned, and lanes
// that meet in different collectives. Lanes that a short last warp never had are dropped from every mask.
#include "../device/warp.h"

#include <cstring>

#include "fail.h"
#include "worker.h"

namespace emulator {

void WarpState::reset(unsigned lanes) {
    existing = alive = lanes == 32 ? WHOLE_WARP : (1u << lanes) - 1;
    used = 0;
}

Meeting& WarpState::meeting(unsigned mask) {
    for (unsigned i = 0; i < used; i++) {
        if (meetings[i]->mask == mask) {
            return *meetings[i];
        }
    }
    if (used == meetings.size()) {
        meetings.push_back(std::make_unique<Meeting>());
    }
    Meeting& fresh = *meetings[used++];
    fresh.mask = mask;
    fresh.arrived = 0;
    return fresh;
}

static void check_mask(const ThreadState& self, unsigned mask, const char* what, CallSite site) {
    if (!(mask >> self.lane & 1)) {
        fail("%s:%d: %s by lane %u, which is not in its mask %08x", site.file, site.line, what, self.lane, mask);
    }
    if (unsigned gone = mask & self.warp->existing & ~self.warp->alive) {
        fail("%s:%d: %s with mask %08x, of which lanes %08x have exited", site.file, site.line, what, mask, gone);
    }
}

static void wake_lanes(ThreadState& self, unsigned mask) {
    ThreadState* lanes = &self - self.lane;
    bool reverse = order_setting().order == Order::reverse;
    for (unsigned i = 0; i < 32; i++) {
        unsigned lane = reverse ? 31 - i : i;
        if ((mask >> lane & 1) && lane != self.lane) {
            wake(lanes[lane]);
        }
    }
}

Exchange& meet(unsigned mask, const char* what, const void* value, unsigned bytes, void (*combine)(Exchange&),
               CallSite site) {
    ThreadState& self = *current_state();
    check_mask(self, mask, what, site);
    mask &= self.warp->existing;
    Meeting& meeting = self.warp->meeting(mask);
    if (meeting.arrived == 0) {
        meeting.what = what;
        meeting.site = site;
    } else if (meeting.what != what && std::strcmp(meeting.what, what) != 0) {
        fail("%s:%d: %s, while other lanes of mask %08x are in %s at %s:%d", site.file, site.line, what, mask,
             meeting.what, meeting.site.file, meeting.site.line);
    }
    Exchange& exchange = meeting.exchanges[meeting.round & 1];
    exchange.mask = mask;
    if (bytes) {
        std::memcpy(exchange.brought[self.lane], value, bytes);
    }
    meeting.arrived |= 1u << self.lane;
    if (meeting.arrived != mask) {
        self.mask = mask;
        self.collective = what;
        suspend(Waiting::in_warp, site);
        return exchange;
    }
    meeting.arrived = 0;
    meeting.round++;
    if (combine) {
        combine(exchange);
    }
    wake_lanes(self, mask);
    maybe_yield();
    return exchange;
}

void fail_shuffle(unsigned source, unsigned mask, CallSite site) {
    fail("%s:%d: shuffle reads lane %u, which is not in mask %08x", site.file, site.line, source, mask);
}

}  // namespace emulator
