// The tensor cores and asynchronous copies against plain loops.
#include "matrices.h"

using gpu::Array;

template <class T>
static bool multiply_once(const char* kernel, unsigned k) {
    Matrix<T> a(16, k, 1), b(8, k, 2);
    Array<T> in_a(a.elements), in_b(b.elements);
    Array<float> out(16 * 8);
    gpu::launch(kernel, {1}, {32}, 0, in_a.address(), in_b.address(), out.address());
    return within(kernel, worst_error(out.read(), product(a, false, b, false)), sum_tolerance(k));
}

CHECK(one_product_of_a_warp) {
    return multiply_once<Bf16>("multiply_bf16", 16) && multiply_once<F16>("multiply_f16", 16) &&
           multiply_once<Tf32>("multiply_tf32", 8);
}

CHECK(ldmatrix) {
    std::vector<std::uint16_t> x(32 * 8);
    for (unsigned i = 0; i < x.size(); i++) {
        x[i] = std::uint16_t(i * 257);
    }
    Array<std::uint16_t> in(x);
    Array<std::uint32_t> x4(128), x4_transposed(128), x2(64), x2_transposed(64);
    gpu::launch("load_matrices", {1}, {32}, 0, in.address(), x4.address(), x4_transposed.address(), x2.address(),
                x2_transposed.address());
    bool good = true;
    auto check = [&](const Array<std::uint32_t>& out, unsigned count, bool transposed) {
        auto got = out.read();
        for (unsigned lane = 0; lane < 32; lane++) {
            for (unsigned m = 0; m < count; m++) {
                auto element = [&](unsigned i) {
                    unsigned row = transposed ? lane % 4 * 2 + i : lane / 4;
                    unsigned column = transposed ? lane / 4 : lane % 4 * 2 + i;
                    return unsigned(x[(m * 8 + row) * 8 + column]);
                };
                good = good && got[lane * count + m] == (element(0) | element(1) << 16);
            }
        }
    };
    check(x4, 4, false);
    check(x4_transposed, 4, true);
    check(x2, 2, false);
    check(x2_transposed, 2, true);
    return good;
}

CHECK(product_with_two_stages_of_cp_async) {
    unsigned m = 100, n = 72, k = 88;
    constexpr unsigned STAGE_BYTES = 64 * 40 * 2 + 32 * 40 * 2;
    Matrix<Bf16> a(m, k, 1), b(k, n, 2);
    Array<Bf16> in_a(a.elements), in_b(b.elements);
    Array<float> out(m * n);
    gpu::launch("product_mma", {(n + 31) / 32, (m + 63) / 64}, {128}, 2 * STAGE_BYTES, in_a.address(), in_b.address(),
                out.address(), m, n, k);
    return within("product", worst_error(out.read(), product(a, false, b, true)), sum_tolerance(k));
}

CHECK(small_copies) {
    std::vector<std::uint32_t> x(96);
    for (unsigned i = 0; i < 96; i++) {
        x[i] = i + 1;
    }
    Array<std::uint32_t> in(x), out(96);
    gpu::launch("small_copies", {1}, {32}, 0, in.address(), out.address());
    auto y = out.read();
    bool good = true;
    for (unsigned t = 0; t < 32; t++) {
        unsigned from = 31 - t;
        bool valid = from % 2 == 0;
        good = good && y[t] == (valid ? x[from] : 0);
        good = good && y[32 + 2 * t] == (valid ? x[32 + 2 * from] : 0);
        good = good && y[33 + 2 * t] == (valid ? x[33 + 2 * from] : 0);
    }
    return good;
}
