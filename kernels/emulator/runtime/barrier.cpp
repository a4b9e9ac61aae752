// Barriers of a block.
//
// Stricter than a GPU: __syncthreads() must be the same line for all threads of a block, and all must come to it.
#include "../device/barrier.h"

#include <cstring>

#include "fail.h"
#include "worker.h"

namespace emulator {

static BarrierState& enter(unsigned number, unsigned threads, CallSite site) {
    if (number >= MAX_BARRIERS) {
        fail("%s:%d: barrier %u; a block has %u", site.file, site.line, number, MAX_BARRIERS);
    }
    if (number != WHOLE_BLOCK && (threads == 0 || threads % 32 != 0 || threads > worker->block.threads)) {
        fail("%s:%d: barrier %u of %u threads; it takes whole warps, and the block has %u threads", site.file,
             site.line, number, threads, worker->block.threads);
    }
    unsigned expected = number == WHOLE_BLOCK ? worker->block.threads : threads;
    BarrierState& barrier = worker->barriers[number];
    if (barrier.arrived == 0) {
        barrier.expected = expected;
        barrier.site = site;
    }
    if (barrier.expected != expected) {
        fail("%s:%d: barrier %u of %u threads, but %u at %s:%d", site.file, site.line, number, expected,
             barrier.expected, barrier.site.file, barrier.site.line);
    }
    bool same_file = barrier.site.file == site.file || std::strcmp(barrier.site.file, site.file) == 0;
    bool elsewhere = barrier.site.line != site.line || !same_file;
    if (number == WHOLE_BLOCK && elsewhere) {
        fail("%s:%d: divergent __syncthreads(): other threads are at the one at %s:%d", site.file, site.line,
             barrier.site.file, barrier.site.line);
    }
    barrier.arrived++;
    return barrier;
}

static bool is_full(BarrierState& barrier) { return barrier.arrived == barrier.expected; }

static void open(BarrierState& barrier) {
    barrier.arrived = 0;
    barrier.last_votes = barrier.votes;
    barrier.votes = 0;
    for (ThreadState* sleeper : barrier.sleepers) {
        wake(*sleeper);
    }
    barrier.sleepers.clear();
}

void check_nobody_is_left_waiting() {
    const BarrierState& barrier = worker->barriers[WHOLE_BLOCK];
    if (barrier.arrived != 0 && barrier.arrived == worker->alive) {
        fail("%s:%d: __syncthreads() is reached by %u of %u threads, the others have exited", barrier.site.file,
             barrier.site.line, barrier.arrived, worker->block.threads);
    }
}

static void wait_at(BarrierState& barrier, unsigned number, CallSite site) {
    if (is_full(barrier)) {
        open(barrier);
        maybe_yield();
        return;
    }
    check_nobody_is_left_waiting();
    ThreadState& self = *current_state();
    self.barrier = number;
    barrier.sleepers.push_back(&self);
    suspend(Waiting::at_barrier, site);
}

void barrier_sync(unsigned number, unsigned threads, CallSite site) {
    wait_at(enter(number, threads, site), number, site);
}

void barrier_arrive(unsigned number, unsigned threads, CallSite site) {
    BarrierState& barrier = enter(number, threads, site);
    if (is_full(barrier)) {
        open(barrier);
    }
}

unsigned barrier_count(int vote, CallSite site) {
    BarrierState& barrier = enter(WHOLE_BLOCK, 0, site);
    barrier.votes += vote != 0;
    wait_at(barrier, WHOLE_BLOCK, site);
    return barrier.last_votes;
}

}  // namespace emulator
