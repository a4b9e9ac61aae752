// The collectives of one warp: a meeting for each mask that its lanes use.
#pragma once
#include <memory>
#include <vector>

#include "../device/warp.h"

namespace emulator {

// Two exchanges in turn: a lane may come to the next meeting while others still read the last one, but never two ahead.
struct Meeting {
    unsigned mask = 0;
    unsigned arrived = 0;
    unsigned round = 0;
    const char* what = nullptr;
    CallSite site{};
    Exchange exchanges[2];
};

struct WarpState {
    unsigned existing = 0;   // lanes that the block has: all but in a short last warp
    unsigned alive = 0;      // lanes that have not returned

    void reset(unsigned lanes);
    Meeting& meeting(unsigned mask);

private:
    std::vector<std::unique_ptr<Meeting>> meetings;
    unsigned used = 0;
};

}  // namespace emulator
