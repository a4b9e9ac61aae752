// How entry points of libcuda are declared. Everything else in the library is hidden.
#pragma once

#define EXPORT extern "C" __attribute__((visibility("default")))
