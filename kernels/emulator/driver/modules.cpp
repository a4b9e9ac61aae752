// Modules and their functions.
//
// What a module holds is ignored: its functions are the kernels of this library, by name.
#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "export.h"
#include "function.h"
#include "handles.h"
#include "memory.h"
#include "stream.h"

using namespace driver;
using emulator::Kernel;

namespace {

struct Module {
    std::mutex mutex;
    std::unordered_map<std::string, Function*> functions;

    ~Module() {
        for (auto& [name, function] : functions) {
            handles<Function>().remove(function);
        }
    }
};

}  // namespace

EXPORT Result cuModuleLoadData(void** module, const void* image) {
    if (Result refused = refuse_while_capturing()) {
        return refused;
    }
    if (!image) {
        return ERROR_INVALID_VALUE;
    }
    *module = handles<Module>().add(std::make_shared<Module>());
    return SUCCESS;
}
EXPORT Result cuModuleLoadDataEx(void** module, const void* image, unsigned, const int*, void**) {
    return cuModuleLoadData(module, image);
}
EXPORT Result cuModuleLoad(void** module, const char* path) { return cuModuleLoadData(module, path); }
EXPORT Result cuModuleUnload(void* module) { return handles<Module>().remove(module) ? SUCCESS : ERROR_INVALID_HANDLE; }

EXPORT Result cuModuleGetFunction(void** function, void* handle, const char* name) {
    auto module = handles<Module>().get(handle);
    if (!module) {
        return ERROR_INVALID_HANDLE;
    }
    const Kernel* kernel = emulator::find_kernel(name);
    if (!kernel) {
        return ERROR_NOT_FOUND;
    }
    std::lock_guard lock(module->mutex);
    Function*& known = module->functions[name];
    if (!known) {
        known = handles<Function>().add(std::make_shared<Function>(Function{kernel}));
    }
    *function = known;
    return SUCCESS;
}

EXPORT Result cuModuleGetGlobal_v2(Address*, std::size_t*, void*, const char*) { return ERROR_NOT_FOUND; }

EXPORT Result cuFuncGetName(const char** name, void* handle) {
    auto function = handles<Function>().get(handle);
    *name = function ? function->kernel->name : nullptr;
    return function ? SUCCESS : ERROR_INVALID_HANDLE;
}

EXPORT Result cuFuncGetParamInfo(void* handle, std::size_t index, std::size_t* offset, std::size_t* bytes) {
    auto function = handles<Function>().get(handle);
    if (!function) {
        return ERROR_INVALID_HANDLE;
    }
    const Kernel& kernel = *function->kernel;
    if (index >= kernel.parameters.size()) {
        return ERROR_INVALID_VALUE;
    }
    *offset = offset_of(kernel, index);
    if (bytes) {
        *bytes = kernel.parameters[index].bytes;
    }
    return SUCCESS;
}

namespace {

enum FunctionAttribute {
    MAX_THREADS_PER_BLOCK = 0,
    SHARED_SIZE_BYTES = 1,
    CONST_SIZE_BYTES = 2,
    LOCAL_SIZE_BYTES = 3,
    NUM_REGS = 4,
    PTX_VERSION = 5,
    BINARY_VERSION = 6,
    MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};

}  // namespace

// Registers, spills and static memory are the GPU compiler's to tell: they read 0 or a harmless number.
EXPORT Result cuFuncGetAttribute(int* value, int attribute, void* handle) {
    auto function = handles<Function>().get(handle);
    if (!function) {
        return ERROR_INVALID_HANDLE;
    }
    switch (attribute) {
        case MAX_THREADS_PER_BLOCK:
            *value = MAX_THREADS;
            break;
        case NUM_REGS:
            *value = 32;
            break;
        case PTX_VERSION:
        case BINARY_VERSION:
            *value = 90;
            break;
        case MAX_DYNAMIC_SHARED_SIZE_BYTES:
            *value = function->max_dynamic_bytes;
            break;
        default:
            *value = 0;
    }
    return SUCCESS;
}

EXPORT Result cuFuncSetAttribute(void* handle, int attribute, int value) {
    auto function = handles<Function>().get(handle);
    if (!function) {
        return ERROR_INVALID_HANDLE;
    }
    if (attribute == MAX_DYNAMIC_SHARED_SIZE_BYTES) {
        if (value < 0 || value > MAX_DYNAMIC_BYTES) {
            return ERROR_INVALID_VALUE;
        }
        function->max_dynamic_bytes = value;
    }
    return SUCCESS;
}
EXPORT Result cuFuncSetCacheConfig(void*, int) { return SUCCESS; }

// How many blocks fit on one multiprocessor, by threads and shared memory alone.
EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, std::size_t bytes) {
    if (!handles<Function>().get(handle) || threads < 1) {
        return ERROR_INVALID_VALUE;
    }
    constexpr int THREADS = 2048, BLOCKS = 32;
    constexpr std::size_t SHARED_BYTES = 228 << 10, SYSTEM_BYTES = 1 << 10;
    *blocks = std::min({THREADS / threads, BLOCKS, int(SHARED_BYTES / (bytes + SYSTEM_BYTES))});
    return SUCCESS;
}
EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, void* function, int threads,
                                                                   std::size_t bytes, unsigned) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, bytes);
}
