// Results of the tensor cores on their way to memory: lanes trade until each has eight neighbours, then an epilogue,
// a rounding, and 16 bytes at a time.
#pragma once
#include "block.cuh"
#include "epilogue.cuh"

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

// A row-major result, inside `rows` x `columns`. `aligned` says that its rows, and what the epilogue reads, begin at
// 16-byte boundaries.
template <class To, class T> struct TensorResult {
    To* data;
    Epilogue<T> epilogue;
    u32 row_step, rows, columns;
    bool aligned;

    __device__ __forceinline__ void operator()(u32 row, u32 column, f32 (&eight)[8]) const {
        if (row >= rows || column >= columns) return;
        u32 place = row * row_step + column, count = columns - column;
        bool packed = aligned && count >= 8;
        if (epilogue.bias) add(epilogue.bias + column, eight, packed, count);
        if constexpr (SHORT<T>) {
            if (epilogue.activation != NONE)
#pragma unroll
                for (u32 i = 0; i < 8; i++) eight[i] = epilogue.activated(eight[i]);
        }
        if (epilogue.residual) add(epilogue.residual + place, eight, packed, count);
        store(data + place, eight, packed, count);
    }

    __device__ __forceinline__ void operator()(u32 row, u32 column, f32 sum) const {
        if (row < rows && column < columns)
            data[row * row_step + column] = to<To>(epilogue(sum, column, row * row_step + column));
    }

    // Eight neighbours, or the first `count` of them, one by one unless they are `packed`.
    static __device__ __forceinline__ void add(const T* from, f32 (&eight)[8], bool packed, u32 count) {
        constexpr int LANES = 16 / sizeof(T);
        if (packed) {
#pragma unroll
            for (int part = 0; part < 8; part += LANES) {
                Pack<T, LANES> pack = load_pack<LANES>(from + part);
#pragma unroll
                for (int i = 0; i < LANES; i++) eight[part + i] += to_f32(pack[i]);
            }
        } else {
#pragma unroll
            for (u32 i = 0; i < 8; i++)
                if (i < count) eight[i] += to_f32(from[i]);
        }
    }
    static __device__ __forceinline__ void store(To* to_column, const f32 (&eight)[8], bool packed, u32 count) {
        constexpr int LANES = 16 / sizeof(To);
        if (packed) {
#pragma unroll
            for (int part = 0; part < 8; part += LANES) {
                Pack<To, LANES> pack;
#pragma unroll
                for (int i = 0; i < LANES; i++) pack[i] = to<To>(eight[part + i]);
                store_pack(to_column + part, pack);
            }
        } else {
#pragma unroll
            for (u32 i = 0; i < 8; i++)
                if (i < count) to_column[i] = to<To>(eight[i]);
        }
    }
};
