// Tensor maps: the descriptions of tensors that the TMA unit reads tiles by.
//
// Checks what NVIDIA documents for cuTensorMapEncodeTiled, of rank 1 to 5 and without interleaving.
#include <cstdint>
#include <cstring>

#include "../runtime/tma.h"
#include "complain.h"
#include "export.h"
#include "results.h"

using namespace driver;
using emulator::Swizzle;
using emulator::TensorMapFields;

namespace {

constexpr std::uint64_t MAX_SIZE = 1ull << 32;
constexpr std::uint64_t MAX_STRIDE = 1ull << 40;
constexpr unsigned MAX_BOX = 256;
constexpr unsigned MAX_STEP = 8;

// CUtensorMapDataType; 0 for those that are packed or unknown.
unsigned element_bytes(int type) {
    constexpr unsigned char bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    return type >= 0 && type < int(sizeof bytes) ? bytes[type] : 0;
}

bool is_float(int type) { return type >= 6; }

Result refuse(const char* what, unsigned dimension) {
    complain("cuTensorMapEncodeTiled: %s (dimension %u)", what, dimension);
    return ERROR_INVALID_VALUE;
}

}  // namespace

EXPORT Result cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* address, const std::uint64_t* sizes,
                                     const std::uint64_t* strides, const unsigned* box, const unsigned* steps,
                                     int interleave, int swizzle, int promotion, int fill) {
    unsigned bytes = element_bytes(type);
    if (!map || reinterpret_cast<std::uintptr_t>(map) % 64) {
        return refuse("the map is aligned to 64 bytes", 0);
    }
    if (bytes == 0 || rank < 1 || rank > emulator::MAX_RANK || interleave != 0 || swizzle < 0 || swizzle > 3) {
        return refuse("type, rank, interleave or swizzle is not emulated", 0);
    }
    if (promotion < 0 || promotion > 3 || fill < 0 || fill > 1 || (fill == 1 && !is_float(type))) {
        return refuse("no such L2 promotion or fill", 0);
    }
    if (!address || reinterpret_cast<std::uintptr_t>(address) % 16) {
        return refuse("the tensor is aligned to 16 bytes", 0);
    }
    TensorMapFields fields{};
    fields.mark = emulator::TENSOR_MAP_MARK;
    fields.rank = std::uint8_t(rank);
    fields.element_bytes = std::uint8_t(bytes);
    fields.swizzle = Swizzle(swizzle);
    fields.fill_with_nan = fill == 1;
    fields.address = reinterpret_cast<std::uint64_t>(address);
    for (unsigned i = 0; i < rank; i++) {
        if (sizes[i] == 0 || sizes[i] > MAX_SIZE) {
            return refuse("a size is from 1 to 2^32", i);
        }
        if (i > 0 && (strides[i - 1] % 16 || strides[i - 1] >= MAX_STRIDE)) {
            return refuse("a stride is a multiple of 16 bytes and below 2^40", i);
        }
        if (box[i] == 0 || box[i] > MAX_BOX) {
            return refuse("a box is from 1 to 256 elements wide", i);
        }
        if (steps[i] == 0 || steps[i] > MAX_STEP) {
            return refuse("an element stride is from 1 to 8", i);
        }
        fields.size[i] = sizes[i];
        fields.stride[i] = i == 0 ? bytes : strides[i - 1];
        fields.box[i] = std::uint16_t(box[i]);
        fields.step[i] = std::uint8_t(i == 0 ? 1 : steps[i]);   // the unit has no step along the innermost dimension
    }
    if (box[0] * bytes % 16) {
        return refuse("the innermost side of the box is a multiple of 16 bytes", 0);
    }
    if (swizzle != 0 && box[0] * bytes > emulator::swizzle_row(fields.swizzle)) {
        return refuse("the innermost side of the box is wider than the swizzle", 0);
    }
    std::memset(map, 0, 128);
    std::memcpy(map, &fields, sizeof fields);
    return SUCCESS;
}
