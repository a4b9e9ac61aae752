// The operands of attention, as Rust passes them: change `Shape` and `Rows` in `src/attention/cuda/operands.rs`, too.
#pragma once
#include "numbers.cuh"

struct Shape {
    u32 heads, queries, keys, width, value_width;
    f32 scale_f32; // for those that compute in f32
    f64 scale;
};

// Rows of an operand: strides of batch, head and position in elements; the last axis has unit stride.
template <class T> struct Rows {
    T* data;
    u64 batch, head, position;

    __device__ __forceinline__ T* of(u32 pair, u32 heads) const {
        return data + pair / heads * batch + pair % heads * head;
    }
};
