// Kernels with one planted fault each, in the use of TMA, mbarriers and wgmma. All take the map of a [64, 64] matrix of
// bf16, all ones, swizzled by 128 bytes, and `out` of 64 x 64.
#include "hopper.cuh"

#ifdef HOPPER

#define FAULTY(name)                                                                              \
    extern "C" __global__ void name(const __grid_constant__ TensorMap map, f32* out, u32 zero);   \
    REGISTER_KERNEL(name);                                                                        \
    extern "C" __global__ void __launch_bounds__(128)                                             \
        name([[maybe_unused]] const __grid_constant__ TensorMap map, f32* out, [[maybe_unused]] u32 zero)

constexpr u32 TILE = 64 * 64, TILE_BYTES = TILE * 2;

#define SHARED_TILE(name) SHARED_ALIGNED(1024, bf16, name, [TILE])

__device__ void make_barrier(Mbarrier& barrier) {
    if (threadIdx.x == 0) {
        mbarrier_init(barrier, 1);
        fence_barrier_init();
    }
    block_sync();
}

__device__ void order_load(bf16* tile, const TensorMap& map, Mbarrier& barrier) {
    if (threadIdx.x == 0) {
        mbarrier_arrive_expect(barrier, TILE_BYTES);
        tma_load_2d(tile, map, barrier, 0, 0);
    }
}

__device__ void load_tile(bf16* tile, const TensorMap& map, Mbarrier& barrier) {
    make_barrier(barrier);
    order_load(tile, map, barrier);
    mbarrier_wait(barrier, 0);
}

// The tile times its transpose: 64 everywhere.
__device__ void multiply(f32 (&sums)[32], const bf16* tile) {
#pragma unroll
    for (u32 k = 0; k < 64; k += 16) {
        u64 operand = k_major_descriptor<Swizzle::bytes_128>(tile + k);
        wgmma<bf16, 64>(sums, operand, operand, k > 0);
    }
    wgmma_commit();
}

__device__ void write(f32* out, const f32 (&sums)[32]) {
#pragma unroll
    for (u32 i = 0; i < 32; i++) {
        out[threadIdx.x * 32 + i] = sums[i];
    }
}

FAULTY(reads_a_tile_before_its_wait) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    make_barrier(barrier[0]);
    order_load(tile, map, barrier[0]);
    f32 x = to_f32(tile[threadIdx.x]);
    mbarrier_wait(barrier[0], 0);
    for (u32 i = threadIdx.x; i < TILE; i += 128) {
        out[i] = 64 * x;
    }
}

FAULTY(waits_for_the_wrong_parity) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    make_barrier(barrier[0]);
    order_load(tile, map, barrier[0]);
    mbarrier_wait(barrier[0], 1);
    f32 x = to_f32(tile[threadIdx.x]);
    mbarrier_wait(barrier[0], 0);
    for (u32 i = threadIdx.x; i < TILE; i += 128) {
        out[i] = 64 * x;
    }
}

FAULTY(never_waits_for_a_tile) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    make_barrier(barrier[0]);
    order_load(tile, map, barrier[0]);
    out[threadIdx.x] = 0;
}

FAULTY(expects_too_few_bytes) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    make_barrier(barrier[0]);
    if (threadIdx.x == 0) {
        mbarrier_arrive_expect(barrier[0], TILE_BYTES / 2);
        tma_load_2d(tile, map, barrier[0], 0, 0);
    }
    mbarrier_wait(barrier[0], 0);
    out[threadIdx.x] = 0;
}

FAULTY(waits_where_nobody_arrives) {
    SHARED(Mbarrier, barrier, [1]);
    make_barrier(barrier[0]);
    mbarrier_wait(barrier[0], 0);
    out[threadIdx.x] = 0;
}

FAULTY(arrives_too_often) {
    SHARED(Mbarrier, barrier, [1]);
    if (threadIdx.x == 0) {
        mbarrier_init(barrier[0], 1);
        mbarrier_arrive_expect(barrier[0], 16);
        mbarrier_arrive(barrier[0]);
    }
    out[threadIdx.x] = 0;
}

FAULTY(uses_a_barrier_before_it_is_made) {
    SHARED(Mbarrier, barrier, [1]);
    if (threadIdx.x == 127) {
        mbarrier_init(barrier[0], 1);
    }
    mbarrier_wait(barrier[0], 1);
    out[threadIdx.x] = 0;
}

FAULTY(loads_to_a_misaligned_tile) {
    SHARED_ALIGNED(1024, bf16, tile, [TILE + 512]);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile + 256, map, barrier[0]);
    out[threadIdx.x] = 0;
}

