// Descriptors of matrices in shared memory, as wgmma takes them. sm_90a; included by hopper.cuh.
//
// An operand of wgmma is rows (M of A, N of B) by k. K-major: the k of a row are neighbours, as in a tensor [rows, k].
// MN-major: the rows of a k are neighbours, as in a tensor [k, rows] (bf16 and f16 only).
//
// PTX ISA 9.0, "Asynchronous Warpgroup Level Matrix Shared Memory Layout". Shared memory is swizzled in rows of
// S = 32, 64 or 128 bytes; eight of them are a pattern. The 16-byte chunk c of row r of a pattern lies at chunk
//   128: c ^ r      64: c ^ (r / 2) % 4      32: c ^ (r / 4) % 2
// as the TMA unit writes it, if the pattern is aligned to its 8 S bytes. Two distances in bytes tell where to go on:
//
//   K-major, swizzled      one swizzle row for each row of the matrix, S / element k wide; the next 8 rows are a STRIDE
//                          on (8 S if dense). The leading distance is not read. To go on along k within a swizzle row,
//                          add to the start: k16 of bf16 is 32 bytes.
//   K-major, no swizzle    8 rows of 16 bytes, dense; the next 8 rows are a STRIDE on, the next 16 bytes of k a
//                          LEADING distance.
//   MN-major, swizzled     one swizzle row for each k, S / element rows of the matrix wide; the next 8 k are a STRIDE
//                          on, the next S / element rows of the matrix a LEADING distance. To go on along k, add twice
//                          the stride.
//   MN-major, no swizzle   for each of 8 k, 16 bytes with 8 rows of the matrix, dense; the next 8 k are a LEADING
//                          distance on, the next 8 rows of the matrix a STRIDE.
#pragma once
#include "block.cuh"

// As the descriptor counts them.
enum class Swizzle { none = 0, bytes_128 = 1, bytes_64 = 2, bytes_32 = 3 };

enum class Major { k = 0, mn = 1 };

// Bytes of a swizzle row.
__device__ __forceinline__ constexpr u32 swizzle_row(Swizzle swizzle) {
    return swizzle == Swizzle::none ? 16 : 256 >> int(swizzle);
}

// Where the byte that belongs at `offset` in a swizzled tile lies, for threads that read or write it themselves.
__device__ __forceinline__ constexpr u32 swizzled(u32 offset, Swizzle swizzle) {
    return offset ^ ((offset >> 7 & (swizzle_row(swizzle) / 16 - 1)) << 4);
}

// The distances are multiples of 16 below 2^18.
__device__ __forceinline__ u64 matrix_descriptor(const void* start, Swizzle swizzle, u32 leading, u32 stride CALLER) {
    auto field = [](u32 bytes, u32 bit) { return u64(bytes >> 4 & 0x3fff) << bit; };
    u32 address = shared_address(start AT_CALLER);
    return field(address, 0) | field(leading, 16) | field(stride, 32) | u64(swizzle) << 62;
}

// A K-major tile whose rows are one swizzle row each, dense.
template <Swizzle swizzle> __device__ __forceinline__ u64 k_major_descriptor(const void* start CALLER) {
    static_assert(swizzle != Swizzle::none, "without a swizzle both distances are needed: matrix_descriptor");
    return matrix_descriptor(start, swizzle, 16, 8 * swizzle_row(swizzle) AT_CALLER);
}

// An MN-major tile of dense swizzle rows, one for each k; the next rows of the matrix are `leading` bytes on: with TMA
// the bytes of a tile, which is one swizzle row wide.
template <Swizzle swizzle> __device__ __forceinline__ u64 mn_major_descriptor(const void* start, u32 leading CALLER) {
    static_assert(swizzle != Swizzle::none, "without a swizzle both distances are needed: matrix_descriptor");
    return matrix_descriptor(start, swizzle, leading, 8 * swizzle_row(swizzle) AT_CALLER);
}
