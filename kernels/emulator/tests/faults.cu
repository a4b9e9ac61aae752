// Kernels with one planted fault each, on the ordinary cores. All take `out` and `in`, 64 numbers each, `in` all ones,
// and `zero`, which is 0: indices made with it are known at run time only. Without its fault each would write zeros.
#include "async_copy.cuh"
#include "tensor_core.cuh"

#define FAULTY(name)                                                    \
    extern "C" __global__ void name(f32* out, const f32* in, u32 zero); \
    REGISTER_KERNEL(name);                                              \
    extern "C" __global__ void name(f32* out, [[maybe_unused]] const f32* in, [[maybe_unused]] u32 zero)

FAULTY(writes_past_global) { out[threadIdx.x + (threadIdx.x == 63) + zero] = 1; }

FAULTY(writes_past_static_shared) {
    SHARED(f32, numbers, [64]);
    numbers[threadIdx.x + (threadIdx.x == 63) + zero] = 1;
    out[threadIdx.x] = 0;
}

template <u32 count> __device__ f32 read_at(u32 i) {
    SHARED(f32, numbers, [count]);
    numbers[threadIdx.x % count] = 1;
    block_sync();
    const f32* any = numbers;
    return any[i];
}
FAULTY(reads_past_shared_of_a_template) { out[threadIdx.x] = read_at<48>(48 + zero); }

FAULTY(writes_past_dynamic_shared) {
    DYN_SHARED(f32, numbers);
    numbers[threadIdx.x + zero] = 1;   // launched with room for 32
    out[threadIdx.x] = 0;
}

FAULTY(reads_past_local) {
    f32 numbers[4] = {1, 2, 3, 4};
    out[threadIdx.x] = numbers[threadIdx.x % 5 + zero];
}

FAULTY(loads_a_misaligned_pack) {
    Pack<f32, 4> pack = load_pack<4>(in + 1 + zero);
    out[threadIdx.x] = pack[0] - 1;
}

FAULTY(loads_a_misaligned_vector) {
    SHARED(f32, numbers, [68]);
    numbers[threadIdx.x] = 1;
    block_sync();
    out[threadIdx.x] = reinterpret_cast<const float4*>(numbers + 1 + zero)->x - 1;
}

FAULTY(lacks_a_barrier) {
    SHARED(f32, numbers, [64]);
    numbers[threadIdx.x] = f32(threadIdx.x);
    out[threadIdx.x] = numbers[63 - threadIdx.x] - f32(63 - threadIdx.x);
}

FAULTY(has_a_barrier_in_a_branch) {
    if (threadIdx.x < 16) {
        block_sync();
    }
    out[threadIdx.x] = 0;
}

FAULTY(has_two_barriers_in_branches) {
    if (threadIdx.x < 32) {
        block_sync();
    } else {
        block_sync();
    }
    out[threadIdx.x] = 0;
}

FAULTY(sums_in_two_branches) {
    if (threadIdx.x < 32) {
        out[threadIdx.x] = block_sum(1.0f);
    } else {
        out[threadIdx.x] = block_sum(2.0f);
    }
}

FAULTY(shuffles_with_half_a_warp) {
    if (threadIdx.x % 32 < 16) {
        out[threadIdx.x] = __shfl_sync(FULL_WARP, 1.0f, 0);
    } else {
        block_sync();
    }
}

FAULTY(shuffles_from_outside_its_mask) {
    if (threadIdx.x % 32 < 16) {
        out[threadIdx.x] = __shfl_sync(0xffff, 1.0f, 20);
    }
}

FAULTY(votes_outside_its_mask) { out[threadIdx.x] = f32(__ballot_sync(0xffff, 1)); }

FAULTY(votes_with_lanes_that_have_exited) {
    if (threadIdx.x % 32 == 3) {
        return;
    }
    block_sync();
    out[threadIdx.x] = f32(__ballot_sync(FULL_WARP, 1));
}

FAULTY(votes_after_exits) {
    if (threadIdx.x % 32 == 3) {
        return;
    }
    out[threadIdx.x] = f32(__ballot_sync(FULL_WARP, 1));
}

FAULTY(meets_in_different_collectives) {
    out[threadIdx.x] = threadIdx.x % 2 ? f32(__ballot_sync(FULL_WARP, 1)) : __shfl_sync(FULL_WARP, 1.0f, 0);
}

FAULTY(reads_fresh_shared) {
    SHARED(f32, numbers, [64]);
    out[threadIdx.x] = 0 * numbers[threadIdx.x];
}

FAULTY(reads_fresh_global) { out[threadIdx.x] *= 0; }

FAULTY(has_too_much_static_shared) {
    SHARED(f32, first, [6000]);
    SHARED(f32, second, [6500]);
    first[threadIdx.x] = second[threadIdx.x] = 1;
    out[threadIdx.x] = 0;
}

