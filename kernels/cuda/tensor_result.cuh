// Results of the tensor cores on their way to memory: lanes trade until each has eight neighbours, then a bias, a rounding,
// and 16 bytes at a time.
#pragma once
#include "block.cuh"
#include "strided.cuh"

// An instruction leaves 8 columns of a row with four lanes, two each: lane t has 2t and 2t + 1. Of four such eights, two
// numbers after two, each lane gives three away and gets the whole of eight t.
__device__ __forceinline__ void gather_eight(f32 (&eight)[8]) {
    u32 t = lane_index() % 4;
#pragma unroll
    for (u32 distance = 1; distance < 4; distance *= 2) {
#pragma unroll
        for (u32 k = 0; k < 8; k++) {
            if (k / 2 & distance) continue;
            f32 &low = eight[k], &high = eight[k + 2 * distance];
            f32 got = __shfl_xor_sync(FULL_WARP, t & distance ? low : high, distance);
            low = t & distance ? got : low;
            high = t & distance ? high : got;
        }
    }
}

// A row-major result, inside `rows` x `columns`, with a bias for each column if there is one. `aligned` says that its
// rows and the bias begin at 16-byte boundaries.
template <class To, class T> struct TensorResult {
    To* data;
    const T* bias;
    u32 row_step, rows, columns;
    bool aligned;

    __device__ __forceinline__ void operator()(u32 row, u32 column, f32 (&eight)[8]) const {
        if (row >= rows || column >= columns) return;
        To* to_row = data + row * row_step;
        if (aligned && columns - column >= 8) {
            if (bias) add(bias + column, eight);
            store(to_row + column, eight);
        } else {
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                if (column + i >= columns) break;
                f32 shift = bias ? to_f32(bias[column + i]) : 0;
                to_row[column + i] = to<To>(eight[i] + shift);
            }
        }
    }

    __device__ __forceinline__ void operator()(u32 row, u32 column, f32 sum) const {
        if (row < rows && column < columns)
            data[row * row_step + column] = to<To>(sum + (bias ? to_f32(bias[column]) : 0));
    }

    static __device__ __forceinline__ void add(const T* from, f32 (&eight)[8]) {
        constexpr int LANES = 16 / sizeof(T);
#pragma unroll
        for (int part = 0; part < 8; part += LANES) {
            Pack<T, LANES> pack = load_pack<LANES>(from + part);
#pragma unroll
            for (int i = 0; i < LANES; i++) eight[part + i] += to_f32(pack[i]);
        }
    }
    static __device__ __forceinline__ void store(To* to_column, const f32 (&eight)[8]) {
        constexpr int LANES = 16 / sizeof(To);
#pragma unroll
        for (int part = 0; part < 8; part += LANES) {
            Pack<To, LANES> pack;
#pragma unroll
            for (int i = 0; i < LANES; i++) pack[i] = to<To>(eight[part + i]);
            store_pack(to_column + part, pack);
        }
    }
};
