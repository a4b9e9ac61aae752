// Orders: reading the setting, shuffling, picking the next thread.
#include "order.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "fail.h"

namespace emulator {

static OrderSetting read_setting() {
    const char* text = std::getenv("EMULATOR_ORDER");
    if (!text || !*text || !std::strcmp(text, "forward")) {
        return {Order::forward, 0};
    }
    if (!std::strcmp(text, "reverse")) {
        return {Order::reverse, 0};
    }
    char* end = nullptr;
    std::uint64_t seed = std::strtoull(text, &end, 0);
    if (*end) {
        fail_outside("EMULATOR_ORDER=%s is not forward, reverse or a number", text);
    }
    return {Order::random, seed};
}

const OrderSetting& order_setting() {
    static const OrderSetting setting = read_setting();
    return setting;
}

std::uint64_t Random::next() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void Random::shuffle(std::vector<unsigned>& items) {
    for (unsigned left = unsigned(items.size()); left > 1; left--) {
        std::swap(items[left - 1], items[below(left)]);
    }
}

std::vector<unsigned> ordered(unsigned count, Random& random) {
    std::vector<unsigned> items(count);
    bool reverse = order_setting().order == Order::reverse;
    for (unsigned i = 0; i < count; i++) {
        items[i] = reverse ? count - 1 - i : i;
    }
    if (order_setting().order == Order::random) {
        random.shuffle(items);
    }
    return items;
}

ThreadState* ReadyThreads::take(Random& random) {
    if (order_setting().order == Order::random) {
        std::swap(threads[first], threads[first + random.below(unsigned(threads.size() - first))]);
    }
    ThreadState* thread = threads[first++];
    if (first == threads.size()) {
        clear();
    }
    return thread;
}

void ReadyThreads::clear() {
    threads.clear();
    first = 0;
}

}  // namespace emulator