FAULTY(counts_a_barrier_differently) {
    barrier_sync(1, threadIdx.x < 32 ? 64 : 32);
    out[threadIdx.x] = 0;
}

FAULTY(counts_half_a_warp_at_a_barrier) {
    barrier_sync(1, 48);
    out[threadIdx.x] = 0;
}

FAULTY(arrives_where_nobody_waits) {
    if (threadIdx.x < 32) {
        barrier_arrive(2, 64);
    }
    out[threadIdx.x] = 0;
}

FAULTY(waits_at_crossed_barriers) {
    barrier_sync(threadIdx.x < 32 ? 1 : 2, 64);
    out[threadIdx.x] = 0;
}

FAULTY(copies_misaligned) {
    SHARED(f32, numbers, [64]);
    copy_async<16>(numbers + 4 * (threadIdx.x / 4), in + 1 + zero);
    copy_async_wait_all();
    out[threadIdx.x] = 0;
}

FAULTY(copies_to_a_misaligned_place) {
    SHARED(f32, numbers, [68]);
    copy_async<8>(numbers + 1 + zero, in);
    copy_async_wait_all();
    out[threadIdx.x] = 0;
}

FAULTY(copies_past_global) {
    SHARED(f32, numbers, [64]);
    copy_async<4>(numbers + threadIdx.x, in + threadIdx.x + 1 + zero);
    copy_async_wait_all();
    out[threadIdx.x] = 0;
}

FAULTY(copies_past_shared) {
    SHARED(f32, numbers, [64]);
    copy_async<4>(numbers + threadIdx.x + 1 + zero, in + threadIdx.x);
    copy_async_wait_all();
    out[threadIdx.x] = 0;
}

FAULTY(waits_for_a_copy_too_late) {
    SHARED(f32, numbers, [64]);
    copy_async<4>(numbers + threadIdx.x, in + threadIdx.x);
    copy_async_commit();
    out[threadIdx.x] = numbers[threadIdx.x] - 1;
    copy_async_wait<0>();
}

FAULTY(waits_for_the_wrong_group) {
    SHARED(f32, numbers, [64]);
    copy_async<4>(numbers + threadIdx.x, in + threadIdx.x);
    copy_async_commit();
    copy_async_wait<1>();
    out[threadIdx.x] = numbers[threadIdx.x] - 1;
    copy_async_wait<0>();
}

FAULTY(waits_for_the_older_group_alone) {
    SHARED(f32, numbers, [128]);
    copy_async<4>(numbers + threadIdx.x, in + threadIdx.x);
    copy_async_commit();
    copy_async<4>(numbers + 64 + threadIdx.x, in + threadIdx.x);
    copy_async_commit();
    copy_async_wait<1>();
    out[threadIdx.x] = numbers[threadIdx.x] - numbers[64 + threadIdx.x];
    copy_async_wait<0>();
}

FAULTY(never_waits_for_a_copy) {
    SHARED(f32, numbers, [64]);
    copy_async<4>(numbers + threadIdx.x, in + threadIdx.x);
    copy_async_commit();
    out[threadIdx.x] = 0;
}

FAULTY(overwrites_by_a_copy_too_early) {
    SHARED(f32, numbers, [64]);
    numbers[threadIdx.x] = in[threadIdx.x];
    block_sync();
    copy_async<4>(numbers + threadIdx.x, in + threadIdx.x);
    out[threadIdx.x] = numbers[63 - threadIdx.x] - 1;
    copy_async_wait_all();
}

FAULTY(loads_matrices_past_shared) {
    SHARED(u16, rows, [24 * 8]);
    u32 registers[4];
    rows[threadIdx.x] = 0;
    block_sync();
    const u16* first = rows;
    ldmatrix_x4(registers, first + threadIdx.x % 32 * 8);
    out[threadIdx.x] = f32(registers[0]);
}

FAULTY(loads_misaligned_matrices) {
    SHARED(u16, rows, [33][8]);
    u32 registers[2];
    rows[threadIdx.x % 32][0] = 0;
    block_sync();
    ldmatrix_x2(registers, rows[threadIdx.x % 32] + 2);
    out[threadIdx.x] = f32(registers[0]);
}

FAULTY(multiplies_with_half_a_warp) {
    if (threadIdx.x % 32 < 16) {
        f32 sums[4] = {};
        u32 a[4] = {}, b[2] = {};
        mma_m16n8k16<bf16>(sums, a, b);
        out[threadIdx.x] = sums[0];
    }
}

__device__ f32 deep(u32 depth, f32 x) {
    volatile f32 room[1024];
    room[depth % 1024] = x;
    return depth == 0 ? x : deep(depth - 1, room[depth % 1024] + 1) + room[0];
}
FAULTY(overflows_its_stack) { out[threadIdx.x] = deep(16 + zero, 0); }
