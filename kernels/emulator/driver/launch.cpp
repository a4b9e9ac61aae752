// Launches: checking shapes and arguments, keeping arguments, running.
//
// Pointers among the arguments must lie in live blocks, when the kernel is launched, when it is captured, and each time
// its graph is.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "../device/registry.h"
#include "../runtime/tma.h"
#include "complain.h"
#include "export.h"
#include "function.h"
#include "handles.h"
#include "memory.h"
#include "stream.h"

using namespace driver;
using emulator::Kernel;
using emulator::Parameter;

namespace {

constexpr unsigned MAX_BLOCK[3] = {1024, 1024, 64};
constexpr unsigned MAX_GRID[3] = {0x7fffffff, 65535, 65535};
constexpr std::size_t ARGUMENT_ALIGNMENT = 128;
constexpr unsigned TENSOR_MAP_BYTES = 128;

// A launch's own copy of its arguments.
class Arguments {
public:
    Arguments(const Kernel& kernel, void** values) {
        std::size_t count = kernel.parameters.size();
        std::size_t bytes = count ? offset_of(kernel, count - 1) + kernel.parameters[count - 1].bytes : 0;
        bytes = (bytes + ARGUMENT_ALIGNMENT) / ARGUMENT_ALIGNMENT * ARGUMENT_ALIGNMENT;
        buffer.reset(static_cast<char*>(std::aligned_alloc(ARGUMENT_ALIGNMENT, bytes)), std::free);
        for (std::size_t i = 0; i < count; i++) {
            pointers.push_back(buffer.get() + offset_of(kernel, i));
            std::memcpy(pointers[i], values[i], kernel.parameters[i].bytes);
        }
    }
    void** values() { return pointers.data(); }
    void* const* values() const { return pointers.data(); }

private:
    std::shared_ptr<char> buffer;
    std::vector<void*> pointers;
};

struct Launch {
    const Kernel* kernel;
    dim3 grid;
    dim3 block;
    unsigned dynamic_bytes;
    Arguments arguments;

    Result check() const {
        for (std::size_t i = 0; i < kernel->parameters.size(); i++) {
            if (Result bad = check_parameter(i)) {
                return bad;
            }
        }
        return SUCCESS;
    }

    Result run() {
        if (Result bad = check()) {
            return bad;
        }
        emulator::launch(*kernel, grid, block, dynamic_bytes, arguments.values());
        return SUCCESS;
    }

private:
    Result check_parameter(std::size_t i) const {
        const Parameter& parameter = kernel->parameters[i];
        const char* value = static_cast<const char*>(arguments.values()[i]);
        if (parameter.is_pointer) {
            return check_pointer(i, read<Address>(value));
        }
        if (parameter.bytes == TENSOR_MAP_BYTES && parameter.alignment >= 64) {
            return check_tensor_map(i, read<emulator::TensorMapFields>(value));
        }
        if (parameter.alignment >= alignof(Address)) {
            return check_struct(i, value, parameter.bytes);
        }
        return SUCCESS;
    }

    Result check_pointer(std::size_t i, Address address) const {
        if (address == 0 || is_reachable(address, 0)) {
            return SUCCESS;
        }
        complain("kernel %s: parameter %zu is %p, which lies in no live block", kernel->name, i,
                 reinterpret_cast<void*>(address));
        return ERROR_ILLEGAL_ADDRESS;
    }

    Result check_tensor_map(std::size_t i, const emulator::TensorMapFields& map) const {
        if (map.mark != emulator::TENSOR_MAP_MARK || is_reachable(map.address, map.end() - map.address)) {
            return SUCCESS;
        }
        complain("kernel %s: parameter %zu is a tensor map of %p to %p, which does not lie in one live block",
                 kernel->name, i, reinterpret_cast<void*>(map.address), reinterpret_cast<void*>(map.end()));
        return ERROR_ILLEGAL_ADDRESS;
    }

    // Which members of a struct are pointers is not known; but one that points to freed memory gives itself away.
    Result check_struct(std::size_t i, const char* value, unsigned bytes) const {
        for (unsigned offset = 0; offset + sizeof(Address) <= bytes; offset += sizeof(Address)) {
            Address address = read<Address>(value + offset);
            if (device_memory().is_freed(address)) {
                complain("kernel %s: parameter %zu holds %p at byte %u, which points to freed memory", kernel->name, i,
                         reinterpret_cast<void*>(address), offset);
                return ERROR_ILLEGAL_ADDRESS;
            }
        }
        return SUCCESS;
    }

