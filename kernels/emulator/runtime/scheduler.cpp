// Runs the threads of one block on fibers.
//
// A fiber starts one thread after another, as plain calls, until one of them has to wait; only then another fiber takes
// over. So threads that never wait cost no switch. There is no scheduler stack: a fiber that stops picks the next one.
#include "fail.h"
#include "worker.h"

namespace emulator {

thread_local Worker* worker __attribute__((tls_model("initial-exec"))) = nullptr;
thread_local Thread* current __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

bool all_started() { return worker->started == worker->block.threads; }

// What the thread has ordered must be done, and nobody may wait for it.
void end_thread() {
    ThreadState& thread = *current_state();
    if (thread.used_engines) {
        if (!thread.copies.empty() || !thread.stores.empty() || thread.unfinished_products) {
            fail("the thread ends with %zu cp.async, %zu TMA stores and %u wgmma in flight, never waited for",
                 thread.copies.size(), thread.stores.size(), thread.unfinished_products);
        }
        thread.used_engines = thread.fenced = false;
        thread.products = thread.product_groups = thread.copy_groups = thread.store_groups = 0;
    }
    thread.warp->alive &= ~(1u << thread.lane);
    worker->alive--;
    check_nobody_is_left_waiting();
}

void go_to(Fiber& to) {
    Fiber& from = *worker->running;
    if (&from != &to) {
        worker->running = &to;
        switch_fiber(from, to);
    }
}

Fiber& next_fiber();

void run_threads() {
    for (;;) {
        while (!all_started()) {
            current = &worker->threads[worker->order[worker->started++]];
            worker->kernel->run(worker->arguments);
            end_thread();
        }
        worker->idle.push_back(worker->running);
        go_to(worker->alive == 0 ? worker->outside : next_fiber());
    }
}

Fiber& idle_fiber() {
    if (worker->idle.empty()) {
        return *new_fiber(run_threads);
    }
    Fiber* fiber = worker->idle.back();
    worker->idle.pop_back();
    return *fiber;
}

// Threads that have not started come first, then those that can go on. Copies land only when there are neither: as late
// as they can, so that whoever forgot to wait for one sees that.
Fiber& next_fiber() {
    bool random = order_setting().order == Order::random;
    for (;;) {
        bool resume_first = random && !worker->ready.empty() && worker->random.coin();
        if (!all_started() && !resume_first) {
            return idle_fiber();
        }
        if (!worker->ready.empty()) {
            return *worker->ready.take(worker->random)->fiber;
        }
        if (worker->loads.empty()) {
            fail_deadlock();
        }
        land_one_load();
    }
}

}  // namespace

void suspend(Waiting why, CallSite site) {
    ThreadState& self = *current_state();
    self.waiting = why;
    self.site = site;
    self.fiber = worker->running;
    go_to(next_fiber());
    current = &self;
}

void wake(ThreadState& thread) {
    thread.waiting = Waiting::no;
    worker->ready.add(&thread);
}

void yield() {
    worker->ready.add(current_state());
    suspend(Waiting::no, {});
}

void maybe_yield() {
    if (order_setting().order == Order::random && worker->random.coin()) {
        yield();
    }
}

Worker::Worker() {
    for (unsigned rank = 0; rank < MAX_THREADS; rank++) {
        threads[rank].rank = rank;
        threads[rank].lane = rank % 32;
        threads[rank].block = &block;
        threads[rank].warp = &warps[rank / 32];
        threads[rank].warpgroup = &warpgroups[rank / WARPGROUP_THREADS];
    }
}

void begin_launch(const Kernel& kernel, void** arguments, dim3 grid, dim3 size) {
    worker->kernel = &kernel;
    worker->arguments = arguments;
    Block& block = worker->block;
    block.grid = grid;
    if (size.x == block.size.x && size.y == block.size.y && size.z == block.size.z) {
        return;
    }
    block.size = size;
    block.threads = size.x * size.y * size.z;
    for (unsigned rank = 0; rank < block.threads; rank++) {
        worker->threads[rank].index = {rank % size.x, rank / size.x % size.y, rank / (size.x * size.y)};
    }
    worker->order = ordered(block.threads, worker->random);
}

void run_block(uint3 index, unsigned dynamic_bytes, std::uint64_t seed) {
    unsigned threads = worker->block.threads;
    worker->block.index = index;
    worker->block.dynamic_memory = worker->shared.reset(dynamic_bytes);
    worker->random = Random(seed);
    if (order_setting().order == Order::random) {
        worker->order = ordered(threads, worker->random);
    }
    for (unsigned first = 0; first < threads; first += 32) {
        worker->warps[first / 32].reset(threads - first < 32 ? threads - first : 32);
    }
    for (unsigned first = 0; first < threads; first += WARPGROUP_THREADS) {
        worker->warpgroups[first / WARPGROUP_THREADS].reset();
    }
    worker->started = 0;
    worker->alive = threads;
    go_to(idle_fiber());

    current = nullptr;
    if (!worker->loads.empty()) {
        fail("the block ends with %zu TMA loads in flight, never waited for", worker->loads.size());
    }
    for (unsigned number = 0; number < MAX_BARRIERS; number++) {
        const BarrierState& barrier = worker->barriers[number];
        if (barrier.arrived != 0) {
            fail("the block ends with %u of %u threads arrived at barrier %u (%s:%d)", barrier.arrived,
                 barrier.expected, number, barrier.site.file, barrier.site.line);
        }
    }
}

}  // namespace emulator
