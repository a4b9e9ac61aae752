// The ordinary cores against plain loops.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>

#include "check.h"
#include "gpu.h"

using gpu::Array;

static std::vector<float> random_numbers(std::size_t count, std::uint32_t seed, double scale = 1) {
    Numbers numbers(seed);
    std::vector<float> values(count);
    for (float& value : values) {
        value = float(scale * numbers.uniform());
    }
    return values;
}

static bool add_is_right(unsigned count, unsigned threads) {
    auto a = random_numbers(count, 1), b = random_numbers(count, 2);
    Array<float> in_a(a), in_b(b), out(count);
    gpu::launch("add", {(count + threads - 1) / threads}, {threads}, 0, in_a.address(), in_b.address(), out.address(),
                count);
    auto c = out.read();
    bool good = true;
    for (unsigned i = 0; i < count; i++) {
        good = good && c[i] == a[i] + b[i];
    }
    return good;
}

CHECK(elementwise) { return add_is_right(10007, 256) && add_is_right(33, 1024) && add_is_right(1, 1); }

CHECK(three_dimensions) {
    const unsigned blocks = 2 * 3 * 2, threads = 5 * 2 * 3;
    Array<unsigned> out(blocks * threads);
    gpu::launch("places", {2, 3, 2}, {5, 2, 3}, 0, out.address());
    auto places = out.read();
    bool good = true;
    for (unsigned i = 0; i < places.size(); i++) {
        unsigned thread = i % threads;
        unsigned want = thread % 5 | thread / 5 % 2 << 8 | thread / 10 << 16 | i / threads << 24;
        good = good && places[i] == want;
    }
    return good;
}

// With one worker, so that blocks take turns, too.
CHECK(order_of_threads_and_blocks) {
    const unsigned blocks = 5, threads = 40, count = blocks * threads;
    const char* asked = std::getenv("EMULATOR_ORDER");
    const char* workers = std::getenv("EMULATOR_THREADS");
    if (!workers || std::atoi(workers) != 1) {
        return true;
    }
    Array<unsigned> counter(std::vector<unsigned>{0}), out(count);
    gpu::launch("turns", {blocks}, {threads}, 0, counter.address(), out.address());
    std::vector<unsigned> turns = out.read(), sorted = turns;
    std::sort(sorted.begin(), sorted.end());
    unsigned forward = 0, reverse = 0;
    bool each_once = true;
    for (unsigned i = 0; i < count; i++) {
        each_once = each_once && sorted[i] == i;
        forward += turns[i] == i;
        reverse += turns[i] == count - 1 - i;
    }
    std::string order = asked ? asked : "forward";
    bool good = order == "forward"   ? forward == count
                : order == "reverse" ? reverse == count
                                     : forward < count / 4 && reverse < count / 4;
    return each_once && good;
}

CHECK(product_in_shared_memory) {
    unsigned m = 100, n = 70, k = 53;
    auto a = random_numbers(m * k, 1), b = random_numbers(k * n, 2);
    std::vector<double> want(m * n);
    for (unsigned i = 0; i < m * n; i++) {
        for (unsigned j = 0; j < k; j++) {
            want[i] += double(a[i / n * k + j]) * b[j * n + i % n];
        }
    }
    Array<float> in_a(a), in_b(b), out(m * n);
    gpu::launch("product_f32", {(n + 63) / 64, (m + 63) / 64}, {256}, 0, in_a.address(), in_b.address(), out.address(),
                m, n, k);
    return within("product", worst_error(out.read(), want), k * 0x1p-24);
}

CHECK(softmax_by_warps) {
    unsigned rows = 37, columns = 77;
    auto x = random_numbers(rows * columns, 3, 8);
    std::vector<double> want(rows * columns);
    for (unsigned row = 0; row < rows; row++) {
        double sum = 0;
        for (unsigned i = 0; i < columns; i++) {
            sum += std::exp(double(x[row * columns + i]));
        }
        for (unsigned i = 0; i < columns; i++) {
            want[row * columns + i] = std::exp(double(x[row * columns + i])) / sum;
        }
    }
    Array<float> in(x), out(rows * columns);
    gpu::launch("softmax_rows", {(rows + 3) / 4}, {128}, 0, in.address(), out.address(), rows, columns);
    return within("softmax", worst_error(out.read(), want), 16 * 0x1p-24);
}

CHECK(sums_over_blocks) {
    unsigned count = 50001;
    auto x = random_numbers(count, 4);
    double want = 0;
    for (float value : x) {
        want += value;
    }
    Array<float> in(x);
    Array<double> total(std::vector<double>{0});
    gpu::launch("sum_all", {5}, {256}, 0, in.address(), total.address(), count);
    return within("sum", worst_error(total.read(), std::vector<double>{want}), count * 0x1p-53);
}

CHECK(sum_by_last_block) {
    const unsigned blocks = 50;
    std::vector<unsigned> x(blocks * 32);
    unsigned want = 0;
    for (unsigned i = 0; i < x.size(); i++) {
        want += x[i] = i * i;
    }
    Array<unsigned> in(x), partial(blocks), counter(std::vector<unsigned>{0}), total(1);
    bool good = true;
    for (int round = 0; round < 2; round++) {
        gpu::launch("sum_by_last_block", {blocks}, {32}, 0, in.address(), partial.address(), counter.address(),
                    total.address());
        good = good && total.read()[0] == want;
    }
    return good;
}

