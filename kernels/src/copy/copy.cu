// Copies and constants, which know the size of an element only. Bound by memory.
//
// Rows that are made of 16 bytes go by those, four at a time under way; others by the largest unit that they are made of.
// Where the rows of one operand are the columns of the other, tiles of 64 by 64 are turned in shared memory: rows are read,
// rows are written.
//
// Figure: not yet measured.
#include "block.cuh"
#include "strided.cuh"

// y = x, in the order of y's storage.
template <class T> __device__ void copy(const Elementwise<2>& e) {
    constexpr int LANES = 16 / sizeof(T), WAYS = 4;
    T* y = static_cast<T*>(e.operands[0]);
    const T* x = static_cast<const T*>(e.operands[1]);
    u32 count = e.lanes == 1 ? 0 : e.nest.count, others = e.lanes == 1 ? e.nest.count : e.rest;
    for (u32 first = thread_number(); first < count; first += WAYS * thread_count()) {
        Pack<T, LANES> vectors[WAYS];
        u32 at[WAYS][2];
#pragma unroll
        for (int way = 0; way < WAYS; way++) {
            u32 index = first + way * thread_count();
            if (index >= count) break;
            e.nest.places(index, at[way]);
            vectors[way] = load_vector<LANES>(x + at[way][1], e.splat >> 1 & 1);
        }
#pragma unroll
        for (int way = 0; way < WAYS; way++)
            if (first + way * thread_count() < count) store_pack(y + at[way][0], vectors[way]);
    }
    for (u32 index = thread_number(); index < others; index += thread_count()) {
        u32 at[2];
        if (e.lanes == 1) e.nest.places(index, at);
        else e.rest_at(index, at);
        y[at[0]] = x[at[1]];
    }
}

// y[across][down] = x[down][across] of each matrix of a batch, whose rows lie `y_pitch` and `x_pitch` apart.
template <class T>
__device__ void transpose(const T* x, T* y, const Nest<2>& batch, u32 across, u32 y_pitch, u32 down, u32 x_pitch) {
    constexpr u32 SIDE = 64, STEP = 4;
    SHARED(T, tile, [SIDE][SIDE + (sizeof(T) < 4 ? 4 / sizeof(T) : 1)]); // columns in different banks
    u32 wide = ceil_div(across, SIDE), tiles = wide * ceil_div(down, SIDE), own = blockIdx.x % tiles, at[2];
    batch.places(blockIdx.x / tiles, at);
    u32 right = own % wide * SIDE, below = own / wide * SIDE, fast = threadIdx.x % SIDE, slow = threadIdx.x / SIDE;
#pragma unroll
    for (u32 i = 0; i < SIDE; i += STEP) {
        u32 row = below + slow + i, column = right + fast;
        if (row < down && column < across) tile[slow + i][fast] = x[at[1] + row * x_pitch + column];
    }
    block_sync();
#pragma unroll
    for (u32 i = 0; i < SIDE; i += STEP) {
        u32 row = right + slow + i, column = below + fast;
        if (row < across && column < down) y[at[0] + row * y_pitch + column] = tile[fast][slow + i];
    }
}

template <class T> __device__ void fill(const Elementwise<1>& e, u64 bits) {
    constexpr int LANES = 16 / sizeof(T);
    T* y = static_cast<T*>(e.operands[0]);
    T value = T(bits);
    Pack<T, LANES> pack;
    for (int lane = 0; lane < LANES; lane++) pack[lane] = value;
    u32 count = e.lanes == 1 ? 0 : e.nest.count, others = e.lanes == 1 ? e.nest.count : e.rest;
    for (u32 index = thread_number(); index < count; index += thread_count()) {
        u32 at[1];
        e.nest.places(index, at);
        store_pack(y + at[0], pack);
    }
    for (u32 index = thread_number(); index < others; index += thread_count()) {
        u32 at[1];
        if (e.lanes == 1) e.nest.places(index, at);
        else e.rest_at(index, at);
        y[at[0]] = value;
    }
}

#define MOVES(T)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) copy_##T(Elementwise<2> e) { copy<T>(e); }                       \
    REGISTER_KERNEL(copy_##T);                                                                                         \
    extern "C" __global__ void __launch_bounds__(256) transpose_##T(const T* x, T* y, Nest<2> batch, u32 across,       \
        u32 y_pitch, u32 down, u32 x_pitch) { transpose(x, y, batch, across, y_pitch, down, x_pitch); }                \
    REGISTER_KERNEL(transpose_##T);                                                                                    \
    extern "C" __global__ void __launch_bounds__(256) fill_##T(Elementwise<1> e, u64 bits) { fill<T>(e, bits); }       \
    REGISTER_KERNEL(fill_##T);

MOVES(u8)
MOVES(u16)
MOVES(u32)
MOVES(u64)
