// Says who waits for what when no thread of a block can go on.
#include <cstdarg>
#include <cstdio>
#include <map>
#include <string>

#include "fail.h"
#include "mbarrier.h"
#include "worker.h"

namespace emulator {

namespace {

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

std::string format(const char* pattern, ...) {
    char text[512];
    va_list values;
    va_start(values, pattern);
    std::vsnprintf(text, sizeof text, pattern, values);
    va_end(values);
    return text;
}

std::string describe(const ThreadState& thread) {
    std::string at = format("at %s:%d", thread.site.file, thread.site.line);
    switch (thread.waiting) {
        case Waiting::in_warp: {
            unsigned missing = thread.mask & ~thread.warp->meeting(thread.mask).arrived;
            return at + format(" in %s with mask %08x, lanes %08x are missing", thread.collective, thread.mask,
                               missing);
        }
        case Waiting::at_barrier: {
            const BarrierState& barrier = worker->barriers[thread.barrier];
            return at + format(" at barrier %u, reached by %u of %u", thread.barrier, barrier.arrived,
                               barrier.expected);
        }
        case Waiting::for_mbarrier:
            return at + " for " + describe_mbarrier(thread.mbarrier, thread.parity);
        case Waiting::for_warpgroup:
            return at + " for all of its warpgroup to order this wgmma";
        case Waiting::no:
            break;
    }
    return "";
}

}  // namespace

void fail_deadlock() {
    std::map<std::string, unsigned> waiting;
    for (unsigned rank = 0; rank < worker->block.threads; rank++) {
        if (worker->threads[rank].waiting != Waiting::no) {
            waiting[describe(worker->threads[rank])]++;
        }
    }
    std::string all;
    for (const auto& [what, threads] : waiting) {
        all += (all.empty() ? "" : "; ") + std::to_string(threads) + " threads wait " + what;
    }
    current = nullptr;
    fail("deadlock: %s", all.c_str());
}

}  // namespace emulator
