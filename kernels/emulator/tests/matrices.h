// Random matrices of the types of the tensor cores, and their products by plain loops.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"
#include "gpu.h"

struct Bf16 {
    static constexpr gpu::Type TYPE = gpu::Type::bf16;
    std::uint16_t bits;
    double value() const {
        std::uint32_t wide = std::uint32_t(bits) << 16;
        float x;
        std::memcpy(&x, &wide, 4);
        return x;
    }
    // From 2^-4 to 2 in size, of either sign.
    static Bf16 random(Numbers& numbers) {
        return {std::uint16_t((numbers.next() % 5 + 123) << 7 | numbers.next() % 128 | numbers.next() % 2 << 15)};
    }
};

struct F16 {
    static constexpr gpu::Type TYPE = gpu::Type::f16;
    std::uint16_t bits;
    double value() const {
        int exponent = bits >> 10 & 31, mantissa = bits & 1023;
        double size = exponent == 31  ? (mantissa ? NAN : INFINITY)
                      : exponent == 0 ? std::ldexp(mantissa, -24)
                                      : std::ldexp(1024 + mantissa, exponent - 25);
        return bits >> 15 ? -size : size;
    }
    static F16 random(Numbers& numbers) {
        return {std::uint16_t((numbers.next() % 5 + 11) << 10 | numbers.next() % 1024 | numbers.next() % 2 << 15)};
    }
};

// As the tensor core reads an f32: its low 13 bits are ignored.
struct Tf32 {
    static constexpr gpu::Type TYPE = gpu::Type::f32;
    std::uint32_t bits;
    double value() const {
        std::uint32_t cut = bits & 0xffffe000u;
        float x;
        std::memcpy(&x, &cut, 4);
        return x;
    }
    static Tf32 random(Numbers& numbers) {
        return {(numbers.next() % 5 + 123) << 23 | numbers.next() % (1 << 23) | numbers.next() % 2 << 31};
    }
};

// rows x columns, with rows of a multiple of 16 bytes.
template <class T>
struct Matrix {
    unsigned rows, columns, pitch;   // in elements
    std::vector<T> elements;

    Matrix(unsigned rows, unsigned columns, std::uint32_t seed) : rows(rows), columns(columns) {
        unsigned together = 16 / sizeof(T);
        pitch = (columns + together - 1) / together * together;
        Numbers numbers(seed);
        for (unsigned i = 0; i < rows * pitch; i++) {
            elements.push_back(T::random(numbers));
        }
    }
    double at(unsigned row, unsigned column) const { return elements[row * pitch + column].value(); }
};

// [m, n] = a b, where a is [m, k] or its transpose, b [n, k] or its transpose.
template <class T>
std::vector<double> product(const Matrix<T>& a, bool a_transposed, const Matrix<T>& b, bool b_transposed) {
    unsigned m = a_transposed ? a.columns : a.rows, k = a_transposed ? a.rows : a.columns;
    unsigned n = b_transposed ? b.columns : b.rows;
    std::vector<double> c(m * n);
    for (unsigned i = 0; i < m; i++) {
        for (unsigned j = 0; j < n; j++) {
            for (unsigned l = 0; l < k; l++) {
                c[i * n + j] += (a_transposed ? a.at(l, i) : a.at(i, l)) * (b_transposed ? b.at(l, j) : b.at(j, l));
            }
        }
    }
    return c;
}

inline double sum_tolerance(unsigned terms) { return terms * 0x1p-23; }   // of f32, relative to sums of about 1
