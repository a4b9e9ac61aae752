// f16 and bf16 in software: to f32 exactly, from f32 to the nearest, ties to even.
#pragma once
#include <cstdint>

#include "maths.h"

namespace emulator {

constexpr float TWO_TO_112 = 0x1p112f;   // between the exponent biases of f32 and f16

inline float f16_to_f32(std::uint16_t bits) {
    std::uint32_t magnitude = std::uint32_t(bits & 0x7fff) << 13;
    std::uint32_t sign = std::uint32_t(bits & 0x8000) << 16;
    bool finite = (bits & 0x7c00) != 0x7c00;
    std::uint32_t scaled = bit_cast<std::uint32_t>(bit_cast<float>(magnitude) * TWO_TO_112);
    return bit_cast<float>(sign | (finite ? scaled : magnitude | 0x7f800000u));
}

inline std::uint16_t f32_to_f16(float x) {
    std::uint32_t bits = bit_cast<std::uint32_t>(x);
    std::uint32_t magnitude = bits & 0x7fffffffu;
    std::uint16_t sign = std::uint16_t(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000u) {
        return 0x7fff;                                   // NaN, as the GPU writes it
    }
    if (magnitude >= 0x477ff000u) {                      // 65520 and up round to infinity
        return sign | 0x7c00;
    }
    if (magnitude < 0x38800000u) {                       // below 2^-14: adding 0.5 leaves multiples of 2^-24, rounded
        float aligned = bit_cast<float>(magnitude) + 0.5f;
        return std::uint16_t(sign | (bit_cast<std::uint32_t>(aligned) - 0x3f000000u));
    }
    std::uint32_t odd = magnitude >> 13 & 1;
    return std::uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

inline std::uint16_t f32_to_bf16(float x) {
    std::uint32_t bits = bit_cast<std::uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return 0x7fff;
    }
    return std::uint16_t((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

// To tf32: 10 bits of mantissa, ties away from zero, in an f32.
inline std::uint32_t f32_to_tf32(float x) {
    std::uint32_t bits = bit_cast<std::uint32_t>(x);
    bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    return finite ? (bits + 0x1000u) & 0xffffe000u : bits;
}

}  // namespace emulator
