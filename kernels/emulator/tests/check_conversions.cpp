// Conversions, every pattern of 16 bits; packs; fused products.
#include <cstring>

#include "check.h"
#include "gpu.h"
#include "matrices.h"

using gpu::Array;

static std::uint32_t bits_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}

static bool same(double a, double b) {
    return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

CHECK(widening_of_every_pattern) {
    Array<float> bf16(65536), f16(65536);
    gpu::launch("widened", {256}, {256}, 0, bf16.address(), f16.address());
    auto from_bf16 = bf16.read(), from_f16 = f16.read();
    bool good = true;
    for (unsigned bits = 0; bits < 65536; bits++) {
        good = good && same(from_bf16[bits], Bf16{std::uint16_t(bits)}.value());
        good = good && same(from_f16[bits], F16{std::uint16_t(bits)}.value());
    }
    return good;
}

// For each number of a 16-bit type: itself, and what lies just below, at and just above the middle between it and the
// next; with the pattern that each must round to.
template <class T, class Wide>
static void cases_of(unsigned infinity, std::vector<Wide>& x, std::vector<std::uint16_t>& want) {
    for (unsigned bits = 0; bits < infinity; bits++) {
        double low = T{std::uint16_t(bits)}.value();
        // Past the largest number comes what would be the next one, if there were more exponents.
        double high = bits + 1 == infinity ? 2 * low - T{std::uint16_t(bits - 1)}.value()
                                           : T{std::uint16_t(bits + 1)}.value();
        Wide middle = Wide((low + high) / 2);
        unsigned even = bits + (bits & 1);
        for (unsigned sign : {0u, 0x8000u}) {
            Wide s = sign ? -1 : 1;
            x.insert(x.end(), {s * Wide(low), s * std::nextafter(middle, Wide(0)), s * middle,
                               s * std::nextafter(middle, Wide(INFINITY))});
            for (unsigned pattern : {bits, bits, even, bits + 1}) {
                want.push_back(std::uint16_t(pattern | sign));
            }
        }
    }
    x.insert(x.end(), {Wide(INFINITY), Wide(-INFINITY), Wide(NAN), Wide(-NAN)});
    for (unsigned pattern : {infinity, infinity | 0x8000, 0x7fffu, 0x7fffu}) {
        want.push_back(std::uint16_t(pattern));
    }
}

static bool equal(const char* what, const std::vector<std::uint16_t>& got, const std::vector<std::uint16_t>& want,
                  std::size_t first = 0) {
    for (std::size_t i = 0; i < want.size(); i++) {
        if (got[first + i] != want[i]) {
            std::printf("    %s: case %zu gives %04x, not %04x\n", what, i, got[first + i], want[i]);
            return false;
        }
    }
    return true;
}

CHECK(narrowing_to_every_pattern) {
    std::vector<float> x;
    std::vector<std::uint16_t> want_bf16, want_f16;
    cases_of<Bf16>(0x7f80, x, want_bf16);
    std::size_t first_f16 = x.size();
    cases_of<F16>(0x7c00, x, want_f16);
    unsigned count = unsigned(x.size());
    Array<float> in(x);
    Array<std::uint16_t> bf16(count), f16(count);
    Array<std::uint32_t> pairs(2 * count), tf32(count);
    gpu::launch("narrow", {(count + 255) / 256}, {256}, 0, in.address(), bf16.address(), f16.address(), pairs.address(),
                tf32.address(), count);
    auto got_bf16 = bf16.read(), got_f16 = f16.read();
    auto got_pairs = pairs.read(), got_tf32 = tf32.read();
    bool good = equal("bf16", got_bf16, want_bf16) && equal("f16", got_f16, want_f16, first_f16);
    for (unsigned i = 0; i < count && good; i++) {
        unsigned other_sign = std::isnan(x[i]) ? 0 : 0x8000;
        good = good && got_pairs[2 * i] == (got_bf16[i] | unsigned(got_bf16[i] ^ other_sign) << 16);
        good = good && got_pairs[2 * i + 1] == (got_f16[i] | unsigned(got_f16[i] ^ other_sign) << 16);
        if (std::isfinite(x[i])) {   // ties away from zero, to multiples of 2^13 in the last place
            good = good && got_tf32[i] == ((std::uint64_t(bits_of(x[i])) + 0x1000) & 0xffffe000);
        }
    }
    return good;
}

// From f64, where rounding by way of f32 would round twice.
CHECK(narrowing_of_f64_once) {
    std::vector<double> x;
    std::vector<std::uint16_t> want_bf16, want_f16;
    cases_of<Bf16>(0x7f80, x, want_bf16);
    std::size_t first_f16 = x.size();
    cases_of<F16>(0x7c00, x, want_f16);
    unsigned count = unsigned(x.size());
    Array<double> in(x);
    Array<std::uint16_t> bf16(count), f16(count);
    Array<float> f32(count);
    gpu::launch("narrow_f64", {(count + 255) / 256}, {256}, 0, in.address(), bf16.address(), f16.address(),
                f32.address(), count);
    auto got = f32.read();
    bool good = equal("bf16", bf16.read(), want_bf16) && equal("f16", f16.read(), want_f16, first_f16);
    for (unsigned i = 0; i < count; i++) {
        good = good && same(got[i], float(x[i]));
    }
    return good;
}

CHECK(packs_of_sixteen_bytes) {
    unsigned packs = 37;
    Numbers numbers(7);
    std::vector<Bf16> x;
    for (unsigned i = 0; i < 8 * packs; i++) {
        x.push_back(Bf16::random(numbers));
    }
    Array<Bf16> in(x), out(x.size());
    gpu::launch("double_packs", {2}, {32}, 0, in.address(), out.address(), packs);
    auto y = out.read();
    bool good = true;
    for (unsigned i = 0; i < x.size(); i++) {
        good = good && y[i].value() == 2 * x[i].value();
    }
    return good;
}

CHECK(fused_products_round_once) {
    const unsigned count = 1024;
    Numbers numbers(8);
    std::vector<float> a, b, c;
    for (unsigned i = 0; i < count; i++) {
        a.push_back(float(numbers.uniform()));
        b.push_back(float(numbers.uniform()));
        c.push_back(-a[i] * b[i]);
    }
    Array<float> in_a(a), in_b(b), in_c(c), once(count), twice(count);
    Array<double> once64(count);
    gpu::launch("fused", {4}, {256}, 0, in_a.address(), in_b.address(), in_c.address(), once.address(), twice.address(),
                once64.address());
    auto fused = once.read(), separate = twice.read();
    auto fused64 = once64.read();
    bool good = true;
    for (unsigned i = 0; i < count; i++) {
        good = good && fused[i] == std::fma(a[i], b[i], c[i]) && separate[i] == 0;
        good = good && fused64[i] == std::fma(double(a[i]) / 3, double(b[i]) / 3, double(c[i]));
    }
    return good;
}
