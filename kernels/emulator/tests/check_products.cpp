// Matrix products by wgmma against plain loops: every layout, with ragged edges.
#include "matrices.h"

using gpu::Array;

struct Layout {
    const char* kernel;
    unsigned n;
    gpu::Swizzle swizzle;
    bool a_mn, b_mn;
};

// The map of an operand whose tile is `rows` by one swizzle row of k.
template <class T>
static gpu::TensorMap map_of(const Matrix<T>& matrix, const Array<T>& array, bool mn, unsigned rows,
                             gpu::Swizzle swizzle) {
    unsigned row_elements = (16u << int(swizzle)) / sizeof(T);
    return gpu::tensor_map(T::TYPE, array.address(), {matrix.columns, matrix.rows}, matrix.pitch * sizeof(T),
                           {row_elements, mn ? row_elements : rows}, swizzle);
}

template <class T>
static bool product_is_right(const Layout& layout) {
    unsigned m = 100, n = layout.n + 24, k = 136;
    Matrix<T> a(layout.a_mn ? k : m, layout.a_mn ? m : k, 1), b(layout.b_mn ? k : n, layout.b_mn ? n : k, 2);
    Array<T> a_array(a.elements), b_array(b.elements);
    Array<float> c(m * n);
    gpu::launch(layout.kernel, {(n + layout.n - 1) / layout.n, (m + 63) / 64}, {128}, 0,
                map_of(a, a_array, layout.a_mn, 64, layout.swizzle),
                map_of(b, b_array, layout.b_mn, layout.n, layout.swizzle), c.address(), int(m), int(n), int(k));
    return within(layout.kernel, worst_error(c.read(), product(a, layout.a_mn, b, layout.b_mn)), sum_tolerance(k));
}

CHECK(wgmma_of_every_shape) {
    using gpu::Swizzle;
    bool good = true;
    for (const Layout& layout : {Layout{"product_bf16_8_128", 8, Swizzle::bytes_128, false, false},
                                 {"product_bf16_16_64", 16, Swizzle::bytes_64, false, false},
                                 {"product_bf16_64_128", 64, Swizzle::bytes_128, false, false},
                                 {"product_bf16_128_128", 128, Swizzle::bytes_128, false, false},
                                 {"product_bf16_192_64", 192, Swizzle::bytes_64, false, false}}) {
        good = product_is_right<Bf16>(layout) && good;
    }
    for (const Layout& layout : {Layout{"product_f16_32_32", 32, Swizzle::bytes_32, false, false},
                                 {"product_f16_96_128", 96, Swizzle::bytes_128, false, false},
                                 {"product_f16_256_128", 256, Swizzle::bytes_128, false, false}}) {
        good = product_is_right<F16>(layout) && good;
    }
    for (const Layout& layout : {Layout{"product_tf32_32_128", 32, Swizzle::bytes_128, false, false},
                                 {"product_tf32_128_64", 128, Swizzle::bytes_64, false, false}}) {
        good = product_is_right<Tf32>(layout) && good;
    }
    return good;
}

CHECK(wgmma_of_mn_major_operands) {
    using gpu::Swizzle;
    bool good = product_is_right<F16>({"product_f16_64_128_a_mn", 64, Swizzle::bytes_128, true, false});
    for (const Layout& layout : {Layout{"product_bf16_128_128_b_mn", 128, Swizzle::bytes_128, false, true},
                                 {"product_bf16_96_64_both_mn", 96, Swizzle::bytes_64, true, true},
                                 {"product_bf16_64_32_both_mn", 64, Swizzle::bytes_32, true, true}}) {
        good = product_is_right<Bf16>(layout) && good;
    }
    return good;
}
