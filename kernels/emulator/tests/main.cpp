// checks run [NAME...]     runs all checks, or those; ends with 1 if one fails
// checks list-faults       NAME, builds and message of each planted fault, separated by tabs
// checks fault NAME        runs one, which should never return
#include <cstring>
#include <string>

#include "check.h"

std::vector<Check>& checks() {
    static std::vector<Check> all;
    return all;
}

std::vector<Fault>& faults() {
    static std::vector<Fault> all;
    return all;
}

static bool is_wanted(const char* name, char** wanted) {
    if (!*wanted) {
        return true;
    }
    for (; *wanted; wanted++) {
        if (!std::strcmp(*wanted, name)) {
            return true;
        }
    }
    return false;
}

int main(int count, char** words) {
    std::string what = count > 1 ? words[1] : "run";
    if (what == "list-faults") {
        for (const Fault& fault : faults()) {
            std::printf("%s\t%s\t%s\n", fault.name, fault.builds, fault.message);
        }
        return 0;
    }
    if (what == "fault") {
        for (const Fault& fault : faults()) {
            if (!std::strcmp(fault.name, words[2])) {
                fault.run();
            }
        }
        std::puts("not caught");
        return 0;
    }
    bool all_good = true;
    for (const Check& check : checks()) {
        if (is_wanted(check.name, words + (count > 1 ? 2 : 1))) {
            bool good = check.run();
            std::printf("%s %s\n", good ? "ok    " : "FAILED", check.name);
            std::fflush(stdout);
            all_good = all_good && good;
        }
    }
    return all_good ? 0 : 1;
}
