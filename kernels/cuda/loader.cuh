// Operands given by how they are fetched, so that a convolution is the same product as a matrix.
//
// A loader of rows by depth has Element, major (the axis that 16 bytes run along), `data`, and
//   Row row(u32), Depth depth(u32)                what is computed once for all chunks there
//   Chunk chunk(Row, Depth)                       the 16 bytes that begin there
#pragma once
#include "matrix_descriptor.cuh"

// Elements from `data` on, or zeros if it is not `inside`.
struct Chunk {
    u32 at;
    bool inside;
};

// A matrix as it lies: `step` elements from one run to the next.
template <class T, Major MAJOR> struct MatrixLoader {
    using Element = T;
    using Row = u32;
    using Depth = u32;
    static constexpr Major major = MAJOR;
    const T* data;
    u32 step; // of the axis that does not run

    __device__ __forceinline__ Row row(u32 index) const { return MAJOR == Major::k ? index * step : index; }
    __device__ __forceinline__ Depth depth(u32 k) const { return MAJOR == Major::k ? k : k * step; }
    __device__ __forceinline__ Chunk chunk(Row row, Depth depth) const { return {row + depth, true}; }
};
