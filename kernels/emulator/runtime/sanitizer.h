// What the run time tells AddressSanitizer: which stack it switches to, and which bytes of its arenas may be touched.
// All weak: without the sanitizer these are null and cost one test. The run time itself is never instrumented.
#pragma once
#include <cstddef>

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_bottom,
                                                           std::size_t* old_size);
__attribute__((weak)) void __asan_poison_memory_region(const volatile void* address, std::size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* address, std::size_t size);
__attribute__((weak)) void* __asan_region_is_poisoned(void* address, std::size_t size);
}

namespace emulator {

inline void forbid(void* address, std::size_t bytes) {
    if (__asan_poison_memory_region) {
        __asan_poison_memory_region(address, bytes);
    }
}

inline void allow(void* address, std::size_t bytes) {
    if (__asan_unpoison_memory_region) {
        __asan_unpoison_memory_region(address, bytes);
    }
}

// True if AddressSanitizer knows that some of these bytes must not be touched.
inline bool is_forbidden(const void* address, std::size_t bytes) {
    return __asan_region_is_poisoned && __asan_region_is_poisoned(const_cast<void*>(address), bytes);
}

}  // namespace emulator
