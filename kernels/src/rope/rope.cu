// Rotary position embedding: pairs of numbers of a token turned by the angles of its position. A thread a pair; bound by
// memory.
#include "block.cuh"
#include "strided.cuh"

// As `Geometry` in `cuda.rs`.
struct Geometry {
    u32 width, positions, half, interleaved; // `half` a block
    u32 step[2];                             // from number to number of a token, in y and x
    u32 back, unused;
};

// Places: a token's number, and where it starts in y and x.
template <class T>
__device__ void rotate(const T* x, const typename Computes<T>::In* table, T* y, const Nest<3>& tokens,
                       const Geometry& g) {
    using Wide = typename Computes<T>::In;
    u32 pairs = g.width / 2, all = tokens.count * pairs;
    for (u32 i = thread_number(); i < all; i += thread_count()) {
        u32 at[3], pair = i % pairs;
        tokens.places(i / pairs, at);
        u32 a = g.interleaved ? 2 * pair : pair / g.half * 2 * g.half + pair % g.half;
        u32 b = g.interleaved ? a + 1 : a + g.half, turn = at[0] % g.positions * pairs + pair;
        Wide cos = table[turn], sin = table[g.positions * pairs + turn];
        if (g.back) sin = -sin;
        Wide left = to<Wide>(x[at[2] + a * g.step[1]]), right = to<Wide>(x[at[2] + b * g.step[1]]);
        y[at[1] + a * g.step[0]] = to<T>(left * cos - right * sin);
        y[at[1] + b * g.step[0]] = to<T>(right * cos + left * sin);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) rope_##T(const T* x, const Computes<T>::In* table, T* y,         \
        Nest<3> tokens, Geometry g) { rotate<T>(x, table, y, tokens, g); }                                             \
    REGISTER_KERNEL(rope_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
