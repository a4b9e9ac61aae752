// Checks and planted faults, by name. A check prints one line; a fault is run in a process of its own, which must die
// with the message that stands beside it.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

struct Check {
    const char* name;
    bool (*run)();
};

struct Fault {
    const char* name;
    const char* builds;     // "plain sanitized", or the one that catches it
    const char* message;    // a regular expression
    void (*run)();
};

std::vector<Check>& checks();
std::vector<Fault>& faults();

#define CHECK(name)                                                              \
    static bool name();                                                          \
    static const bool name##_listed = (checks().push_back({#name, name}), true); \
    static bool name()

#define FAULT(name, builds, message)                                                              \
    static void name();                                                                           \
    static const bool name##_listed = (faults().push_back({#name, builds, message, name}), true); \
    static void name()

// The same numbers in every run.
class Numbers {
public:
    explicit Numbers(std::uint32_t seed) : state(seed) {}
    std::uint32_t next() {
        state = state * 1664525u + 1013904223u;
        return state >> 8;
    }
    double uniform() { return next() / 8388608.0 - 1.0; }

private:
    std::uint32_t state;
};

// The largest |got - want| / (1 + |want|); infinite if anything is not a number.
template <class Got, class Want>
double worst_error(const std::vector<Got>& got, const std::vector<Want>& want) {
    double worst = 0;
    for (std::size_t i = 0; i < want.size(); i++) {
        double error = std::fabs(double(got[i]) - double(want[i])) / (1 + std::fabs(double(want[i])));
        worst = error <= worst ? worst : std::isnan(error) ? INFINITY : error;
    }
    return worst;
}

inline bool within(const char* what, double error, double limit) {
    if (!(error <= limit)) {
        std::printf("    %s: error %.3g, allowed %.3g\n", what, error, limit);
    }
    return error <= limit;
}
