// Matrix products, version 3: the tensor cores of Hopper, by warpgroups (wgmma, sm_90a alone).
//
// Idea: a producer warp keeps four stages of 128 x 128 x 64 full by TMA; two warpgroups multiply 64 rows each, straight
// from shared memory. Blocks stay and take tile after tile, so that copies for the next are under way while results leave.
// Figure: not yet measured.
#include "hopper.cuh"
#include "tensor_result.cuh"

#ifdef HOPPER

constexpr u32 STAGES = 4, TILE = 128, DEPTH = 64, CONSUMERS = 2, WARPGROUP = 128;

template <class T> struct Ring {
    T left[STAGES][TILE * DEPTH], right[STAGES][TILE * DEPTH];
    Mbarrier full[STAGES], empty[STAGES];
};

// Which stage comes next, and the parity of its round.
struct Turn {
    u32 stage = 0, round = 0;

    __device__ __forceinline__ void next() {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        round ^= stage == 0;
    }
};

// As `Tiles` in `v3.rs`: rows go fastest, then columns, then matrices.
struct Tiles {
    u32 count, m, n, k;
    u32 has_batch[2]; // whether a and b have a matrix of their own for each of c
    Divisor down, across;

    struct Place {
        u32 row, column, matrix;
    };
    __device__ __forceinline__ Place place(u32 tile) const {
        auto [rest, row] = down.split(tile);
        auto [matrix, column] = across.split(rest);
        return {row * TILE, column * TILE, matrix};
    }
};

// An operand's part of a stage: 128 rows, each 64 of depth, or two halves of 64 depths, each 64 rows.
template <class T, Major major>
__device__ __forceinline__ void load(T* stage, const TensorMap& map, Mbarrier& full, u32 row, u32 depth, u32 matrix) {
    if constexpr (major == Major::k) {
        tma_load_3d(stage, map, full, depth, row, matrix);
    } else {
        tma_load_3d(stage, map, full, row, depth, matrix);
        tma_load_3d(stage + 64 * DEPTH, map, full, row + 64, depth, matrix);
    }
}

// From `depth` of a stage on, 16 deep.
template <class T, Major major> __device__ __forceinline__ u64 descriptor(const T* stage, u32 depth) {
    if constexpr (major == Major::k) {
        return k_major_descriptor<Swizzle::bytes_128>(stage + depth);
    } else {
        return mn_major_descriptor<Swizzle::bytes_128>(stage + depth * 64, 64 * DEPTH * sizeof(T));
    }
}

template <class T, Major a_major, Major b_major>
__device__ __forceinline__ void produce(Ring<T>& ring, const TensorMap& a, const TensorMap& b, const Tiles& tiles) {
    Turn turn;
    for (u32 tile = blockIdx.x; tile < tiles.count; tile += gridDim.x) {
        auto [row, column, matrix] = tiles.place(tile);
        for (u32 depth = 0; depth < tiles.k; depth += DEPTH, turn.next()) {
            Mbarrier& full = ring.full[turn.stage];
            mbarrier_wait(ring.empty[turn.stage], turn.round ^ 1);
            mbarrier_arrive_expect(full, 2 * TILE * DEPTH * sizeof(T));
            load<T, a_major>(ring.left[turn.stage], a, full, row, depth, matrix * tiles.has_batch[0]);
            load<T, b_major>(ring.right[turn.stage], b, full, column, depth, matrix * tiles.has_batch[1]);
        }
    }
}

