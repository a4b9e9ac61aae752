// The driver: memory, shapes of launches, graphs and what a capture forbids, tensor maps.
#include <string>

#include "check.h"
#include "gpu.h"

using gpu::Array;

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_UNJOINED = 904,
    CAPTURE_ISOLATION = 905,
};

static bool gives(const char* what, int got, int want) {
    if (got != want) {
        std::printf("    %s gives %d, not %d\n", what, got, want);
    }
    return got == want;
}

static void* new_stream() {
    constexpr unsigned NON_BLOCKING = 1;
    void* stream = nullptr;
    gpu::must(cuStreamCreate(&stream, NON_BLOCKING), "cuStreamCreate");
    return stream;
}

static int scale(void* stream, std::uint64_t x, float by, unsigned count) {
    return gpu::launch_on(stream, "scale", {1}, {count}, 0, x, by, count);
}

CHECK(memory) {
    std::size_t free_before, free_after, total;
    cuMemGetInfo_v2(&free_before, &total);
    Array<float> x(std::vector<float>{1, 2, 3});
    cuMemGetInfo_v2(&free_after, &total);
    float host[4];
    std::uint64_t address = 0;
    bool good = gives("free memory", int(free_before - free_after), 3 * sizeof(float));
    good = gives("alignment", int(x.address() % 256), 0) && good;
    good = gives("copy past the end", cuMemcpyDtoH_v2(host, x.address(), 16), INVALID_VALUE) && good;
    good = gives("copy from before", cuMemcpyDtoH_v2(host, x.address() - 4, 4), INVALID_VALUE) && good;
    good = gives("set past the end", cuMemsetD32Async(x.address(), 0, 4, nullptr), INVALID_VALUE) && good;
    good = gives("free of the middle", cuMemFree_v2(x.address() + 4), INVALID_VALUE) && good;
    good = gives("allocation of nothing", cuMemAlloc_v2(&address, 0), INVALID_VALUE) && good;
    good = gives("allocation of all and more", cuMemAlloc_v2(&address, total + 1), OUT_OF_MEMORY) && good;
    Array<float> fresh(1);
    return std::isnan(fresh.read()[0]) && good;
}

CHECK(launches_that_are_refused) {
    Array<float> x(64);
    auto launch = [&](gpu::Size grid, gpu::Size block, unsigned dynamic_bytes) {
        return gpu::launch_on(nullptr, "scale", grid, block, dynamic_bytes, x.address(), 2.0f, 0u);
    };
    void* function = nullptr;
    void* module = nullptr;
    cuModuleLoadData(&module, "");
    bool good = gives("no blocks", launch({0}, {32}, 0), INVALID_VALUE);
    good = gives("2048 threads", launch({1}, {1024, 2}, 0), INVALID_VALUE) && good;
    good = gives("a deep grid", launch({1, 1, 65536}, {32}, 0), INVALID_VALUE) && good;
    good = gives("64 KiB of dynamic memory", launch({1}, {32}, 64 << 10), INVALID_VALUE) && good;
    good = gives("asking for 228 KiB", cuFuncSetAttribute(gpu::function("scale"), 8, 228 << 10), INVALID_VALUE) && good;
    good = gives("asking for 64 KiB", cuFuncSetAttribute(gpu::function("scale"), 8, 64 << 10), SUCCESS) && good;
    good = gives("64 KiB when allowed", launch({1}, {32}, 64 << 10), SUCCESS) && good;
    good = gives("no such kernel", cuModuleGetFunction(&function, module, "no_such_kernel"), NOT_FOUND) && good;
    return gives("no such module", cuModuleGetFunction(&function, &good, "scale"), INVALID_HANDLE) && good;
}

CHECK(parameters_as_the_abi_lays_them) {
    struct {
        std::size_t offset, bytes;
    } want[] = {{0, 1}, {8, 8}, {16, 4}, {20, 1}, {22, 2}};
    bool good = true;
    std::size_t offset, bytes;
    void* function = gpu::function("padded");
    for (std::size_t i = 0; i < 5; i++) {
        good = gives("info", cuFuncGetParamInfo(function, i, &offset, &bytes), SUCCESS) && good;
        good = good && offset == want[i].offset && bytes == want[i].bytes;
    }
    good = gives("info past the end", cuFuncGetParamInfo(function, 5, &offset, &bytes), INVALID_VALUE) && good;
    Array<double> numbers(3);
    gpu::launch("padded", {1}, {1}, 0, std::uint8_t(7), numbers.address(), 2u, std::uint8_t(1), std::uint16_t(4));
    return good && numbers.read()[2] == 7.25;
}

