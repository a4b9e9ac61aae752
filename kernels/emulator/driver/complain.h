// One line on stderr that says what a bare error number cannot.
#pragma once

namespace driver {

[[gnu::format(printf, 1, 2)]] void complain(const char* format, ...);

}  // namespace driver
