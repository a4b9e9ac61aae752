// Reading the operands of wgmma from shared memory through the 64-bit matrix descriptors of the GPU.
//
// PTX ISA 9.0, "Matrix Descriptor Format" and "Strides": bits 0-13 start address, 16-29 leading byte offset, 32-45
// stride byte offset, all divided by 16; 49-51 base offset; 62-63 swizzle (0 none, 1 128, 2 64, 3 32 bytes).
// kernels/cuda/matrix_descriptor.cuh says what the two offsets mean in each layout.
#pragma once
#include <cstring>

#include "fail.h"
#include "matrix.h"
#include "sanitizer.h"
#include "worker.h"

namespace emulator {

class Operand {
public:
    Operand(std::uint64_t descriptor, MatrixType type, bool mn_major, CallSite site)
        : type(type), mn_major(mn_major), site(site) {
        constexpr Swizzle modes[] = {Swizzle::none, Swizzle::bytes_128, Swizzle::bytes_64, Swizzle::bytes_32};
        start = unsigned(descriptor & 0x3fff) << 4;
        leading = unsigned(descriptor >> 16 & 0x3fff) << 4;
        stride = unsigned(descriptor >> 32 & 0x3fff) << 4;
        swizzle = modes[descriptor >> 62];
        unsigned within_rows = swizzle_row(swizzle) - 1;
        if (descriptor >> 49 & 7 || start & (swizzle_pattern(swizzle) - 1) & ~within_rows) {
            fail("%s:%d: wgmma operand at shared address %#x: the emulator wants a base offset of 0, and the start in "
                 "the first row of its swizzle's pattern of %u bytes",
                 site.file, site.line, start, swizzle_pattern(swizzle));
        }
        if (mn_major && type == MatrixType::tf32) {
            fail("%s:%d: wgmma takes tf32 operands in K-major order only", site.file, site.line);
        }
    }

    // take(row, k, x) for so many rows and all k of one instruction. For the B operand rows are columns of the product.
    template <class Take>
    void read(unsigned rows, Take take) const {
        unsigned per_chunk = 16 / element_bytes(type);
        std::uint32_t words[4];
        if (mn_major) {
            for (unsigned k = 0; k < depth(type); k++) {
                for (unsigned row = 0; row < rows; row += per_chunk) {
                    load(chunk_of_mn_major(row, k), words);
                    for (unsigned i = 0; i < per_chunk; i++) {
                        take(row + i, k, element(words, i));
                    }
                }
            }
        } else {
            for (unsigned row = 0; row < rows; row++) {
                for (unsigned k = 0; k < depth(type); k += per_chunk) {
                    load(chunk_of_k_major(row, k / per_chunk), words);
                    for (unsigned i = 0; i < per_chunk; i++) {
                        take(row, k + i, element(words, i));
                    }
                }
            }
        }
    }

private:
    float element(const std::uint32_t (&words)[4], unsigned i) const {
        return type == MatrixType::tf32 ? from_tf32(words[i]) : element_of(type, words[i / 2], i & 1);
    }

    // 8 rows of one swizzle row each, then the next 8 a stride on. Without swizzle a row is one chunk, and the next
    // chunk of k is a leading offset on.
    unsigned chunk_of_k_major(unsigned row, unsigned chunk) const {
        unsigned next_chunk = swizzle == Swizzle::none ? leading : 16;
        return start + row / 8 * stride + row % 8 * swizzle_row(swizzle) + chunk * next_chunk;
    }

    // For each k one swizzle row of neighbouring rows of the matrix; 8 k follow each other, the next 8 are a stride on,
    // the next rows a leading offset. Without swizzle the two offsets change their parts.
    unsigned chunk_of_mn_major(unsigned row, unsigned k) const {
        if (swizzle == Swizzle::none) {
            return start + row / 8 * stride + k / 8 * leading + k % 8 * 16;
        }
        unsigned rows_together = swizzle_row(swizzle) / element_bytes(type);
        return start + row / rows_together * leading + k / 8 * stride + k % 8 * swizzle_row(swizzle) +
               row % rows_together * element_bytes(type) / 16 * 16;
    }

    void load(unsigned address, std::uint32_t (&words)[4]) const {
        const unsigned char* chunk = worker->shared.at(swizzled(address, swizzle) & 0x3ffff);
        if (is_forbidden(chunk, 16)) {
            fail("%s:%d: wgmma reads shared memory at %#x, which lies in no object", site.file, site.line, address);
        }
        std::memcpy(words, chunk, sizeof words);
    }

    MatrixType type;
    bool mn_major;
    CallSite site;
    Swizzle swizzle;
    unsigned start, leading, stride;
};

}  // namespace emulator
