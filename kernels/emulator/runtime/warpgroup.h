// The wgmma of one warpgroup, four warps, from order to completion.
#pragma once
#include <bitset>
#include <deque>
#include <memory>
#include <vector>

#include "../device/engines.h"

namespace emulator {

constexpr unsigned WARPGROUP_THREADS = 128;
constexpr unsigned WARPGROUP_WARPS = 4;
constexpr unsigned ROWS = 64;
constexpr unsigned MAX_COLUMNS = 256;

struct ThreadState;

// Sums while products that add to them are in flight. The registers they came from hold NaN.
struct Sums {
    unsigned columns = 0;
    std::bitset<WARPGROUP_THREADS> saved;            // threads whose registers are here
    float* registers[WARPGROUP_THREADS];             // of each of these
    unsigned end[WARPGROUP_WARPS];                   // number after the last product that a warp has ordered on them
    float values[ROWS][MAX_COLUMNS];
};

struct Product {
    Wgmma operation;
    Sums* sums;
    unsigned group;
    unsigned orders;                                 // threads that have ordered it
    CallSite site;
    unsigned a_registers[WARPGROUP_THREADS][4];
};

// Products have numbers, from 0 in each block, the same for all threads of the warpgroup.
struct Warpgroup {
    std::deque<Product> in_flight;
    unsigned completed = 0;                          // the number of the first in flight
    std::vector<std::unique_ptr<Sums>> sums;
    std::vector<ThreadState*> sleepers;              // wait for others to order what they have ordered
    float a[ROWS][16], b[16][MAX_COLUMNS];           // room for the operands of one product

    void reset();
};

}  // namespace emulator
