// The machines beside the cores: asynchronous copies, barriers in shared memory that count bytes, matrix products.
// kernels/cuda wraps each of these beside its PTX; runtime/ says what it checks and when things complete.
#pragma once
#include "thread.h"
#include "warp.h"

namespace emulator {

// cp.async: lands when its own thread waits for its group; until then the destination is NaN.
void cp_async(void* shared, const void* global, unsigned bytes, unsigned source_bytes, CallSite site);
void cp_async_commit();
void cp_async_wait(unsigned groups_left);
void cp_async_wait_all();

// mbarrier: one 64-bit word in shared memory.
void mbarrier_init(void* barrier, unsigned arrivals, CallSite site);
void mbarrier_expect_bytes(void* barrier, unsigned bytes, CallSite site);
void mbarrier_arrive(void* barrier, CallSite site);
void mbarrier_wait(void* barrier, unsigned parity, CallSite site);

// TMA: a load lands when no thread of its block can run without it; a store when its thread waits for its group.
void tma_load(void* shared, const void* map, void* barrier, unsigned rank, const int* start, CallSite site);
void tma_store(const void* map, const void* shared, unsigned rank, const int* start, CallSite site);
void tma_store_commit();
void tma_store_wait(unsigned groups_left);

// wgmma: reads its operands and gives its sums at the wait that covers its group; until then the sums are NaN.
enum class MatrixType : unsigned char { bf16, f16, tf32 };

struct Wgmma {
    MatrixType type;
    bool a_in_registers;
    bool a_mn_major;
    bool b_mn_major;
    bool accumulate;
    unsigned columns;                  // N
    unsigned long long a_descriptor;   // unless a_in_registers
    unsigned long long b_descriptor;
};

void wgmma_fence();
void wgmma(const Wgmma& product, float* sums, const unsigned* a_registers, CallSite site);
void wgmma_commit();
void wgmma_wait(unsigned groups_left);

// Products and loads of one warp that complete at once.
void mma_m16n8(MatrixType type, float* sums, const unsigned* a, const unsigned* b, CallSite site);
void ldmatrix(unsigned* registers, unsigned count, bool transposed, const void* row, CallSite site);

// Fails if a vector load or store is not aligned to its size, or reaches past its object in shared memory.
void check_aligned(const void* address, unsigned alignment, CallSite site);

}  // namespace emulator