FAULTY(loads_past_shared) {
    SHARED_ALIGNED(1024, bf16, tile, [TILE - 8]);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    out[threadIdx.x] = 0;
}

FAULTY(loads_with_too_many_coordinates) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    make_barrier(barrier[0]);
    if (threadIdx.x == 0) {
        tma_load_3d(tile, map, barrier[0], 0, 0, 0);
    }
    out[threadIdx.x] = 0;
}

FAULTY(loads_again_too_early) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    block_sync();
    f32 sums[32];
    wgmma_fence(sums);
    multiply(sums, tile);
    order_load(tile, map, barrier[0]);
    wgmma_wait<0>(sums);
    mbarrier_wait(barrier[0], 1);
    write(out, sums);
}

FAULTY(overwrites_an_operand_too_early) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    block_sync();
    f32 sums[32];
    wgmma_fence(sums);
    multiply(sums, tile);
    tile[threadIdx.x * 32] = from_f32<bf16>(3);
    wgmma_wait<0>(sums);
    write(out, sums);
}

FAULTY(reads_sums_before_their_wait) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    f32 sums[32];
    wgmma_fence(sums);
    multiply(sums, tile);
    write(out, sums);
    wgmma_wait<0>(sums);
}

FAULTY(waits_for_too_few_groups) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    f32 sums[32];
    wgmma_fence(sums);
    multiply(sums, tile);
    wgmma_wait<1>(sums);
    write(out, sums);
    wgmma_wait<0>(sums);
}

FAULTY(never_waits_for_a_product) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    f32 sums[32];
    wgmma_fence(sums);
    multiply(sums, tile);
    out[threadIdx.x] = 0;
}

FAULTY(multiplies_without_a_fence) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    f32 sums[32] = {};
    multiply(sums, tile);
    wgmma_wait<0>(sums);
    write(out, sums);
}

FAULTY(multiplies_with_one_warp) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    if (threadIdx.x < 32) {
        f32 sums[32];
        wgmma_fence(sums);
        multiply(sums, tile);
        wgmma_wait<0>(sums);
        write(out, sums);
    }
}

FAULTY(multiplies_by_lanes_of_two_minds) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    f32 sums[32];
    wgmma_fence(sums);
    u64 operand = k_major_descriptor<Swizzle::bytes_128>(tile + threadIdx.x / 64 * 16);
    wgmma<bf16, 64>(sums, operand, operand, false);
    wgmma_commit();
    wgmma_wait<0>(sums);
    write(out, sums);
}

FAULTY(multiplies_off_the_pattern) {
    SHARED_TILE(tile);
    SHARED(Mbarrier, barrier, [1]);
    load_tile(tile, map, barrier[0]);
    f32 sums[32];
    wgmma_fence(sums);
    u64 operand = k_major_descriptor<Swizzle::bytes_128>(tile + 64);
    wgmma<bf16, 8>(reinterpret_cast<f32(&)[4]>(sums), operand, operand, false);
    wgmma_commit();
    wgmma_wait<0>(sums);
    write(out, sums);
}

FAULTY(multiplies_past_shared) {
    SHARED_ALIGNED(1024, bf16, tile, [TILE / 2]);
    for (u32 i = threadIdx.x; i < TILE / 2; i += 128) {
        tile[i] = from_f32<bf16>(1);
    }
    fence_proxy_async();
    block_sync();
    f32 sums[32];
    wgmma_fence(sums);
    multiply(sums, tile);
    wgmma_wait<0>(sums);
    write(out, sums);
}

// `map` is of f32 without a swizzle here, and describes `out`.
FAULTY(changes_a_tile_while_it_is_stored) {
    SHARED_ALIGNED(128, f32, tile, [TILE]);
    for (u32 i = threadIdx.x; i < TILE; i += 128) {
        tile[i] = 64;
    }
    fence_proxy_async();
    block_sync();
    if (threadIdx.x == 0) {
        tma_store_2d(map, tile, 0, 0);
        tma_store_commit();
        tile[5] = 0;
        tma_store_wait<0>();
    }
}

FAULTY(never_waits_for_a_store) {
    SHARED_ALIGNED(128, f32, tile, [TILE]);
    for (u32 i = threadIdx.x; i < TILE; i += 128) {
        tile[i] = 64;
    }
    fence_proxy_async();
    block_sync();
    if (threadIdx.x == 0) {
        tma_store_2d(map, tile, 0, 0);
        tma_store_commit();
    }
}

#endif
