// Reporting faults. One write for the whole line, so that lines of several workers do not mix.
#include "fail.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "worker.h"

namespace emulator {

[[noreturn]] static void report(const std::string& where, const char* format, va_list values) {
    char message[1024];
    std::vsnprintf(message, sizeof message, format, values);
    std::string line = "emulator: " + where + message + "\n";
    [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    std::abort();
}

static std::string place(const uint3& at) {
    return "(" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + ")";
}

void fail(const char* format, ...) {
    va_list values;
    va_start(values, format);
    std::string where;
    if (worker && worker->kernel) {
        where = std::string("kernel ") + worker->kernel->name + ", block " + place(worker->block.index);
        if (current) {
            where += ", thread " + place(current->index);
        }
        where += ": ";
    }
    report(where, format, values);
}

void fail_outside(const char* format, ...) {
    va_list values;
    va_start(values, format);
    report("", format, values);
}

}  // namespace emulator
