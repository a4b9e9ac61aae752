// CUDA's built-in vector types.
#pragma once

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define EMULATOR_VECTOR_TYPES(Scalar, name)                                                      \
    struct alignas(2 * sizeof(Scalar)) name##2 {                                                 \
        Scalar x, y;                                                                             \
    };                                                                                           \
    struct alignas(4 * sizeof(Scalar) < 16 ? 4 * sizeof(Scalar) : 16) name##4 {                  \
        Scalar x, y, z, w;                                                                       \
    };                                                                                           \
    inline name##2 make_##name##2(Scalar x, Scalar y) { return {x, y}; }                         \
    inline name##4 make_##name##4(Scalar x, Scalar y, Scalar z, Scalar w) { return {x, y, z, w}; }

EMULATOR_VECTOR_TYPES(unsigned char, uchar)
EMULATOR_VECTOR_TYPES(unsigned short, ushort)
EMULATOR_VECTOR_TYPES(int, int)
EMULATOR_VECTOR_TYPES(unsigned, uint)
EMULATOR_VECTOR_TYPES(float, float)
EMULATOR_VECTOR_TYPES(double, double)
#undef EMULATOR_VECTOR_TYPES
