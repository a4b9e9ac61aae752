// Layer norm v2, backward: one pass over memory, the sums of the affine gradients included.
//
// A block walks a chunk of a sample's positions; a warp takes a row, or the block where rows are long. A thread has the
// same CHANNELS channels of each of its rows, so that a = sum dz xhat and b = sum dz stay in its registers until the chunk
// ends. The next STAGES rows are under way meanwhile, in shared memory, where a thread's packs are read by no other.
//
// dx = r (dz gain - mean(dz gain) - xhat mean(dz gain xhat)), with dz the cotangent of z: g, or g silu'(z).
//
// Figure: not yet measured. With x and g read again for a and b: 1644 GB/s at 512 channels in f32 (H200, 2026-11-26).
#include "norm.cuh"

constexpr int CHANNELS = 16, STAGES = 2;

// A row's sums of dz gain and dz gain xhat, in every thread that has a share. Two rows of a block in turn use different
// memory, so that one barrier a row is enough.
struct Sums {
    f32 slope, inner;
};
template <bool WHOLE_BLOCK> __device__ __forceinline__ Sums row_sums(Sums own, u32 turn) {
    own = {warp_sum(own.slope), warp_sum(own.inner)};
    if constexpr (WHOLE_BLOCK) {
        SHARED(Sums, of_warp, [2][WARP]);
        if (lane_index() == 0) of_warp[turn % 2][warp_index()] = own;
        block_sync();
        own = lane_index() < blockDim.x / WARP ? of_warp[turn % 2][lane_index()] : Sums{0, 0};
        own = {warp_sum(own.slope), warp_sum(own.inner)};
    }
    return own;
}

template <class T, bool WHOLE_BLOCK>
__device__ void backward(const T* x, const Affine<T>& affine, const f32* mean, const f32* rstd, const T* g, T* dx,
                         f32* a, f32* b, const Shape& s, u32 chunk) {
    constexpr int LANES = 16 / sizeof(T), COUNT = CHANNELS / LANES;
    using Held = Pack<T, LANES>;
    DYN_SHARED(Held, held);
    u32 team = WHOLE_BLOCK ? 0 : warp_index(), teams = WHOLE_BLOCK ? 1 : blockDim.x / WARP;
    u32 member = WHOLE_BLOCK ? threadIdx.x : lane_index(), members = blockDim.x / teams;
    u32 packs = s.channels / LANES, chunks = ceil_div(s.positions, chunk), sample = blockIdx.x / chunks;
    u32 first = blockIdx.x % chunks * chunk, end = first + chunk < s.positions ? first + chunk : s.positions;
    f32* gains = reinterpret_cast<f32*>(held + STAGES * 2 * teams * packs);
    f32* offsets = gains + s.channels;
    mean += size_t(sample) * s.positions;
    rstd += size_t(sample) * s.positions;

    // f(number of a pack of the thread, its place in the row, counted in packs).
    auto each = [&](auto f) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            u32 pack = i * members + member;
            if (pack < packs) f(i, pack);
        }
    };
    auto place = [&](u32 row, u32 pack) {
        return (size_t(sample) * s.positions + row) * s.channels + size_t(pack) * LANES;
    };
    auto slots = [&](u32 stage, u32 tensor) { return held + ((stage * 2 + tensor) * teams + team) * packs; };
    auto load = [&](u32 row, u32 stage) {
        if (row < end) {
            each([&](int, u32 pack) {
                copy_async<16>(slots(stage, 0) + pack, x + place(row, pack));
                copy_async<16>(slots(stage, 1) + pack, g + place(row, pack));
            });
        }
        copy_async_commit();
    };
    u32 row = first + team;
