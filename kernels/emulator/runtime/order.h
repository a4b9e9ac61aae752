// In what order threads and blocks run: EMULATOR_ORDER is `forward` (default), `reverse`, or the seed of a random one.
//
// Random orders depend on the seed and on the block, never on which worker runs it.
#pragma once
#include <cstdint>
#include <vector>

namespace emulator {

enum class Order : std::uint8_t { forward, reverse, random };

struct OrderSetting {
    Order order;
    std::uint64_t seed;
};

const OrderSetting& order_setting();

// A small generator of random numbers (SplitMix64).
class Random {
public:
    explicit Random(std::uint64_t seed = 0) : state(seed) {}
    std::uint64_t next();
    unsigned below(unsigned limit) { return unsigned(next() % limit); }
    bool coin() { return next() & 1; }
    void shuffle(std::vector<unsigned>& items);

private:
    std::uint64_t state;
};

// 0 .. count-1 in the order of the setting.
std::vector<unsigned> ordered(unsigned count, Random& random);

struct ThreadState;

// Threads that may run: first come, first served, or any of them in random orders.
class ReadyThreads {
public:
    bool empty() const { return first == threads.size(); }
    void add(ThreadState* thread) { threads.push_back(thread); }
    ThreadState* take(Random& random);
    void clear();

private:
    std::vector<ThreadState*> threads;
    std::size_t first = 0;
};

}  // namespace emulator
