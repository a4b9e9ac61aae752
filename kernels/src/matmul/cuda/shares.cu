// Adds the shares of a product in their order: c [m, n], rows `c_row` apart, from partial [shares, m, n].
#include "block.cuh"
#include "strided.cuh"

template <class T>
__device__ void add_shares(const f32* partial, T* c, u32 shares, u32 count, Divisor columns, u32 c_row) {
    for (u32 i = thread_number(); i < count; i += thread_count()) {
        f32 sum = 0;
        for (u32 share = 0; share < shares; share++) sum += partial[size_t(share) * count + i];
        auto [row, column] = columns.split(i);
        c[row * c_row + column] = to<T>(sum);
    }
}

#define KERNEL(T)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) matmul_add_shares_##T(const f32* partial, T* c, u32 shares,      \
        u32 count, Divisor columns, u32 c_row) { add_shares<T>(partial, c, shares, count, columns, c_row); }           \
    REGISTER_KERNEL(matmul_add_shares_##T);

KERNEL(f32)
KERNEL(bf16)
KERNEL(f16)