// All threads of a block must have the same bits, those of the documented order.
CHECK(block_reductions) {
    const unsigned blocks = 3, threads = 160;
    auto x = random_numbers(blocks * threads, 5);
    Array<float> in(x), sums(x.size()), maxima(x.size());
    Array<double> sums64(x.size());
    gpu::launch("reductions", {blocks}, {threads}, 0, in.address(), sums.address(), maxima.address(), sums64.address());
    auto tree = [](auto values) {
        for (std::size_t half = 16; half > 0; half /= 2) {
            for (std::size_t i = 0; i < half; i++) {
                values[i] += values[i + half];
            }
        }
        return values[0];
    };
    auto got = sums.read(), largest = maxima.read();
    auto got64 = sums64.read();
    bool good = true;
    for (unsigned block = 0; block < blocks; block++) {
        const float* first = &x[block * threads];
        std::vector<float> of_warp(32);
        std::vector<double> of_warp64(32);
        for (unsigned warp = 0; warp < threads / 32; warp++) {
            of_warp[warp] = tree(std::vector<float>(first + warp * 32, first + warp * 32 + 32));
            of_warp64[warp] = tree(std::vector<double>(first + warp * 32, first + warp * 32 + 32));
        }
        for (unsigned i = block * threads; i < (block + 1) * threads; i++) {
            good = good && got[i] == tree(of_warp) && got64[i] == tree(of_warp64);
            good = good && largest[i] == *std::max_element(first, first + threads);
        }
    }
    return good;
}

CHECK(named_barriers) {
    const unsigned rounds = 7;
    auto x = random_numbers(rounds * 128, 6);
    Array<float> in(x), out(x.size());
    gpu::launch("hand_over", {2}, {256}, 0, in.address(), out.address(), rounds);
    auto y = out.read();
    bool good = true;
    for (unsigned i = 0; i < y.size(); i++) {
        good = good && y[i] == 2 * x[i / 128 * 128 + 127 - i % 128];
    }
    return good;
}

CHECK(warp_collectives) {
    Array<unsigned> out(10 * 32);
    gpu::launch("collectives", {1}, {32}, 0, out.address());
    auto got = out.read();
    unsigned thirds = 0, largest = 0, low_half = 0;
    for (unsigned lane = 0; lane < 32; lane++) {
        thirds |= unsigned(lane % 3 == 0) << lane;
        largest = std::max(largest, lane * lane ^ 77);
        low_half += lane < 16 ? lane * lane : 0;
    }
    bool good = true;
    for (unsigned lane = 0; lane < 32; lane++) {
        auto square = [](unsigned l) { return l * l; };
        const unsigned want[] = {
            25,
            square((lane & ~7u) | (lane + 3) % 8),
            square(lane ^ 9),
            square(lane + 3 < 32 ? lane + 3 : lane),
            square(lane % 16 >= 3 ? lane - 3 : lane),
            thirds,
            1,
            largest,
            lane < 16 ? low_half : square(lane ^ 1),
            7,
        };
        for (unsigned i = 0; i < 10; i++) {
            good = good && got[i * 32 + lane] == want[i];
        }
    }
    return good;
}

CHECK(atomics) {
    const unsigned threads = 20 * 100;
    Array<unsigned> counts(std::vector<unsigned>(7, 0));
    Array<int> largest(std::vector<int>{-1000});
    Array<float> sum(std::vector<float>{0});
    gpu::launch("atomics", {20}, {100}, 0, counts.address(), largest.address(), sum.address());
    bool good = largest.read()[0] == 500 && sum.read()[0] == threads;
    auto got = counts.read();
    for (unsigned i = 0; i < 7; i++) {
        good = good && got[i] == threads / 7 + (i < threads % 7);
    }
    return good;
}

// Two blocks that spin until they see each other. check.sh runs it with two workers.
CHECK(blocks_run_at_once) {
    Array<unsigned> here(std::vector<unsigned>{0, 0}), met(std::vector<unsigned>{0});
    gpu::launch("wait_for_each_other", {2}, {1}, 0, here.address(), met.address());
    return met.read()[0] == 2;
}

// Host threads launch at the same time, each over its own memory.
CHECK(launches_from_two_host_threads) {
    bool good[2] = {};
    auto work = [&good](int which) {
        const unsigned blocks = 20, threads = 64;
        Array<float> ones(std::vector<float>(blocks * threads, 1)), sums(blocks * threads), maxima(blocks * threads);
        Array<double> sums64(blocks * threads);
        good[which] = true;
        for (int round = 0; round < 20; round++) {
            gpu::launch("reductions", {blocks}, {threads}, 0, ones.address(), sums.address(), maxima.address(),
                        sums64.address());
            for (float sum : sums.read()) {
                good[which] = good[which] && sum == threads;
            }
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    return good[0] && good[1];
}