// x = 3 (2 x + 1), captured: three kernels and a copy.
static void* capture_graph(void* stream, const Array<float>& x, const Array<float>& ones) {
    gpu::must(cuStreamBeginCapture_v2(stream, 1), "cuStreamBeginCapture");
    gpu::must(scale(stream, x.address(), 2, 64), "scale");
    gpu::must(gpu::launch_on(stream, "add", {1}, {64}, 0, x.address(), ones.address(), x.address(), 64u), "add");
    gpu::must(scale(stream, x.address(), 3, 64), "scale");
    void *graph = nullptr, *executable = nullptr;
    gpu::must(cuStreamEndCapture(stream, &graph), "cuStreamEndCapture");
    gpu::must(cuGraphInstantiateWithFlags(&executable, graph, 0), "cuGraphInstantiate");
    gpu::must(cuGraphDestroy(graph), "cuGraphDestroy");
    return executable;
}

CHECK(graph_of_three_kernels) {
    void* stream = new_stream();
    Array<float> x(std::vector<float>(64, 1)), ones(std::vector<float>(64, 1));
    void* graph = capture_graph(stream, x, ones);
    bool good = gives("x after capture", int(x.read()[63]), 1);
    gpu::must(cuGraphLaunch(graph, stream), "cuGraphLaunch");
    good = gives("x after one replay", int(x.read()[63]), 9) && good;
    gpu::must(cuGraphLaunch(graph, stream), "cuGraphLaunch");
    good = gives("x after two replays", int(x.read()[63]), 57) && good;
    ones.free();
    good = gives("replay with a freed block", cuGraphLaunch(graph, stream), ILLEGAL_ADDRESS) && good;
    cuGraphExecDestroy(graph);
    return gives("a graph that is destroyed", cuGraphLaunch(graph, stream), INVALID_HANDLE) && good;
}

// What begins a capture, does something forbidden by it, and must find it spoilt.
template <class Action>
static bool spoils_capture(const char* what, int want, Action action) {
    void *stream = new_stream(), *graph = nullptr;
    gpu::must(cuStreamBeginCapture_v2(stream, 1), "cuStreamBeginCapture");
    bool good = gives(what, action(stream), want);
    good = gives(what, cuStreamEndCapture(stream, &graph), CAPTURE_INVALIDATED) && good;
    return gives("destroying the stream", cuStreamDestroy_v2(stream), SUCCESS) && good;
}

CHECK(calls_that_a_capture_forbids) {
    Array<float> x(std::vector<float>(4, 1));
    std::uint64_t address = 0;
    void *module = nullptr, *event = nullptr;
    cuEventCreate(&event, 0);
    cuEventRecord(event, nullptr);
    float host[4];
    bool good = spoils_capture("cuMemAlloc", CAPTURE_UNSUPPORTED, [&](void*) { return cuMemAlloc_v2(&address, 4); });
    good = spoils_capture("cuMemAllocAsync", CAPTURE_UNSUPPORTED,
                          [&](void* stream) { return cuMemAllocAsync(&address, 4, stream); }) &&
           good;
    good = spoils_capture("cuMemFree", CAPTURE_UNSUPPORTED, [&](void*) { return cuMemFree_v2(x.address()); }) && good;
    good = spoils_capture("cuMemcpyDtoH", CAPTURE_UNSUPPORTED,
                          [&](void*) { return cuMemcpyDtoH_v2(host, x.address(), 16); }) &&
           good;
    good = spoils_capture("cuModuleLoadData", CAPTURE_UNSUPPORTED,
                          [&](void*) { return cuModuleLoadData(&module, ""); }) &&
           good;
    good = spoils_capture("cuStreamSynchronize", CAPTURE_UNSUPPORTED, cuStreamSynchronize) && good;
    good = spoils_capture("waiting for an event outside", CAPTURE_ISOLATION,
                          [&](void* stream) { return cuStreamWaitEvent(stream, event, 0); }) &&
           good;
    return spoils_capture("a pointer to nowhere", ILLEGAL_ADDRESS,
                          [&](void* stream) { return scale(stream, 64, 2, 4); }) &&
           good;
}