template <class T, Major a_major, Major b_major>
__device__ __forceinline__ void consume(Ring<T>& ring, u32 consumer, const T* bias, T* c, u32 c_row, u32 c_matrix,
                                        u32 aligned, const Tiles& tiles) {
    Turn turn;
    for (u32 tile = blockIdx.x; tile < tiles.count; tile += gridDim.x) {
        auto [row0, column0, matrix] = tiles.place(tile);
        f32 sums[TILE / 2];
        u32 before = STAGES; // the stage that the products of the last round may still read
        for (u32 depth = 0; depth < tiles.k; depth += DEPTH, turn.next()) {
            mbarrier_wait(ring.full[turn.stage], turn.round);
            wgmma_fence(sums);
            // 64 rows, or a half.
            const T *left = ring.left[turn.stage] + consumer * 64 * DEPTH, *right = ring.right[turn.stage];
#pragma unroll
            for (u32 i = 0; i < DEPTH; i += 16) {
                wgmma<T, int(TILE), a_major, b_major>(sums, descriptor<T, a_major>(left, i),
                                                      descriptor<T, b_major>(right, i), depth + i > 0);
            }
            wgmma_commit();
            wgmma_wait<1>(); // those of the stage before have ended
            if (before != STAGES && threadIdx.x % WARPGROUP == 0) mbarrier_arrive(ring.empty[before]);
            before = turn.stage;
        }
        wgmma_wait<0>(sums);
        if (threadIdx.x % WARPGROUP == 0) mbarrier_arrive(ring.empty[before]);

        TensorResult<T, T> result{c + matrix * c_matrix, bias, c_row, tiles.m, tiles.n, aligned != 0};
        u32 row = row0 + consumer * 64 + threadIdx.x % WARPGROUP / WARP * 16 + lane_index() / 4;
#pragma unroll
        for (u32 i = 0; i < TILE / 32; i++) {
#pragma unroll
            for (u32 half = 0; half < 2; half++) {
                f32 eight[8];
#pragma unroll
                for (u32 k = 0; k < 8; k++) eight[k] = sums[i * 16 + k / 2 * 4 + half * 2 + k % 2];
                gather_eight(eight);
                result(row + half * 8, column0 + i * 32 + lane_index() % 4 * 8, eight);
            }
        }
    }
}

template <class T, Major a_major, Major b_major>
__device__ __forceinline__ void multiply(const TensorMap& a, const TensorMap& b, const T* bias, T* c, u32 c_row,
                                         u32 c_matrix, u32 aligned, const Tiles& tiles) {
    DYN_SHARED(Ring<T>, rings);
    Ring<T>& ring = rings[0];
    if (threadIdx.x == 0) {
        for (u32 i = 0; i < STAGES; i++) {
            mbarrier_init(ring.full[i], 1);
            mbarrier_init(ring.empty[i], CONSUMERS);
        }
        fence_barrier_init();
    }
    block_sync();
    if (threadIdx.x < WARPGROUP) {
        give_registers<40>();
        if (threadIdx.x == 0) {
            tma_prefetch(a);
            tma_prefetch(b);
            produce<T, a_major, b_major>(ring, a, b, tiles);
        }
    } else {
        take_registers<232>();
        consume<T, a_major, b_major>(ring, threadIdx.x / WARPGROUP - 1, bias, c, c_row, c_matrix, aligned, tiles);
    }
}

#define KERNEL(name, T, a_major, b_major)                                                                              \
    extern "C" __global__ void __launch_bounds__(3 * WARPGROUP, 1) name(                                               \
        const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const T* bias, T* c, u32 c_row,      \
        u32 c_matrix, u32 aligned, Tiles tiles) {                                                                      \
        multiply<T, Major::a_major, Major::b_major>(a, b, bias, c, c_row, c_matrix, aligned, tiles);                   \
    }                                                                                                                  \
    REGISTER_KERNEL(name);

#define KERNELS(T)                                                                                                     \
    KERNEL(matmul_v3_##T##_kk, T, k, k)                                                                                \
    KERNEL(matmul_v3_##T##_kx, T, k, mn)                                                                               \
    KERNEL(matmul_v3_##T##_xk, T, mn, k)                                                                               \
    KERNEL(matmul_v3_##T##_xx, T, mn, mn)

KERNELS(bf16)
KERNELS(f16)

#endif
