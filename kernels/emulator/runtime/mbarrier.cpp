// Counting arrivals and bytes, and waking those who wait.
#include "mbarrier.h"

#include <cstdint>
#include <cstring>

#include "../device/engines.h"
#include "fail.h"
#include "worker.h"

namespace emulator {

namespace {

constexpr unsigned INITIALISED = 0x5a;

struct Word {
    std::int32_t bytes_outstanding;
    std::uint32_t initialised : 8;
    std::uint32_t phase : 1;
    std::uint32_t expected : 11;   // arrivals of each phase
    std::uint32_t missing : 11;    // arrivals of this phase
    std::uint32_t unused : 1;
};
static_assert(sizeof(Word) == 8, "one 64-bit word, as on the GPU");

Word& word(void* barrier) { return *static_cast<Word*>(barrier); }

void end_phase_if_complete(void* barrier) {
    Word& state = word(barrier);
    if (state.missing != 0 || state.bytes_outstanding != 0) {
        return;
    }
    state.phase ^= 1;
    state.missing = state.expected;
    std::vector<ThreadState*> still_waiting;
    for (ThreadState* sleeper : worker->mbarrier_sleepers) {
        if (sleeper->mbarrier == barrier && sleeper->parity != state.phase) {
            wake(*sleeper);
        } else {
            still_waiting.push_back(sleeper);
        }
    }
    worker->mbarrier_sleepers.swap(still_waiting);
}

}  // namespace

void check_mbarrier(const void* barrier, const char* what, CallSite site) {
    if (worker->shared.address_of(barrier, site) % 8 != 0) {
        fail("%s:%d: %s: an mbarrier is aligned to 8 bytes", site.file, site.line, what);
    }
    worker->shared.check(barrier, sizeof(Word), what, site);
    if (word(const_cast<void*>(barrier)).initialised != INITIALISED) {
        fail("%s:%d: %s: the mbarrier is not initialised", site.file, site.line, what);
    }
}

void mbarrier_init(void* barrier, unsigned arrivals, CallSite site) {
    worker->shared.check(barrier, sizeof(Word), "mbarrier_init", site);
    if (arrivals == 0 || arrivals > MAX_THREADS) {
        fail("%s:%d: mbarrier_init for %u arrivals", site.file, site.line, arrivals);
    }
    word(barrier) = {0, INITIALISED, 0, arrivals, arrivals, 0};
}

void mbarrier_expect_bytes(void* barrier, unsigned bytes, CallSite site) {
    check_mbarrier(barrier, "mbarrier_expect_bytes", site);
    if (bytes >= 1u << 20) {
        fail("%s:%d: an mbarrier cannot count %u bytes", site.file, site.line, bytes);
    }
    word(barrier).bytes_outstanding += int(bytes);
    end_phase_if_complete(barrier);
}

void mbarrier_arrive(void* barrier, CallSite site) {
    check_mbarrier(barrier, "mbarrier_arrive", site);
    if (word(barrier).missing == 0) {
        fail("%s:%d: mbarrier: more arrivals in one phase than the %u it was made for", site.file, site.line,
             unsigned(word(barrier).expected));
    }
    word(barrier).missing--;
    end_phase_if_complete(barrier);
}

void mbarrier_complete_bytes(void* barrier, unsigned bytes) {
    word(barrier).bytes_outstanding -= int(bytes);
    end_phase_if_complete(barrier);
}

void mbarrier_wait(void* barrier, unsigned parity, CallSite site) {
    check_mbarrier(barrier, "mbarrier_wait", site);
    if (word(barrier).phase != (parity & 1)) {
        maybe_yield();
        return;
    }
    ThreadState& self = *current_state();
    self.mbarrier = barrier;
    self.parity = parity & 1;
    worker->mbarrier_sleepers.push_back(&self);
    suspend(Waiting::for_mbarrier, site);
}

std::string describe_mbarrier(const void* barrier, unsigned parity) {
    const Word& state = *static_cast<const Word*>(barrier);
    return "parity " + std::to_string(parity) + " of an mbarrier that misses " + std::to_string(state.missing) +
           " of " + std::to_string(state.expected) + " arrivals and " + std::to_string(state.bytes_outstanding) +
           " bytes";
}

}  // namespace emulator
