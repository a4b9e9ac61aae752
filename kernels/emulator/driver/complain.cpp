// Writes the line at once, so that lines of several threads do not mix.
#include "complain.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <string>

namespace driver {

void complain(const char* format, ...) {
    char message[512];
    va_list values;
    va_start(values, format);
    std::vsnprintf(message, sizeof message, format, values);
    va_end(values);
    std::string line = std::string("emulator: ") + message + "\n";
    [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace driver
