// The kernels of this library by name, with what a launch needs to know of their parameters.
#pragma once
#include <type_traits>
#include <utility>
#include <vector>

#include "thread.h"

namespace emulator {

struct Parameter {
    unsigned bytes;
    unsigned alignment;
    bool is_pointer;
};

struct Kernel {
    const char* name;
    void (*run)(void** arguments);   // one thread of it; arguments[i] points to the i-th, as for cuLaunchKernel
    std::vector<Parameter> parameters;
};

// Kernels register before main() and stay for ever. A second one of the same name is refused there and then.
bool add_kernel(Kernel kernel);
const Kernel* find_kernel(const char* name);

// Runs every block of `grid`, on all workers, and returns when the last one has ended.
void launch(const Kernel& kernel, dim3 grid, dim3 block, unsigned dynamic_bytes, void** arguments);

template <auto kernel>
struct Entry;

template <class... Arguments, void (*kernel)(Arguments...)>
struct Entry<kernel> {
    static Kernel named(const char* name) { return {name, run, {parameter<Arguments>()...}}; }

private:
    template <class T>
    static Parameter parameter() {
        return {sizeof(T), alignof(T), std::is_pointer_v<T>};
    }
    static void run(void** arguments) { call(arguments, std::index_sequence_for<Arguments...>{}); }
    template <std::size_t... i>
    static void call([[maybe_unused]] void** arguments, std::index_sequence<i...>) {
        kernel(*static_cast<std::remove_cv_t<Arguments>*>(arguments[i])...);
    }
};

}  // namespace emulator
