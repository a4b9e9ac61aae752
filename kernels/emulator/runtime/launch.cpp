// Launches: the registry of kernels, and the workers that share the blocks of a grid.
//
// One launch at a time; host threads queue. The host thread runs blocks too, as worker 0; the other workers have OS
// threads of their own, which are made once and sleep between launches. Nothing here is ever freed: a library may be
// unloaded at exit while they sleep.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "fail.h"
#include "worker.h"

namespace emulator {

namespace {

std::unordered_map<std::string, Kernel>& kernels() {
    static auto& table = *new std::unordered_map<std::string, Kernel>;
    return table;
}

// Every worker may hold 1024 stacks, each two mappings of the 65530 that Linux grants a process.
constexpr unsigned MAX_WORKERS = 16;

unsigned worker_count() {
    if (const char* text = std::getenv("EMULATOR_THREADS")) {
        unsigned long count = std::strtoul(text, nullptr, 10);
        if (count == 0 || count > MAX_WORKERS) {
            fail_outside("EMULATOR_THREADS=%s is not a number from 1 to %u", text, MAX_WORKERS);
        }
        return unsigned(count);
    }
    unsigned cores = std::thread::hardware_concurrency();
    return cores < 1 ? 1 : cores > MAX_WORKERS ? MAX_WORKERS : cores;
}

struct Job {
    const Kernel* kernel;
    void** arguments;
    dim3 grid;
    dim3 block;
    unsigned dynamic_bytes;
    std::vector<unsigned> order;        // of the blocks; empty for forward
    std::uint64_t blocks;
    std::atomic<std::uint64_t> next{0};

    uint3 index(std::uint64_t number) const {
        std::uint64_t row = number / grid.x;
        return {unsigned(number % grid.x), unsigned(row % grid.y), unsigned(row / grid.y)};
    }
};

class Crew {
public:
    Crew() : workers(worker_count()) {
        for (unsigned i = 1; i < workers.size(); i++) {
            std::thread([this, i] { serve(workers[i]); }).detach();
        }
    }

    void run(Job& job) {
        std::lock_guard launching(one_launch);
        unsigned helpers = unsigned(std::min<std::uint64_t>(workers.size(), job.blocks)) - 1;
        if (helpers) {
            std::lock_guard lock(mutex);
            offered = &job;
            wanted = busy = helpers;
            wake_up.notify_all();
        }
        work(workers[0], job);
        if (helpers) {
            std::unique_lock lock(mutex);
            busy -= wanted;   // those who have not come yet need not come at all
            wanted = 0;
            finished.wait(lock, [this] { return busy == 0; });
            offered = nullptr;
        }
    }

private:
    void serve(Worker& own) {
        for (;;) {
            Job* job;
            {
                std::unique_lock lock(mutex);
                wake_up.wait(lock, [this] { return wanted > 0; });
                wanted--;
                job = offered;
            }
            work(own, *job);
            std::lock_guard lock(mutex);
            if (--busy == 0) {
                finished.notify_one();
            }
        }
    }

    static void work(Worker& own, Job& job) {
        worker = &own;
        begin_launch(*job.kernel, job.arguments, job.grid, job.block);
        for (std::uint64_t turn; (turn = job.next++) < job.blocks;) {
            std::uint64_t number = job.order.empty() ? turn : job.order[turn];
            run_block(job.index(number), job.dynamic_bytes, order_setting().seed ^ number << 32);
        }
        own.kernel = nullptr;
        worker = nullptr;
    }

    std::vector<Worker> workers;
    std::mutex one_launch;
    std::mutex mutex;
    std::condition_variable wake_up, finished;
    Job* offered = nullptr;
    unsigned wanted = 0;   // helpers that should still come
    unsigned busy = 0;     // helpers that have not finished
};

}  // namespace

bool add_kernel(Kernel kernel) {
    std::string name = kernel.name;
    if (!kernels().emplace(name, std::move(kernel)).second) {
        fail_outside("two kernels are called %s", name.c_str());
    }
    return true;
}

const Kernel* find_kernel(const char* name) {
    auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : &found->second;
}

void launch(const Kernel& kernel, dim3 grid, dim3 block, unsigned dynamic_bytes, void** arguments) {
    static Crew& crew = *new Crew;
    Job job{&kernel, arguments, grid, block, dynamic_bytes, {}, std::uint64_t(grid.x) * grid.y * grid.z};
    if (order_setting().order != Order::forward) {
        Random random(order_setting().seed);
        job.order = ordered(unsigned(job.blocks), random);
    }
    crew.run(job);
}

}  // namespace emulator
