// Planted faults: which build catches each, and by what message.
#include <cstdlib>

#include "check.h"
#include "gpu.h"

using gpu::Array;

static const char* const ANYWHERE = "plain sanitized";

// Numbers that are not what a right kernel would give are caught, too: whoever tests it sees them.
static void compare(const Array<float>& out, float want) {
    for (float number : out.read()) {
        if (!(number == want)) {
            std::fprintf(stderr, "wrong numbers: %g\n", double(number));
            std::exit(1);
        }
    }
}

// 64 threads, with room for 32 floats of dynamic shared memory; zeros if the kernel worked as intended.
static void run(const char* kernel) {
    Array<float> out(64), in(std::vector<float>(64, 1.0f));
    gpu::launch(kernel, {1}, {64}, 32 * sizeof(float), out.address(), in.address(), 0u);
    compare(out, 0);
}

FAULT(has_too_much_shared_in_all, ANYWHERE, "256 bytes of static and 232448 of dynamic shared memory") {
    Array<float> out(64), in(64);
    gpu::launch("reads_fresh_shared", {1}, {64}, 227 << 10, out.address(), in.address(), 0u);
}

#define CORE_FAULT(name, builds, message) \
    FAULT(name, builds, message) { run(#name); }

CORE_FAULT(writes_past_global, "sanitized", "heap-buffer-overflow")
CORE_FAULT(writes_past_static_shared, "sanitized", "index 64 out of bounds")
CORE_FAULT(reads_past_shared_of_a_template, "sanitized", "use-after-poison")
CORE_FAULT(writes_past_dynamic_shared, "sanitized", "use-after-poison")
CORE_FAULT(reads_past_local, "sanitized", "index 4 out of bounds")
CORE_FAULT(loads_a_misaligned_pack, "plain", "faults.cu:[0-9]+: a vector of 16 bytes at .* is misaligned")
CORE_FAULT(loads_a_misaligned_vector, "sanitized", "misaligned address")
CORE_FAULT(lacks_a_barrier, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(has_a_barrier_in_a_branch, ANYWHERE, "faults.cu:[0-9]+: __syncthreads\\(\\) is reached by 16 of 64 threads")
CORE_FAULT(has_two_barriers_in_branches, ANYWHERE, "faults.cu:[0-9]+: divergent __syncthreads\\(\\)")
CORE_FAULT(sums_in_two_branches, ANYWHERE, "faults.cu:[0-9]+: divergent __syncthreads\\(\\)")
CORE_FAULT(shuffles_with_half_a_warp, ANYWHERE, "deadlock: .* in __shfl_sync with mask ffffffff, lanes ffff0000 are")
CORE_FAULT(shuffles_from_outside_its_mask, ANYWHERE, "shuffle reads lane 20, which is not in mask 0000ffff")
CORE_FAULT(votes_outside_its_mask, ANYWHERE, "__ballot_sync by lane 16, which is not in its mask 0000ffff")
CORE_FAULT(votes_with_lanes_that_have_exited, ANYWHERE, "__syncthreads\\(\\) is reached by 62 of 64 threads")
CORE_FAULT(votes_after_exits, ANYWHERE, "of which lanes 00000008 have exited")
CORE_FAULT(meets_in_different_collectives, ANYWHERE, "__ballot_sync, while other lanes .* are in __shfl_sync")
CORE_FAULT(reads_fresh_shared, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(reads_fresh_global, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(has_too_much_static_shared, ANYWHERE, "50000 bytes of static shared memory")
CORE_FAULT(counts_a_barrier_differently, ANYWHERE, "barrier 1 of 32 threads, but 64 at")
CORE_FAULT(counts_half_a_warp_at_a_barrier, ANYWHERE, "it takes whole warps")
CORE_FAULT(arrives_where_nobody_waits, ANYWHERE, "the block ends with 32 of 64 threads arrived at barrier 2")
CORE_FAULT(waits_at_crossed_barriers, ANYWHERE, "deadlock: 32 threads wait .* reached by 32 of 64; 32 threads")
CORE_FAULT(copies_misaligned, ANYWHERE, "cp.async of 16 bytes is misaligned")
CORE_FAULT(copies_to_a_misaligned_place, ANYWHERE, "cp.async of 8 bytes is misaligned")
CORE_FAULT(copies_past_global, "sanitized", "cp.async reads memory that is not allocated")
CORE_FAULT(copies_past_shared, ANYWHERE, "cp.async touches 4 bytes of shared memory that lie in no object")
CORE_FAULT(waits_for_a_copy_too_late, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(waits_for_the_wrong_group, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(waits_for_the_older_group_alone, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(never_waits_for_a_copy, ANYWHERE, "ends with 1 cp.async")
CORE_FAULT(overwrites_by_a_copy_too_early, ANYWHERE, "wrong numbers: -?nan")
CORE_FAULT(loads_matrices_past_shared, ANYWHERE, "ldmatrix touches 16 bytes of shared memory that lie in no object")
CORE_FAULT(loads_misaligned_matrices, ANYWHERE, "the row of lane 0 is not aligned to 16 bytes")
CORE_FAULT(multiplies_with_half_a_warp, ANYWHERE, "of which lanes|lanes ffff0000 are missing")
CORE_FAULT(overflows_its_stack, ANYWHERE, "died of signal 11|stack-overflow")

// A product of a matrix of ones; 64 everywhere if the kernel worked as intended.
static void run_hopper(const char* kernel) {
    Array<std::uint16_t> ones(std::vector<std::uint16_t>(64 * 64, 0x3f80));
    Array<float> out(64 * 64);
    auto map = gpu::tensor_map(gpu::Type::bf16, ones.address(), {64, 64}, 128, {64, 64}, gpu::Swizzle::bytes_128);
    gpu::launch(kernel, {1}, {128}, 0, map, out.address(), 0u);
    compare(out, 64);
}

static void run_store(const char* kernel) {
    Array<float> out(64 * 64);
    auto map = gpu::tensor_map(gpu::Type::f32, out.address(), {64, 64}, 256, {64, 64}, gpu::Swizzle::none);
    gpu::launch(kernel, {1}, {128}, 0, map, out.address(), 0u);
    compare(out, 64);
}

#define HOPPER_FAULT(name, builds, message) \
    FAULT(name, builds, message) { run_hopper(#name); }

HOPPER_FAULT(reads_a_tile_before_its_wait, ANYWHERE, "wrong numbers: -?nan")
HOPPER_FAULT(waits_for_the_wrong_parity, ANYWHERE, "wrong numbers: -?nan")
HOPPER_FAULT(never_waits_for_a_tile, ANYWHERE, "the block ends with 1 TMA loads in flight")
HOPPER_FAULT(expects_too_few_bytes, ANYWHERE, "deadlock: .* misses 0 of 1 arrivals and -4096 bytes")
HOPPER_FAULT(waits_where_nobody_arrives, ANYWHERE, "deadlock: 128 threads wait .* misses 1 of 1 arrivals and 0 by")
HOPPER_FAULT(arrives_too_often, ANYWHERE, "more arrivals in one phase than the 1 it was made for")
HOPPER_FAULT(uses_a_barrier_before_it_is_made, ANYWHERE, "mbarrier_wait: the mbarrier is not initialised")
HOPPER_FAULT(loads_to_a_misaligned_tile, ANYWHERE, "is not aligned to 1024 bytes, as its swizzle wants")
HOPPER_FAULT(loads_past_shared, ANYWHERE, "tma_load touches 8192 bytes of shared memory that lie in no object")
HOPPER_FAULT(loads_with_too_many_coordinates, ANYWHERE, "3 coordinates through a tensor map of rank 2")
HOPPER_FAULT(loads_again_too_early, ANYWHERE, "wrong numbers: -?nan")
HOPPER_FAULT(overwrites_an_operand_too_early, ANYWHERE, "wrong numbers: ")
HOPPER_FAULT(reads_sums_before_their_wait, ANYWHERE, "wrong numbers: -?nan")
HOPPER_FAULT(waits_for_too_few_groups, ANYWHERE, "wrong numbers: -?nan")
HOPPER_FAULT(never_waits_for_a_product, ANYWHERE, "and 4 wgmma in flight, never waited for")
HOPPER_FAULT(multiplies_without_a_fence, ANYWHERE, "wgmma without wgmma_fence\\(\\)")
HOPPER_FAULT(multiplies_with_one_warp, ANYWHERE, "deadlock: 32 threads wait .* for all of its warpgroup")
HOPPER_FAULT(multiplies_by_lanes_of_two_minds, ANYWHERE, "the threads of a warpgroup order different wgmma")
HOPPER_FAULT(multiplies_off_the_pattern, ANYWHERE, "the start in the first row of its swizzle's pattern of 1024 bytes")
HOPPER_FAULT(multiplies_past_shared, "sanitized", "wgmma reads shared memory at .* which lies in no object")
#define STORE_FAULT(name, builds, message) \
    FAULT(name, builds, message) { run_store(#name); }

STORE_FAULT(changes_a_tile_while_it_is_stored, ANYWHERE, "wrong numbers: 0")
STORE_FAULT(never_waits_for_a_store, ANYWHERE, "1 TMA stores")

FAULT(loads_by_what_is_no_tensor_map, ANYWHERE, "tma_load: not a tensor map") {
    Array<float> out(64 * 64);
    gpu::launch("never_waits_for_a_tile", {1}, {128}, 0, gpu::TensorMap{}, out.address(), 0u);
}

FAULT(passes_a_freed_pointer, ANYWHERE, "kernel scale: parameter 0 is .*, which lies in no live block") {
    Array<float> x(64);
    std::uint64_t address = x.address();
    x.free();
    int result = gpu::launch_on(nullptr, "scale", {1}, {64}, 0, address, 2.0f, 64u);
    std::exit(result == 700);
}

struct Operands {
    unsigned count, unused;
    std::uint64_t x;
};

FAULT(passes_a_freed_pointer_in_a_struct, ANYWHERE, "negate: parameter 0 holds .* at byte 8, which points to freed") {
    Array<float> x(64);
    Operands operands{64, 0, x.address()};
    gpu::must(gpu::launch_on(nullptr, "negate", {1}, {64}, 0, operands), "negate");
    x.free();
    int result = gpu::launch_on(nullptr, "negate", {1}, {64}, 0, operands);
    std::exit(result == 700);
}

FAULT(passes_the_map_of_a_freed_tensor, ANYWHERE, "parameter 0 is a tensor map of .*, which does not lie in one live") {
    Array<std::uint16_t> x(64 * 64);
    Array<float> out(64 * 64);
    auto map = gpu::tensor_map(gpu::Type::bf16, x.address(), {64, 64}, 128, {64, 64}, gpu::Swizzle::bytes_128);
    x.free();
    int result = gpu::launch_on(nullptr, "never_waits_for_a_tile", {1}, {128}, 0, map, out.address(), 0u);
    std::exit(result == 700);
}
