// A worker runs one block at a time. All that changes while a block runs is here: nothing of it is shared.
//
// One OS thread at a time uses a worker; `worker` points to the one it uses.
#pragma once
#include <cstdint>
#include <vector>

#include "../device/registry.h"
#include "../device/thread.h"
#include "fiber.h"
#include "order.h"
#include "shared_memory.h"
#include "tma.h"
#include "warp_state.h"
#include "warpgroup.h"

namespace emulator {

constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned MAX_BARRIERS = 16;

enum class Waiting : std::uint8_t { no, at_barrier, in_warp, for_mbarrier, for_warpgroup };

// A cp.async that its thread has not waited for yet.
struct PendingCopy {
    void* shared;
    const void* global;
    unsigned bytes;
    unsigned source_bytes;   // the rest is filled with zeros
    unsigned group;
};

// Everything a CUDA thread owns; headers see its base. The next thread of this rank finds what this one leaves, so all
// counters go back to 0 when a thread ends.
struct ThreadState : Thread {
    WarpState* warp;
    Warpgroup* warpgroup;
    Fiber* fiber = nullptr;             // its stack, while it is suspended

    Waiting waiting = Waiting::no;
    CallSite site{};                    // where it waits
    const char* collective = nullptr;   // in which warp collective
    unsigned mask = 0;                  // with which lanes
    unsigned barrier = 0;               // at which barrier of the block
    const void* mbarrier = nullptr;     // for which mbarrier
    unsigned parity = 0;

    bool used_engines = false;          // whether any of the following may differ from its start
    bool fenced = false;                // wgmma_fence() since the last wait
    unsigned products = 0;              // wgmma ordered
    unsigned unfinished_products = 0;   // of these, not waited for
    unsigned product_groups = 0;        // committed
    unsigned group_ends[8] = {};        // products ordered when group i was committed, at i % 8
    CallSite last_product{"no wgmma", 0};
    unsigned copy_groups = 0;
    unsigned store_groups = 0;
    std::vector<PendingCopy> copies;
    std::vector<PendingStore> stores;
};

inline ThreadState* current_state() { return static_cast<ThreadState*>(current); }

// The engines are used by the current thread: when it ends, they must be done.
inline ThreadState& engine_user() {
    ThreadState& self = *current_state();
    self.used_engines = true;
    return self;
}

// A barrier of the block, 0 for __syncthreads().
struct BarrierState {
    unsigned expected = 0;
    unsigned arrived = 0;
    unsigned votes = 0;        // of this round
    unsigned last_votes = 0;   // of the round before
    CallSite site{};
    std::vector<ThreadState*> sleepers;
};

struct Worker {
    Worker();
    Worker(const Worker&) = delete;

    const Kernel* kernel = nullptr;
    void** arguments = nullptr;
    Block block{};
    std::vector<ThreadState> threads = std::vector<ThreadState>(MAX_THREADS);
    std::vector<WarpState> warps = std::vector<WarpState>(MAX_THREADS / 32);
    std::vector<Warpgroup> warpgroups = std::vector<Warpgroup>(MAX_THREADS / WARPGROUP_THREADS);
    BarrierState barriers[MAX_BARRIERS];
    SharedMemory shared;
    std::vector<PendingLoad> loads;   // TMA loads in flight
    std::vector<ThreadState*> mbarrier_sleepers;

    Random random;
    std::vector<unsigned> order;      // in which threads start
    unsigned started = 0;
    unsigned alive = 0;               // threads that have not returned, started or not
    ReadyThreads ready;

    Fiber outside;                    // the stack of the OS thread
    Fiber* running = &outside;
    std::vector<Fiber*> idle;
};

extern thread_local Worker* worker __attribute__((tls_model("initial-exec")));

// Prepares this OS thread's worker for blocks of one launch, then runs them one by one.
void begin_launch(const Kernel& kernel, void** arguments, dim3 grid, dim3 size);
void run_block(uint3 index, unsigned dynamic_bytes, std::uint64_t seed);

// Lets other threads run until somebody wakes the current one.
void suspend(Waiting why, CallSite site);
void wake(ThreadState& thread);

// Lets every other thread that can run do so first.
void yield();

// In random orders: perhaps yields, at a place where the current thread need not wait.
void maybe_yield();

// Fails if all threads that have not exited wait at a barrier for those that have.
void check_nobody_is_left_waiting();

// What every thread of the block waits for, in one line.
[[noreturn]] void fail_deadlock();

}  // namespace emulator
