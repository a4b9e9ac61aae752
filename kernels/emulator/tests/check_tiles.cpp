// Tiles that TMA loads and stores, at odd places; products from registers and without a swizzle; the ring of stages.
#include "matrices.h"

using gpu::Array;
using gpu::Swizzle;

// Where TMA puts byte `offset` of a tile.
static unsigned swizzled(unsigned offset, Swizzle swizzle) {
    switch (swizzle) {
        case Swizzle::none:
            return offset;
        case Swizzle::bytes_32:
            return offset ^ (offset >> 3 & 0x10);
        case Swizzle::bytes_64:
            return offset ^ (offset >> 3 & 0x30);
        case Swizzle::bytes_128:
            break;
    }
    return offset ^ (offset >> 3 & 0x70);
}

struct Window {
    const char* kernel;
    std::vector<unsigned> size;    // of the tensor, innermost first
    std::vector<unsigned> box, steps;
    std::vector<int> start;
    Swizzle swizzle;
};

static void launch_tile(const Window& w, const gpu::TensorMap& map, std::uint64_t out, unsigned bytes) {
    const std::vector<int>& s = w.start;
    switch (s.size()) {
        case 3:
            gpu::launch(w.kernel, {1}, {64}, 0, map, out, bytes, s[0], s[1], s[2]);
            break;
        case 4:
            gpu::launch(w.kernel, {1}, {64}, 0, map, out, bytes, s[0], s[1], s[2], s[3]);
            break;
        default:
            gpu::launch(w.kernel, {1}, {64}, 0, map, out, bytes, s[0], s[1], s[2], s[3], s[4]);
    }
}

// A tensor of u32 or u16 that count from 1; the tile that comes back must be 0 outside it.
template <class Element>
static bool window_is_right(gpu::Type type, const Window& w) {
    std::size_t rank = w.size.size();
    std::size_t count = 1;
    unsigned elements = 1;
    std::vector<unsigned> tile;
    for (std::size_t i = 0; i < rank; i++) {
        count *= w.size[i];
        tile.push_back((w.box[i] + w.steps[i] - 1) / w.steps[i]);
        elements *= tile[i];
    }
    std::vector<Element> tensor(count);
    for (std::size_t i = 0; i < count; i++) {
        tensor[i] = Element(i + 1);
    }
    Array<Element> in(tensor), out(elements);
    gpu::TensorMap map = gpu::tensor_map(type, in.address(), {w.size.begin(), w.size.end()},
                                         w.size[0] * sizeof(Element), w.box, w.swizzle, w.steps);
    launch_tile(w, map, out.address(), unsigned(elements * sizeof(Element)));
    auto got = out.read();
    for (unsigned i = 0; i < elements; i++) {
        long place = 0, stride = 1;
        bool inside = true;
        unsigned rest = i;
        for (std::size_t d = 0; d < rank; d++) {
            long at = w.start[d] + long(rest % tile[d]) * w.steps[d];
            rest /= tile[d];
            inside = inside && at >= 0 && at < long(w.size[d]);
            place += at * stride;
            stride *= w.size[d];
        }
        Element want = inside ? tensor[std::size_t(place)] : Element(0);
        if (got[swizzled(unsigned(i * sizeof(Element)), w.swizzle) / sizeof(Element)] != want) {
            std::printf("    %s: element %u of the tile is wrong\n", w.kernel, i);
            return false;
        }
    }
    return true;
}

CHECK(windows_of_tensors) {
    using U16 = std::uint16_t;
    using U32 = std::uint32_t;
    // [samples, height, width, channels]: a 3x3 convolution's window shifted up and left, and one of stride 2.
    Window shifted{"tile_4d", {32, 7, 6, 2}, {32, 8, 4, 1}, {1, 1, 1, 1}, {0, -1, -1, 1}, Swizzle::bytes_64};
    Window strided{"tile_4d", {64, 9, 9, 2}, {64, 8, 7, 2}, {1, 2, 2, 1}, {0, -1, 1, 0}, Swizzle::bytes_128};
    Window channels{"tile_4d", {40, 5, 5, 1}, {16, 5, 5, 1}, {1, 1, 1, 1}, {32, 2, -3, 0}, Swizzle::bytes_32};
    Window cube{"tile_3d", {12, 5, 4}, {8, 3, 2}, {1, 1, 1}, {-4, 3, 3}, Swizzle::none};
    Window steps{"tile_5d", {8, 5, 4, 3, 2}, {8, 5, 4, 3, 2}, {1, 3, 2, 1, 1}, {0, -1, 1, 0, 1}, Swizzle::none};
    Window outside{"tile_3d", {8, 4, 4}, {8, 2, 2}, {1, 1, 1}, {0, -2, 9}, Swizzle::none};
    return window_is_right<U16>(gpu::Type::bf16, shifted) && window_is_right<U16>(gpu::Type::bf16, strided) &&
           window_is_right<U16>(gpu::Type::f16, channels) && window_is_right<U32>(gpu::Type::f32, cube) &&
           window_is_right<U16>(gpu::Type::bf16, steps) && window_is_right<U32>(gpu::Type::f32, outside);
}

template <class T>
static bool from_registers(const char* kernel) {
    Matrix<T> p(64, 64, 1), v(64, 64, 2);
    Array<T> in_p(p.elements), in_v(v.elements);
    Array<float> out(64 * 64);
    gpu::launch(kernel, {1}, {128}, 0,
                gpu::tensor_map(T::TYPE, in_v.address(), {64, 64}, 128, {64, 64}, Swizzle::bytes_128), in_p.address(),
                out.address());
    return within(kernel, worst_error(out.read(), product(p, false, v, true)), sum_tolerance(64));
}

CHECK(wgmma_with_a_from_registers) {
    return from_registers<Bf16>("registers_bf16") && from_registers<F16>("registers_f16");
}

CHECK(wgmma_without_swizzle) {
    Matrix<Bf16> a(64, 16, 1), b(32, 16, 2);
    Array<Bf16> in_a(a.elements), in_b(b.elements);
    bool good = true;
    for (const char* kernel : {"no_swizzle_k", "no_swizzle_mn"}) {
        Array<float> out(64 * 32);
        gpu::launch(kernel, {1}, {128}, 0, in_a.address(), in_b.address(), out.address());
        good = within(kernel, worst_error(out.read(), product(a, false, b, false)), sum_tolerance(16)) && good;
    }
    return good;
}

CHECK(product_by_a_ring_of_stages) {
    constexpr unsigned RING_BYTES = 3 * (128 + 64) * 64 * 2 + 2 * 64 * 64 * 4 + 2 * 3 * 8;
    unsigned m = 200, n = 100, k = 424;
    Matrix<Bf16> a(m, k, 1), b(n, k, 2);
    Array<Bf16> in_a(a.elements), in_b(b.elements);
    Array<float> out(m * n);
    auto operand = [k](const Array<Bf16>& array, unsigned rows, unsigned tile) {
        return gpu::tensor_map(gpu::Type::bf16, array.address(), {k, rows}, k * 2, {64, tile}, Swizzle::bytes_128);
    };
    gpu::launch("product_ring", {(n + 63) / 64, (m + 127) / 128}, {384}, RING_BYTES, operand(in_a, m, 128),
                operand(in_b, n, 64),
                gpu::tensor_map(gpu::Type::f32, out.address(), {n, m}, n * 4, {64, 64}, Swizzle::none), k);
    return within("product", worst_error(out.read(), product(a, false, b, false)), sum_tolerance(k));
}
