// Tiles that TMA loads, as they lie in shared memory: windows of 3, 4 and 5 dimensions, from any start, with steps.
#include "hopper.cuh"

#ifdef HOPPER

constexpr u32 TILE_BYTES = 16384;

// Orders a tile of `bytes` by `load` and copies it out as it lies.
template <class Load> __device__ void dump(u32* out, u32 bytes, Load load) {
    SHARED_ALIGNED(1024, u32, tile, [TILE_BYTES / 4]);
    SHARED(Mbarrier, landed, [1]);
    if (threadIdx.x == 0) {
        mbarrier_init(landed[0], 1);
        fence_barrier_init();
        mbarrier_arrive_expect(landed[0], bytes);
        load(tile, landed[0]);
    }
    block_sync();
    mbarrier_wait(landed[0], 0);
    for (u32 i = threadIdx.x; i < bytes / 4; i += blockDim.x) {
        out[i] = tile[i];
    }
}

extern "C" __global__ void tile_3d(const __grid_constant__ TensorMap map, u32* out, u32 bytes, i32 x, i32 y, i32 z) {
    dump(out, bytes, [&](void* tile, Mbarrier& landed) { tma_load_3d(tile, map, landed, x, y, z); });
}
REGISTER_KERNEL(tile_3d);

extern "C" __global__ void tile_4d(const __grid_constant__ TensorMap map, u32* out, u32 bytes, i32 c, i32 x, i32 y,
                                   i32 n) {
    dump(out, bytes, [&](void* tile, Mbarrier& landed) { tma_load_4d(tile, map, landed, c, x, y, n); });
}
REGISTER_KERNEL(tile_4d);

extern "C" __global__ void tile_5d(const __grid_constant__ TensorMap map, u32* out, u32 bytes, i32 c, i32 x, i32 y,
                                   i32 z, i32 n) {
    dump(out, bytes, [&](void* tile, Mbarrier& landed) { tma_load_5d(tile, map, landed, c, x, y, z, n); });
}
REGISTER_KERNEL(tile_5d);

// c [64, 64] = p v, where p [64, 64] comes to registers, as attention has it, and v [64, 64] is MN-major: [k, n].
template <class T> __device__ void from_registers(const TensorMap& v_map, const T* p, f32* c) {
    SHARED_ALIGNED(1024, T, v, [64 * 64]);
    SHARED(Mbarrier, landed, [1]);
    if (threadIdx.x == 0) {
        mbarrier_init(landed[0], 1);
        fence_barrier_init();
        mbarrier_arrive_expect(landed[0], sizeof v);
        tma_load_2d(v, v_map, landed[0], 0, 0);
    }
    block_sync();
    mbarrier_wait(landed[0], 0);
    u32 row = warp_index() * 16 + lane_index() / 4, two = lane_index() % 4 * 2;
    u32 left[4][4];
#pragma unroll
    for (u32 step = 0; step < 4; step++) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            const T* at = p + (row + 8 * (i % 2)) * 64 + step * 16 + 8 * (i / 2) + two;
            left[step][i] = pair<T>(to_f32(at[0]), to_f32(at[1]));
        }
    }
    f32 sums[32];
    wgmma_fence(sums);
#pragma unroll
    for (u32 step = 0; step < 4; step++) {
        u64 right = mn_major_descriptor<Swizzle::bytes_128>(v + step * 16 * 64, sizeof v);
        wgmma<T, 64, Major::mn>(sums, left[step], right, step > 0);
    }
    wgmma_commit();
    wgmma_wait<0>(sums);
#pragma unroll
    for (u32 i = 0; i < 32; i++) {
        c[(row + i / 2 % 2 * 8) * 64 + i / 4 * 8 + two + i % 2] = sums[i];
    }
}
extern "C" __global__ void __launch_bounds__(128)
    registers_bf16(const __grid_constant__ TensorMap v, const bf16* p, f32* c) {
    from_registers(v, p, c);
}
extern "C" __global__ void __launch_bounds__(128)
    registers_f16(const __grid_constant__ TensorMap v, const f16* p, f32* c) {
    from_registers(v, p, c);
}
REGISTER_KERNEL(registers_bf16);
REGISTER_KERNEL(registers_f16);

// c [64, 32] = a [64, 16] b [32, 16]^T through operands without a swizzle, written by the threads: 8 x 16-byte blocks,
// K-major or MN-major. The distances are odd ones, to tell leading from stride.
template <Major major> __device__ void without_swizzle(const bf16* a, const bf16* b, f32* c) {
    constexpr u32 LEADING = 2304, STRIDE = 144;   // bytes
    SHARED_ALIGNED(128, bf16, left, [4 * LEADING / 2]);
    SHARED_ALIGNED(128, bf16, right, [4 * LEADING / 2]);
    auto place = [](u32 row, u32 k) {
        if (major == Major::k) {
            return (row / 8 * STRIDE + row % 8 * 16 + k / 8 * LEADING) / 2 + k % 8;
        }
        return (row / 8 * STRIDE + k / 8 * LEADING + k % 8 * 16) / 2 + row % 8;
    };
    for (u32 i = threadIdx.x; i < 64 * 16; i += 128) {
        left[place(i / 16, i % 16)] = a[i];
        if (i < 32 * 16) {
            right[place(i / 16, i % 16)] = b[i];
        }
    }
    fence_proxy_async();
    block_sync();
    f32 sums[16];
    wgmma_fence(sums);
    wgmma<bf16, 32, major, major>(sums, matrix_descriptor(left, Swizzle::none, LEADING, STRIDE),
                                  matrix_descriptor(right, Swizzle::none, LEADING, STRIDE), false);
    wgmma_commit();
    wgmma_wait<0>(sums);
    u32 row = warp_index() * 16 + lane_index() / 4, column = lane_index() % 4 * 2;
#pragma unroll
    for (u32 i = 0; i < 16; i++) {
        c[(row + i / 2 % 2 * 8) * 32 + i / 4 * 8 + column + i % 2] = sums[i];
    }
}
extern "C" __global__ void __launch_bounds__(128) no_swizzle_k(const bf16* a, const bf16* b, f32* c) {
    without_swizzle<Major::k>(a, b, c);
}
extern "C" __global__ void __launch_bounds__(128) no_swizzle_mn(const bf16* a, const bf16* b, f32* c) {
    without_swizzle<Major::mn>(a, b, c);
}
REGISTER_KERNEL(no_swizzle_k);
REGISTER_KERNEL(no_swizzle_mn);

#endif