    template <class T>
    static T read(const char* from) {
        T value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }
};

Result check_shape(const Function& function, dim3 grid, dim3 block, unsigned dynamic_bytes) {
    const char* name = function.kernel->name;
    const unsigned blocks[3] = {grid.x, grid.y, grid.z}, threads[3] = {block.x, block.y, block.z};
    for (int i = 0; i < 3; i++) {
        if (blocks[i] == 0 || blocks[i] > MAX_GRID[i] || threads[i] == 0 || threads[i] > MAX_BLOCK[i]) {
            complain("kernel %s: a grid of (%u,%u,%u) blocks of (%u,%u,%u) threads", name, grid.x, grid.y, grid.z,
                     block.x, block.y, block.z);
            return ERROR_INVALID_VALUE;
        }
    }
    if (block.x * block.y * block.z > MAX_THREADS) {
        complain("kernel %s: a block of %u threads, at most %u are possible", name, block.x * block.y * block.z,
                 MAX_THREADS);
        return ERROR_INVALID_VALUE;
    }
    if (dynamic_bytes > unsigned(function.max_dynamic_bytes)) {
        complain("kernel %s: %u bytes of dynamic shared memory, %d are allowed to it (up to %d, by "
                 "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)",
                 name, dynamic_bytes, function.max_dynamic_bytes, MAX_DYNAMIC_BYTES);
        return ERROR_INVALID_VALUE;
    }
    return SUCCESS;
}

Result launch(void* handle, dim3 grid, dim3 block, unsigned dynamic_bytes, void* stream, void** values) {
    auto function = handles<Function>().get(handle);
    if (!function) {
        return ERROR_INVALID_HANDLE;
    }
    if (Result bad = check_shape(*function, grid, block, dynamic_bytes)) {
        return bad;
    }
    const Kernel& kernel = *function->kernel;
    if (!values && !kernel.parameters.empty()) {
        complain("kernel %s: no array of arguments", kernel.name);
        return ERROR_INVALID_VALUE;
    }
    auto work = std::make_shared<Launch>(Launch{&kernel, grid, block, dynamic_bytes, Arguments(kernel, values)});
    return perform(stream, {NodeKind::kernel, [work] { return work->run(); }, [work] { return work->check(); }});
}

}  // namespace

EXPORT Result cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z, unsigned dynamic_bytes, void* stream, void** values,
                             void** extra) {
    if (extra) {
        complain("cuLaunchKernel with extra options is not emulated");
        return ERROR_NOT_SUPPORTED;
    }
    return launch(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_bytes, stream, values);
}

EXPORT Result cuLaunchCooperativeKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                        void*, void**) {
    complain("cooperative launches are not emulated");
    return ERROR_NOT_SUPPORTED;
}

namespace {

// CUlaunchAttribute and CUlaunchConfig.
struct LaunchAttribute {
    int id;
    char padding[4];
    union {
        char bytes[64];
        int flag;
        unsigned cluster[3];
    } value;
};

struct LaunchConfig {
    unsigned grid[3];
    unsigned block[3];
    unsigned dynamic_bytes;
    void* stream;
    const LaunchAttribute* attributes;
    unsigned attribute_count;
};

enum LaunchAttributeId { COOPERATIVE = 2, CLUSTER_DIMENSION = 4 };

}  // namespace

EXPORT Result cuLaunchKernelEx(const LaunchConfig* config, void* function, void** values, void** extra) {
    for (unsigned i = 0; i < config->attribute_count; i++) {
        const LaunchAttribute& attribute = config->attributes[i];
        const unsigned* cluster = attribute.value.cluster;
        bool clusters = attribute.id == CLUSTER_DIMENSION && cluster[0] * cluster[1] * cluster[2] != 1;
        if (clusters || (attribute.id == COOPERATIVE && attribute.value.flag)) {
            complain("clusters of more than one block and cooperative launches are not emulated");
            return ERROR_NOT_SUPPORTED;
        }
    }
    const unsigned *grid = config->grid, *block = config->block;
    return cuLaunchKernel(function, grid[0], grid[1], grid[2], block[0], block[1], block[2], config->dynamic_bytes,
                          config->stream, values, extra);
}
