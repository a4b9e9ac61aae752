// The driver API in a few words, for tests.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuModuleLoadData(void**, const void*);
int cuModuleUnload(void*);
int cuModuleGetFunction(void**, void*, const char*);
int cuFuncSetAttribute(void*, int, int);
int cuFuncGetParamInfo(void*, std::size_t, std::size_t*, std::size_t*);
int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
int cuMemAlloc_v2(std::uint64_t*, std::size_t);
int cuMemAllocAsync(std::uint64_t*, std::size_t, void*);
int cuMemFree_v2(std::uint64_t);
int cuMemFreeAsync(std::uint64_t, void*);
int cuMemGetInfo_v2(std::size_t*, std::size_t*);
int cuMemcpyHtoD_v2(std::uint64_t, const void*, std::size_t);
int cuMemcpyDtoH_v2(void*, std::uint64_t, std::size_t);
int cuMemcpyDtoDAsync_v2(std::uint64_t, std::uint64_t, std::size_t, void*);
int cuMemsetD32Async(std::uint64_t, unsigned, std::size_t, void*);
int cuStreamCreate(void**, unsigned);
int cuStreamSynchronize(void*);
int cuStreamWaitEvent(void*, void*, unsigned);
int cuStreamBeginCapture_v2(void*, int);
int cuStreamEndCapture(void*, void**);
int cuStreamIsCapturing(void*, int*);
int cuStreamDestroy_v2(void*);
int cuEventCreate(void**, unsigned);
int cuEventRecord(void*, void*);
int cuEventElapsedTime_v2(float*, void*, void*);
int cuEventDestroy_v2(void*);
int cuGraphInstantiateWithFlags(void**, void*, unsigned long long);
int cuGraphLaunch(void*, void*);
int cuGraphDestroy(void*);
int cuGraphExecDestroy(void*);
int cuGetErrorName(int, const char**);
int cuTensorMapEncodeTiled(void*, int, unsigned, void*, const std::uint64_t*, const std::uint64_t*, const unsigned*,
                           const unsigned*, int, int, int, int);
}

namespace gpu {

// Ends the program: for calls that a test does not expect to fail.
inline void must(int result, const char* what) {
    if (result) {
        const char* name = nullptr;
        cuGetErrorName(result, &name);
        std::printf("%s: %s (%d)\n", what, name ? name : "?", result);
        std::exit(1);
    }
}

// An array on the device.
template <class T>
class Array {
public:
    explicit Array(std::size_t count) : count(count) { must(cuMemAlloc_v2(&place, count * sizeof(T)), "cuMemAlloc"); }
    explicit Array(const std::vector<T>& values) : Array(values.size()) {
        must(cuMemcpyHtoD_v2(place, values.data(), count * sizeof(T)), "cuMemcpyHtoD");
    }
    Array(const Array&) = delete;
    ~Array() {
        if (place) {
            cuMemFree_v2(place);
        }
    }
    std::vector<T> read() const {
        std::vector<T> values(count);
        must(cuMemcpyDtoH_v2(values.data(), place, count * sizeof(T)), "cuMemcpyDtoH");
        return values;
    }
    void free() {
        must(cuMemFree_v2(place), "cuMemFree");
        place = 0;
    }
    std::uint64_t address() const { return place; }

private:
    std::uint64_t place = 0;
    std::size_t count;
};

struct Size {
    unsigned x = 1, y = 1, z = 1;
};

inline void* function(const char* name) {
    static void* module = [] {
        void* loaded = nullptr;
        must(cuInit(0), "cuInit");
        must(cuModuleLoadData(&loaded, ""), "cuModuleLoadData");
        return loaded;
    }();
    void* found = nullptr;
    must(cuModuleGetFunction(&found, module, name), name);
    return found;
}

// Launches on `stream` with arguments of exactly the kernel's types; gives the driver's result.
template <class... Arguments>
int launch_on(void* stream, const char* name, Size grid, Size block, unsigned dynamic_bytes, Arguments... arguments) {
    void* values[] = {&arguments..., nullptr};
    return cuLaunchKernel(function(name), grid.x, grid.y, grid.z, block.x, block.y, block.z, dynamic_bytes, stream,
                          values, nullptr);
}

template <class... Arguments>
void launch(const char* name, Size grid, Size block, unsigned dynamic_bytes, Arguments... arguments) {
    constexpr int MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;
    if (dynamic_bytes > 48 << 10) {
        must(cuFuncSetAttribute(function(name), MAX_DYNAMIC_SHARED_SIZE_BYTES, int(dynamic_bytes)), name);
    }
    must(launch_on(nullptr, name, grid, block, dynamic_bytes, arguments...), name);
}

enum class Type { f16 = 6, f32 = 7, bf16 = 9 };
enum class Swizzle { none, bytes_32, bytes_64, bytes_128 };

struct alignas(64) TensorMap {
    char opaque[128];
};

// A dense tensor, its innermost dimension first; `pitch` is the bytes from one row to the next.
inline TensorMap tensor_map(Type type, std::uint64_t address, std::vector<std::uint64_t> sizes, std::uint64_t pitch,
                            std::vector<unsigned> box, Swizzle swizzle, std::vector<unsigned> steps = {}) {
    std::vector<std::uint64_t> strides{pitch};
    for (std::size_t i = 1; i + 1 < sizes.size(); i++) {
        strides.push_back(strides.back() * sizes[i]);
    }
    steps.resize(sizes.size(), 1);
    TensorMap map;
    must(cuTensorMapEncodeTiled(&map, int(type), unsigned(sizes.size()), reinterpret_cast<void*>(address), sizes.data(),
                                strides.data(), box.data(), steps.data(), 0, int(swizzle), 0, 0),
         "cuTensorMapEncodeTiled");
    return map;
}

}  // namespace gpu
