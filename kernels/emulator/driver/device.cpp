// The device and its context: one H100 to look at, the CPU in truth.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "export.h"
#include "memory.h"
#include "results.h"
#include "stream.h"

using namespace driver;

namespace {

constexpr int DRIVER_VERSION = 13000;

// Only its address matters.
int primary_context;
thread_local void* context_of_thread = nullptr;

// CUdevice_attribute. What is not listed is 0: no such feature.
int attribute_value(int attribute) {
    switch (attribute) {
        case 1: return 1024;              // MAX_THREADS_PER_BLOCK
        case 2: return 1024;              // MAX_BLOCK_DIM_X
        case 3: return 1024;              // MAX_BLOCK_DIM_Y
        case 4: return 64;                // MAX_BLOCK_DIM_Z
        case 5: return 0x7fffffff;        // MAX_GRID_DIM_X
        case 6: return 65535;             // MAX_GRID_DIM_Y
        case 7: return 65535;             // MAX_GRID_DIM_Z
        case 8: return 48 << 10;          // MAX_SHARED_MEMORY_PER_BLOCK
        case 9: return 64 << 10;          // TOTAL_CONSTANT_MEMORY
        case 10: return 32;               // WARP_SIZE
        case 12: return 65536;            // MAX_REGISTERS_PER_BLOCK
        case 13: return 1980000;          // CLOCK_RATE, kHz
        case 15: return 1;                // GPU_OVERLAP
        case 16: return 132;              // MULTIPROCESSOR_COUNT
        case 19: return 1;                // CAN_MAP_HOST_MEMORY
        case 31: return 1;                // CONCURRENT_KERNELS
        case 32: return 1;                // ECC_ENABLED
        case 36: return 2619000;          // MEMORY_CLOCK_RATE, kHz
        case 37: return 5120;             // GLOBAL_MEMORY_BUS_WIDTH, bits
        case 38: return 50 << 20;         // L2_CACHE_SIZE
        case 39: return 2048;             // MAX_THREADS_PER_MULTIPROCESSOR
        case 40: return 3;                // ASYNC_ENGINE_COUNT
        case 41: return 1;                // UNIFIED_ADDRESSING
        case 75: return 9;                // COMPUTE_CAPABILITY_MAJOR
        case 76: return 0;                // COMPUTE_CAPABILITY_MINOR
        case 78: return 1;                // STREAM_PRIORITIES_SUPPORTED
        case 81: return 228 << 10;        // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
        case 82: return 65536;            // MAX_REGISTERS_PER_MULTIPROCESSOR
        case 97: return 227 << 10;        // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        case 106: return 32;              // MAX_BLOCKS_PER_MULTIPROCESSOR
        case 111: return 1 << 10;         // RESERVED_SHARED_MEMORY_PER_BLOCK
        case 115: return 1;               // MEMORY_POOLS_SUPPORTED
        case 127: return 1;               // TENSOR_MAP_ACCESS_SUPPORTED
        default: return 0;
    }
}

Result check_device(int device) { return device == 0 ? SUCCESS : ERROR_INVALID_DEVICE; }

}  // namespace

EXPORT Result cuInit(unsigned) { return SUCCESS; }
EXPORT Result cuDriverGetVersion(int* version) {
    *version = DRIVER_VERSION;
    return SUCCESS;
}
EXPORT Result cuDeviceGet(int* device, int ordinal) {
    *device = 0;
    return check_device(ordinal);
}
EXPORT Result cuDeviceGetCount(int* count) {
    *count = 1;
    return SUCCESS;
}
EXPORT Result cuDeviceGetName(char* name, int bytes, int device) {
    std::snprintf(name, std::size_t(bytes), "emulated GPU (CPU)");
    return check_device(device);
}
EXPORT Result cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
    *bytes = device_memory().total();
    return check_device(device);
}
EXPORT Result cuDeviceGetUuid_v2(char* uuid, int device) {
    std::memcpy(uuid, "emulated on CPU", 16);
    return check_device(device);
}
EXPORT Result cuDeviceGetAttribute(int* value, int attribute, int device) {
    *value = attribute_value(attribute);
    return check_device(device);
}
EXPORT Result cuDeviceCanAccessPeer(int* can, int, int) {
    *can = 0;
    return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRetain(void** context, int device) {
    *context = &primary_context;
    return check_device(device);
}
EXPORT Result cuDevicePrimaryCtxRelease_v2(int device) { return check_device(device); }
EXPORT Result cuDevicePrimaryCtxReset_v2(int device) { return check_device(device); }
EXPORT Result cuCtxCreate_v4(void** context, void*, unsigned, int device) {
    *context = context_of_thread = &primary_context;
    return check_device(device);
}
EXPORT Result cuCtxDestroy_v2(void*) { return SUCCESS; }
EXPORT Result cuCtxSetCurrent(void* context) {
    context_of_thread = context;
    return SUCCESS;
}
EXPORT Result cuCtxGetCurrent(void** context) {
    *context = context_of_thread;
    return SUCCESS;
}
EXPORT Result cuCtxGetDevice(int* device) {
    *device = 0;
    return context_of_thread ? SUCCESS : ERROR_INVALID_CONTEXT;
}
EXPORT Result cuCtxSynchronize() { return refuse_while_capturing(); }
EXPORT Result cuCtxSetFlags(unsigned) { return SUCCESS; }
EXPORT Result cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}
EXPORT Result cuCtxSetLimit(int, std::size_t) { return SUCCESS; }
EXPORT Result cuCtxGetLimit(std::size_t* value, int) {
    *value = 0;
    return SUCCESS;
}
EXPORT Result cuCtxSetCacheConfig(int) { return SUCCESS; }
EXPORT Result cuProfilerStart() { return SUCCESS; }
EXPORT Result cuProfilerStop() { return SUCCESS; }

// What a program asks by name is what this library exports, in its newest version.
EXPORT Result cuGetProcAddress_v2(const char* symbol, void** function, int, std::uint64_t, int* status) {
    enum { FOUND, NOT_FOUND };
    static void* own = [] {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&cuInit), &info);
        return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    }();
    *function = nullptr;
    for (const char* version : {"_v4", "_v3", "_v2", ""}) {
        if (!*function) {
            *function = dlsym(own, (std::string(symbol) + version).c_str());
        }
    }
    if (status) {
        *status = *function ? FOUND : NOT_FOUND;
    }
    return *function ? SUCCESS : ERROR_NOT_FOUND;
}
