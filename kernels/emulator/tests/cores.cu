// Kernels of the ordinary cores: tiles in shared memory, warps, block sums, named barriers, atomics.
#include "block.cuh"

extern "C" __global__ void add(const f32* a, const f32* b, f32* c, u32 count) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        c[i] = a[i] + b[i];
    }
}
REGISTER_KERNEL(add);

extern "C" __global__ void scale(f32* x, f32 by, u32 count) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        x[i] *= by;
    }
}
REGISTER_KERNEL(scale);

// Grid and block of three dimensions: each thread writes its place.
extern "C" __global__ void places(u32* out) {
    u32 block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    out[block * block_threads() + thread_rank()] = threadIdx.x | threadIdx.y << 8 | threadIdx.z << 16 | block << 24;
}
REGISTER_KERNEL(places);

// When each thread had its turn.
extern "C" __global__ void turns(u32* counter, u32* turn) {
    turn[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(counter, 1);
}
REGISTER_KERNEL(turns);

// Parameters with gaps between them.
extern "C" __global__ void padded(u8 first, f64* numbers, u32 index, u8 part, u16 whole) {
    numbers[index] = f64(first) + part / f64(whole);
}
REGISTER_KERNEL(padded);

// Operands in a struct.
struct Operands {
    u32 count, unused;
    f32* x;
};
extern "C" __global__ void negate(Operands operands) {
    if (threadIdx.x < operands.count) {
        operands.x[threadIdx.x] *= -1;
    }
}
REGISTER_KERNEL(negate);

// c [m, n] = a [m, k] b [k, n]: 64 x 64 a block, 16 of k at a time, 4 x 4 a thread.
extern "C" __global__ void __launch_bounds__(256) product_f32(const f32* a, const f32* b, f32* c, u32 m, u32 n, u32 k) {
    constexpr u32 TILE = 64, DEPTH = 16, EACH = 4;
    SHARED(f32, left, [DEPTH][TILE + 4]);
    SHARED(f32, right, [DEPTH][TILE + 4]);
    u32 t = threadIdx.x, tx = t % 16, ty = t / 16, row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
    f32 sums[EACH][EACH] = {};
    for (u32 from = 0; from < k; from += DEPTH) {
        for (u32 i = t; i < TILE * DEPTH; i += 256) {
            u32 row = row0 + i / DEPTH, depth = from + i % DEPTH;
            left[i % DEPTH][i / DEPTH] = row < m && depth < k ? a[row * k + depth] : 0;
            u32 column = column0 + i % TILE;
            depth = from + i / TILE;
            right[i / TILE][i % TILE] = column < n && depth < k ? b[depth * n + column] : 0;
        }
        block_sync();
        for (u32 depth = 0; depth < DEPTH; depth++) {
            for (u32 i = 0; i < EACH; i++) {
                for (u32 j = 0; j < EACH; j++) {
                    sums[i][j] = mul_add(left[depth][ty * EACH + i], right[depth][tx * EACH + j], sums[i][j]);
                }
            }
        }
        block_sync();
    }
    for (u32 i = 0; i < EACH; i++) {
        for (u32 j = 0; j < EACH; j++) {
            u32 row = row0 + ty * EACH + i, column = column0 + tx * EACH + j;
            if (row < m && column < n) {
                c[row * n + column] = sums[i][j];
            }
        }
    }
}
REGISTER_KERNEL(product_f32);

// One warp a row.
extern "C" __global__ void softmax_rows(const f32* x, f32* y, u32 rows, u32 columns) {
    u32 row = blockIdx.x * (blockDim.x / WARP) + warp_index();
    if (row >= rows) {
        return;
    }
    x += row * columns;
    y += row * columns;
    f32 largest = -INFINITY, sum = 0;
    for (u32 i = lane_index(); i < columns; i += WARP) {
        largest = fmaxf(largest, x[i]);
    }
    largest = warp_max(largest);
    for (u32 i = lane_index(); i < columns; i += WARP) {
        sum += __expf(x[i] - largest);
    }
    sum = warp_sum(sum);
    for (u32 i = lane_index(); i < columns; i += WARP) {
        y[i] = __expf(x[i] - largest) / sum;
    }
}
REGISTER_KERNEL(softmax_rows);

// The sum of everything: each block adds its own to `total`, in f64.
extern "C" __global__ void sum_all(const f32* x, f64* total, u32 count) {
    f64 sum = 0;
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        sum += x[i];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        atomicAdd(total, sum);
    }
}
REGISTER_KERNEL(sum_all);