// Another stream joins a capture by an event, and must be joined back.
CHECK(forks_of_a_capture) {
    Array<float> x(std::vector<float>(64, 1)), y(std::vector<float>(64, 1));
    auto capture = [&](bool join) {
        void *origin = new_stream(), *branch = new_stream(), *fork = nullptr, *joined = nullptr, *graph = nullptr;
        cuEventCreate(&fork, 2);
        cuEventCreate(&joined, 2);
        gpu::must(cuStreamBeginCapture_v2(origin, 1), "cuStreamBeginCapture");
        cuEventRecord(fork, origin);
        gpu::must(cuStreamWaitEvent(branch, fork, 0), "cuStreamWaitEvent");
        gpu::must(scale(branch, x.address(), 2, 64), "scale");
        gpu::must(scale(origin, y.address(), 3, 64), "scale");
        cuEventRecord(joined, branch);
        if (join) {
            gpu::must(cuStreamWaitEvent(origin, joined, 0), "cuStreamWaitEvent");
        }
        int result = cuStreamEndCapture(origin, &graph);
        if (result == SUCCESS) {
            void* executable = nullptr;
            gpu::must(cuGraphInstantiateWithFlags(&executable, graph, 0), "cuGraphInstantiate");
            gpu::must(cuGraphLaunch(executable, origin), "cuGraphLaunch");
        }
        return result;
    };
    bool good = gives("a fork that is not joined", capture(false), CAPTURE_UNJOINED);
    good = gives("a fork that is joined", capture(true), SUCCESS) && good;
    return good && x.read()[0] == 2 && y.read()[0] == 3;
}

CHECK(events_measure_time) {
    void *start = nullptr, *end = nullptr, *never = nullptr;
    cuEventCreate(&start, 0);
    cuEventCreate(&end, 0);
    cuEventCreate(&never, 0);
    cuEventRecord(start, nullptr);
    Array<float> x(std::vector<float>(64, 1));
    scale(nullptr, x.address(), 2, 64);
    cuEventRecord(end, nullptr);
    float milliseconds = -1;
    bool good = gives("elapsed time", cuEventElapsedTime_v2(&milliseconds, start, end), SUCCESS);
    good = gives("of no record", cuEventElapsedTime_v2(&milliseconds, start, never), INVALID_HANDLE) && good;
    return good && milliseconds > 0 && milliseconds < 1000;
}

CHECK(tensor_maps_that_are_refused) {
    Array<std::uint16_t> x(1 << 16);
    gpu::TensorMap map;
    auto encode = [&](std::uint64_t offset, std::uint64_t pitch, unsigned inner, unsigned outer, unsigned step,
                      int swizzle, unsigned rank = 2) {
        const std::uint64_t sizes[] = {64, 64, 1, 1, 1, 1}, strides[] = {pitch, 8192, 8192, 8192, 8192};
        const unsigned box[] = {inner, outer, 1, 1, 1, 1}, steps[] = {1, step, 1, 1, 1, 1};
        return cuTensorMapEncodeTiled(&map, int(gpu::Type::bf16), rank, reinterpret_cast<void*>(x.address() + offset),
                                      sizes, strides, box, steps, 0, swizzle, 0, 0);
    };
    bool good = gives("a good map", encode(0, 128, 64, 64, 1, 3), SUCCESS);
    good = gives("a misaligned tensor", encode(8, 128, 64, 64, 1, 3), INVALID_VALUE) && good;
    good = gives("a misaligned stride", encode(0, 136, 64, 64, 1, 3), INVALID_VALUE) && good;
    good = gives("a box wider than its swizzle", encode(0, 128, 64, 64, 1, 2), INVALID_VALUE) && good;
    good = gives("a box of 8 bytes", encode(0, 128, 4, 64, 1, 0), INVALID_VALUE) && good;
    good = gives("a box of 257 rows", encode(0, 128, 64, 257, 1, 3), INVALID_VALUE) && good;
    good = gives("a step of 9", encode(0, 128, 64, 64, 9, 3), INVALID_VALUE) && good;
    return gives("six dimensions", encode(0, 128, 64, 64, 1, 3, 6), INVALID_VALUE) && good;
}

CHECK(names_of_errors) {
    const char* name = nullptr;
    cuGetErrorName(CAPTURE_UNSUPPORTED, &name);
    return std::string(name) == "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
}