#pragma unroll
    for (u32 stage = 0; stage < STAGES; stage++) load(row + stage * teams, stage);
    for (u32 channel = threadIdx.x; channel < s.channels; channel += blockDim.x) {
        gains[channel] = affine.gain(sample, channel);
        offsets[channel] = affine.offset(sample, channel);
    }
    block_sync();

    bool silu = s.silu;
    f32 of_a[COUNT][LANES] = {}, of_b[COUNT][LANES] = {};
    f32 m = row < end ? mean[row] : 0, r = row < end ? rstd[row] : 0;
    for (u32 turn = 0; row < end; turn++, row += teams) {
        f32 xhat[COUNT][LANES], d[COUNT][LANES]; // d: dz gain
        Sums own = {0, 0};
        copy_async_wait<STAGES - 1>();
        each([&](int i, u32 pack) {
            widen(slots(turn % STAGES, 0)[pack], xhat[i]);
            widen(slots(turn % STAGES, 1)[pack], d[i]);
            f32 gain[LANES], offset[LANES];
            load_table(gains + pack * LANES, gain);
            if (silu) load_table(offsets + pack * LANES, offset);
#pragma unroll
            for (int lane = 0; lane < LANES; lane++) {
                xhat[i][lane] = (xhat[i][lane] - m) * r;
                if (silu) d[i][lane] *= silu_slope(mul_add(xhat[i][lane], gain[lane], offset[lane]));
                of_a[i][lane] = mul_add(d[i][lane], xhat[i][lane], of_a[i][lane]);
                of_b[i][lane] += d[i][lane];
                d[i][lane] *= gain[lane];
                own.slope += d[i][lane];
                own.inner = mul_add(d[i][lane], xhat[i][lane], own.inner);
            }
        });
        // The row is in registers: its memory is free.
        load(row + STAGES * teams, turn % STAGES);
        f32 scale = r;
        if (row + teams < end) {
            m = mean[row + teams];
            r = rstd[row + teams];
        }
        Sums all = row_sums<WHOLE_BLOCK>(own, turn);
        f32 slope = all.slope / f32(s.channels), inner = all.inner / f32(s.channels);
        each([&](int i, u32 pack) {
#pragma unroll
            for (int lane = 0; lane < LANES; lane++)
                d[i][lane] = scale * mul_add(-xhat[i][lane], inner, d[i][lane] - slope);
            store_pack(dx + place(row, pack), rounded<T>(d[i]));
        });
    }

    // The chunk's a and b: a thread's own, or those of all warps in their order.
    a += size_t(blockIdx.x) * s.channels;
    b += size_t(blockIdx.x) * s.channels;
    f32* partial = WHOLE_BLOCK ? nullptr : reinterpret_cast<f32*>(held);
    if (!WHOLE_BLOCK) block_sync(); // rows of others were there
    each([&](int i, u32 pack) {
#pragma unroll
        for (int lane = 0; lane < LANES; lane += 4) {
            u32 channel = pack * LANES + lane;
            Pack<f32, 4> four_a, four_b;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                four_a[j] = of_a[i][lane + j];
                four_b[j] = of_b[i][lane + j];
            }
            store_pack((WHOLE_BLOCK ? a : partial + team * s.channels) + channel, four_a);
            store_pack((WHOLE_BLOCK ? b : partial + (teams + team) * s.channels) + channel, four_b);
        }
    });
    if (WHOLE_BLOCK) return;
    block_sync();
    for (u32 i = threadIdx.x; i < 2 * s.channels; i += blockDim.x) {
        bool is_a = i < s.channels;
        u32 channel = is_a ? i : i - s.channels;
        const f32* of_team = partial + (is_a ? 0 : teams) * s.channels + channel;
        f32 sum = 0;
        for (u32 other = 0; other < teams; other++) sum += of_team[other * s.channels];
        (is_a ? a : b)[channel] = sum;
    }
}

#define BY(T, who, WHOLE_BLOCK, THREADS)                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS) layer_norm_backward_by_##who##_##T(const T* x,               \
        Affine<T> affine, const f32* mean, const f32* rstd, const T* g, T* dx, f32* a, f32* b, Shape s, u32 chunk) {   \
        backward<T, WHOLE_BLOCK>(x, affine, mean, rstd, g, dx, a, b, s, chunk);                                        \
    }                                                                                                                  \
    REGISTER_KERNEL(layer_norm_backward_by_##who##_##T);

#define KERNELS(T)                                                                                                     \
    BY(T, warp, false, 256)                                                                                            \
    BY(T, block, true, 512)

KERNELS(f32)
KERNELS(bf16)
KERNELS(f16)
