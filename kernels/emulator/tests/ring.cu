// A warp-specialised product: one producer warp keeps a ring of stages full by TMA, two warpgroups consume them by
// wgmma, and the result leaves through shared memory and a TMA store.
#include "hopper.cuh"

#ifdef HOPPER

constexpr u32 STAGES = 3, ROWS = 128, COLUMNS = 64, DEPTH = 64, CONSUMERS = 2;

struct Ring {
    bf16 left[STAGES][ROWS * DEPTH];
    bf16 right[STAGES][COLUMNS * DEPTH];
    f32 result[CONSUMERS][64 * COLUMNS];
    Mbarrier full[STAGES];
    Mbarrier empty[STAGES];
};

// Which stage comes next, and the parity of its round.
struct Turn {
    u32 stage = 0, round = 0;
    __device__ void next() {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        round ^= stage == 0;
    }
};

__device__ void produce(Ring& ring, const TensorMap& a, const TensorMap& b, u32 k) {
    Turn turn;
    for (u32 from = 0; from < k; from += DEPTH, turn.next()) {
        mbarrier_wait(ring.empty[turn.stage], turn.round ^ 1);
        mbarrier_arrive_expect(ring.full[turn.stage], (ROWS + COLUMNS) * DEPTH * sizeof(bf16));
        tma_load_2d(ring.left[turn.stage], a, ring.full[turn.stage], from, blockIdx.y * ROWS);
        tma_load_2d(ring.right[turn.stage], b, ring.full[turn.stage], from, blockIdx.x * COLUMNS);
    }
}

__device__ void consume(Ring& ring, const TensorMap& c, u32 consumer, u32 k) {
    f32 sums[COLUMNS / 2];
    Turn turn, before;
    for (u32 from = 0; from < k; from += DEPTH) {
        mbarrier_wait(ring.full[turn.stage], turn.round);
        wgmma_fence(sums);
        const bf16* left = ring.left[turn.stage] + consumer * 64 * DEPTH;
#pragma unroll
        for (u32 i = 0; i < DEPTH; i += 16) {
            wgmma<bf16, COLUMNS>(sums, k_major_descriptor<Swizzle::bytes_128>(left + i),
                                 k_major_descriptor<Swizzle::bytes_128>(ring.right[turn.stage] + i), from + i > 0);
        }
        wgmma_commit();
        wgmma_wait<1>();   // the stage before this one is free; this one may still be read
        if (from > 0 && threadIdx.x % 128 == 0) {
            mbarrier_arrive(ring.empty[before.stage]);
        }
        before = turn;
        turn.next();
    }
    wgmma_wait<0>(sums);

    u32 row = threadIdx.x % 128 / 32 * 16 + lane_index() / 4, column = lane_index() % 4 * 2;
#pragma unroll
    for (u32 i = 0; i < COLUMNS / 2; i++) {
        ring.result[consumer][(row + i / 2 % 2 * 8) * COLUMNS + column + i / 4 * 8 + i % 2] = sums[i];
    }
    fence_proxy_async();
    barrier_sync(1 + consumer, 128);
    if (threadIdx.x % 128 == 0) {
        tma_store_2d(c, ring.result[consumer], blockIdx.x * COLUMNS, blockIdx.y * ROWS + consumer * 64);
        tma_store_commit();
        tma_store_wait<0>();
    }
}

// c [m, n] = a [m, k] b [n, k]^T.
extern "C" __global__ void __launch_bounds__(384, 1)
    product_ring(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                 const __grid_constant__ TensorMap c, u32 k) {
    DYN_SHARED(Ring, rings);
    Ring& ring = rings[0];
    if (threadIdx.x == 0) {
        for (u32 i = 0; i < STAGES; i++) {
            mbarrier_init(ring.full[i], 1);
            mbarrier_init(ring.empty[i], CONSUMERS);
        }
        fence_barrier_init();
    }
    block_sync();
    if (threadIdx.x < 128) {
        give_registers<40>();
        if (threadIdx.x == 0) {
            tma_prefetch(a);
            tma_prefetch(b);
            produce(ring, a, b, k);
        }
    } else {
        take_registers<232>();
        consume(ring, c, threadIdx.x / 128 - 1, k);
    }
}
REGISTER_KERNEL(product_ring);

#endif
