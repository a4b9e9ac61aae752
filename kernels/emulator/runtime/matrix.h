// Matrix arithmetic of the tensor cores: decoding elements, multiplying small blocks.
//
// Products of 16-bit and tf32 numbers are exact in f32; sums are f32, in the order of k. A tensor core sums in its own
// order and rounds differently: compare with a tolerance, here as there.
#pragma once
#include <cstdint>

#include "../device/half.h"
#include "../device/engines.h"

namespace emulator {

inline float from_bf16(std::uint16_t bits) { return bit_cast<float>(std::uint32_t(bits) << 16); }

// A tf32 operand: the unit does not read the low 13 bits.
inline float from_tf32(std::uint32_t bits) { return bit_cast<float>(bits & 0xffffe000u); }

inline unsigned element_bytes(MatrixType type) { return type == MatrixType::tf32 ? 4 : 2; }

// How many k one instruction takes.
inline unsigned depth(MatrixType type) { return type == MatrixType::tf32 ? 8 : 16; }

// One of the two 16-bit elements of a register, or the whole one for tf32.
inline float element_of(MatrixType type, std::uint32_t bits, unsigned half) {
    switch (type) {
        case MatrixType::bf16:
            return from_bf16(std::uint16_t(bits >> 16 * half));
        case MatrixType::f16:
            return f16_to_f32(std::uint16_t(bits >> 16 * half));
        case MatrixType::tf32:
            break;
    }
    return from_tf32(bits);
}

// The A operand of 16 rows that 32 lanes hold in 4 registers each: a[row][k]. PTX: the fragments of mma.m16n8k16.
// Register i of lane 4g + t holds row g + 8 (i & 1), and k 2t, 2t + 1 from 8 (i >> 1) on; for tf32 k t from 4 (i >> 1).
template <class Register>
void gather_a(MatrixType type, float (*a)[16], Register register_of) {
    for (unsigned lane = 0; lane < 32; lane++) {
        for (unsigned i = 0; i < 4; i++) {
            unsigned row = lane / 4 + 8 * (i & 1);
            std::uint32_t bits = register_of(lane, i);
            if (type == MatrixType::tf32) {
                a[row][lane % 4 + 4 * (i >> 1)] = element_of(type, bits, 0);
            } else {
                unsigned k = lane % 4 * 2 + 8 * (i >> 1);
                a[row][k] = element_of(type, bits, 0);
                a[row][k + 1] = element_of(type, bits, 1);
            }
        }
    }
}

// Element i of a lane's share of 16 rows of sums: two neighbours, then the same 8 rows below, then 8 columns on.
inline unsigned row_of_sum(unsigned lane, unsigned i) { return lane / 4 + 8 * (i >> 1 & 1); }
inline unsigned column_of_sum(unsigned lane, unsigned i) { return i / 4 * 8 + lane % 4 * 2 + (i & 1); }

// sums[row][0 .. columns] += a[row][k] b[k][0 .. columns]. Inlined, so that sizes known to the caller are constants.
template <unsigned stride>
[[gnu::always_inline]] inline void multiply_add(float (*sums)[stride], const float (*a)[16], const float (*b)[stride],
                                                unsigned rows, unsigned depth, unsigned columns) {
    for (unsigned row = 0; row < rows; row++) {
        for (unsigned k = 0; k < depth; k++) {
            for (unsigned column = 0; column < columns; column++) {
                sums[row][column] += a[row][k] * b[k][column];
            }
        }
    }
}

}  // namespace emulator