// The last block to end sums what all have left: the pattern of one-pass reductions.
extern "C" __global__ void sum_by_last_block(const u32* x, u32* partial, u32* counter, u32* total) {
    SHARED(u32, is_last, [1]);
    u32 sum = __reduce_add_sync(FULL_WARP, x[blockIdx.x * WARP + threadIdx.x]);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
        __threadfence();
        is_last[0] = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
    }
    block_sync();
    if (is_last[0] && threadIdx.x == 0) {
        *total = 0;
        for (u32 i = 0; i < gridDim.x; i++) {
            *total += partial[i];
        }
    }
}
REGISTER_KERNEL(sum_by_last_block);

// Every thread writes what block_sum and block_max gave it.
extern "C" __global__ void reductions(const f32* x, f32* sums, f32* maxima, f64* sums64) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    sums[i] = block_sum(x[i]);
    maxima[i] = block_max(x[i]);
    sums64[i] = block_sum(f64(x[i]));
}
REGISTER_KERNEL(reductions);

// Four producer warps fill two buffers in turn, four consumer warps empty them; each side waits for the other alone.
extern "C" __global__ void __launch_bounds__(256) hand_over(const f32* x, f32* y, u32 rounds) {
    constexpr u32 FULL = 1, EMPTY = 3;
    SHARED(f32, buffer, [2][128]);
    bool produces = threadIdx.x < 128;
    for (u32 round = 0; round < rounds; round++) {
        u32 side = round % 2, place = threadIdx.x % 128;
        if (produces) {
            if (round >= 2) {
                barrier_sync(EMPTY + side, 256);
            }
            buffer[side][place] = x[round * 128 + place];
            barrier_arrive(FULL + side, 256);
        } else {
            barrier_sync(FULL + side, 256);
            y[round * 128 + place] = 2 * buffer[side][127 - place];
            if (round + 2 < rounds) {
                barrier_arrive(EMPTY + side, 256);
            }
        }
    }
}
REGISTER_KERNEL(hand_over);

// One word from each warp collective, for lane values `lane * lane`.
extern "C" __global__ void collectives(u32* out) {
    u32 lane = lane_index(), x = lane * lane, n = 0;
    auto put = [&](u32 value) { out[n++ * WARP + lane] = value; };
    put(__shfl_sync(FULL_WARP, x, 5));
    put(__shfl_sync(FULL_WARP, x, lane + 3, 8));
    put(__shfl_xor_sync(FULL_WARP, x, 9));
    put(__shfl_down_sync(FULL_WARP, x, 3));
    put(__shfl_up_sync(FULL_WARP, x, 3, 16));
    put(__ballot_sync(FULL_WARP, lane % 3 == 0));
    put(__any_sync(FULL_WARP, lane == 40) * 2 + __all_sync(FULL_WARP, lane < 32));
    put(__reduce_max_sync(FULL_WARP, x ^ 77));
    if (lane < 16) {
        put(__reduce_add_sync(0xffff, x));
    } else {
        put(__shfl_xor_sync(0xffff0000, x, 1));
    }
    put(__syncthreads_count(lane % 5 == 0));
}
REGISTER_KERNEL(collectives);

// Every thread adds and takes the largest, all at the same places.
extern "C" __global__ void atomics(u32* counts, i32* largest, f32* sum) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&counts[i % 7], 1);
    atomicMax(largest, i32(i * 37 % 1001) - 500);
    atomicAdd(sum, 1);
}
REGISTER_KERNEL(atomics);

// Block 0 waits for block 1 by spinning: ends only if both run at once, or block 1 runs first. Gives up in the end.
extern "C" __global__ void wait_for_each_other(u32* here, u32* met) {
    atomicAdd(&here[blockIdx.x], 1);
    u32 other = 1 - blockIdx.x;
    for (u32 tries = 0; tries < 200000000; tries++) {
        if (atomicAdd(&here[other], 0) != 0) {
            atomicAdd(met, 1);
            return;
        }
    }
}
REGISTER_KERNEL(wait_for_each_other);
