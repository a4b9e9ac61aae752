// wgmma: ordering products, and making them when a wait covers their group.
//
// A group belongs to the whole warpgroup: it is complete when the first warp's wait for it returns, which needs the
// orders of all four warps. Only then the operands in shared memory are read, so a stage that is overwritten too early
// shows. A warp's sums are NaN from its order to its own wait, so a missing wait shows. A from registers is read at the
// order: the compiler for the GPU keeps such registers until the product is done.
#include <algorithm>
#include <cstring>

#include "fail.h"
#include "matrix.h"
#include "operand.h"
#include "sanitizer.h"
#include "worker.h"

namespace emulator {

void Warpgroup::reset() {
    in_flight.clear();
    completed = 0;
    for (auto& record : sums) {
        record->saved.reset();
    }
}

namespace {

unsigned warp_of(const ThreadState& thread) { return thread.rank / 32 % WARPGROUP_WARPS; }
unsigned place_of(const ThreadState& thread) { return thread.rank % WARPGROUP_THREADS; }

bool same(const Wgmma& a, const Wgmma& b) {
    return a.type == b.type && a.a_in_registers == b.a_in_registers && a.a_mn_major == b.a_mn_major &&
           a.b_mn_major == b.b_mn_major && a.accumulate == b.accumulate && a.columns == b.columns &&
           a.a_descriptor == b.a_descriptor && a.b_descriptor == b.b_descriptor;
}

// The record of the sums that this thread has in flight from these registers, if any.
Sums* sums_in_flight(Warpgroup& group, unsigned place, const float* registers) {
    for (auto& record : group.sums) {
        if (record->saved[place] && record->registers[place] == registers) {
            return record.get();
        }
    }
    return nullptr;
}

Sums& free_sums(Warpgroup& group) {
    for (auto& record : group.sums) {
        bool in_use = std::any_of(group.in_flight.begin(), group.in_flight.end(),
                                  [&](const Product& product) { return product.sums == record.get(); });
        if (record->saved.none() && !in_use) {
            return *record;
        }
    }
    group.sums.push_back(std::make_unique<Sums>());
    return *group.sums.back();
}

// The product that this thread orders now: a new one for the first thread to come, the same for the others.
Product& join_product(ThreadState& self, const Wgmma& operation, const float* registers, CallSite site) {
    Warpgroup& group = *self.warpgroup;
    unsigned index = self.products - group.completed;
    Sums* sums = sums_in_flight(group, place_of(self), registers);
    if (index == group.in_flight.size()) {
        if (!sums) {
            sums = &free_sums(group);
            sums->columns = operation.columns;
        }
        group.in_flight.push_back({operation, sums, self.product_groups, 0, site, {}});
    }
    Product& product = group.in_flight[index];
    if (!same(product.operation, operation) || product.group != self.product_groups) {
        fail("%s:%d: the threads of a warpgroup order different wgmma: descriptors, shapes and groups must be the same",
             site.file, site.line);
    }
    if ((sums && sums != product.sums) || operation.columns != product.sums->columns) {
        fail("%s:%d: the threads of a warpgroup sum one wgmma into different accumulators, or one has waited for its "
             "sums and another has not",
             site.file, site.line);
    }
    return product;
}

void save_registers(Sums& sums, const ThreadState& self, float* registers) {
    unsigned place = place_of(self), first_row = warp_of(self) * 16;
    if (sums.saved[place]) {
        return;
    }
    sums.saved[place] = true;
    sums.registers[place] = registers;
    for (unsigned i = 0; i < sums.columns / 2; i++) {
        sums.values[first_row + row_of_sum(self.lane, i)][column_of_sum(self.lane, i)] = registers[i];
    }
    std::memset(registers, 0xff, sums.columns / 2 * sizeof(float));
}

void restore_registers(Sums& sums, unsigned warp, CallSite site) {
    for (unsigned lane = 0; lane < 32; lane++) {
        unsigned place = warp * 32 + lane;
        float* registers = sums.registers[place];
        if (is_forbidden(registers, sums.columns / 2 * sizeof(float))) {
            fail("%s:%d: the accumulators of this wgmma were gone before the wait for it", site.file, site.line);
        }
        for (unsigned i = 0; i < sums.columns / 2; i++) {
            registers[i] = sums.values[warp * 16 + row_of_sum(lane, i)][column_of_sum(lane, i)];
        }
        sums.saved[place] = false;
    }
}

void multiply(const Product& product, float (*a)[16], float (*b)[MAX_COLUMNS]) {
    const Wgmma& operation = product.operation;
    if (operation.a_in_registers) {
        for (unsigned warp = 0; warp < WARPGROUP_WARPS; warp++) {
            gather_a(operation.type, &a[warp * 16],
                     [&](unsigned lane, unsigned i) { return product.a_registers[warp * 32 + lane][i]; });
        }
    } else {
        Operand operand(operation.a_descriptor, operation.type, operation.a_mn_major, product.site);
        operand.read(ROWS, [&](unsigned row, unsigned k, float x) { a[row][k] = x; });
    }
    Operand operand(operation.b_descriptor, operation.type, operation.b_mn_major, product.site);
    operand.read(operation.columns, [&](unsigned column, unsigned k, float x) { b[k][column] = x; });
    Sums& sums = *product.sums;
    if (!operation.accumulate) {
        for (auto& row : sums.values) {
            std::fill(row, row + operation.columns, 0.0f);
        }
    }
    multiply_add(sums.values, a, b, ROWS, depth(operation.type), operation.columns);
}

// What each lane brings to a wait: which products it has ordered, and which it waits for.
struct Wait {
    unsigned end;
    unsigned ordered;
};

// Runs once for a warp, when all its lanes are at the wait and the products to wait for are ordered by all.
void complete_products(Exchange& exchange) {
    ThreadState& self = *current_state();
    ThreadState* lanes = &self - self.lane;
    Warpgroup& group = *self.warpgroup;
    Wait wait;
    std::memcpy(&wait, exchange.brought[0], sizeof wait);
    for (unsigned lane = 1; lane < 32; lane++) {
        if (std::memcmp(exchange.brought[lane], &wait, sizeof wait) != 0) {
            fail("the lanes of a warp wait for different wgmma, after %s:%d", self.last_product.file,
                 self.last_product.line);
        }
    }
    for (; group.completed < wait.end; group.completed++) {
        multiply(group.in_flight.front(), group.a, group.b);
        group.in_flight.pop_front();
    }
    for (auto& record : group.sums) {
        if (record->saved[place_of(self)] && record->end[warp_of(self)] <= wait.end) {
            restore_registers(*record, warp_of(self), self.last_product);
        }
    }
    for (unsigned lane = 0; lane < 32; lane++) {
        lanes[lane].unfinished_products = wait.ordered - wait.end;
    }
}

}  // namespace

void wgmma_fence() { engine_user().fenced = true; }

void wgmma(const Wgmma& operation, float* sums, const unsigned* a_registers, CallSite site) {
    ThreadState& self = engine_user();
    if (worker->block.threads < (self.rank / WARPGROUP_THREADS + 1) * WARPGROUP_THREADS) {
        fail("%s:%d: wgmma in a warpgroup of fewer than 128 threads", site.file, site.line);
    }
    // A GPU would take a product without it, and sometimes sum into registers that are still being written.
    if (!self.fenced) {
        fail("%s:%d: wgmma without wgmma_fence() since the thread began, or since its last wgmma_wait", site.file,
             site.line);
    }
    Product& product = join_product(self, operation, sums, site);
    save_registers(*product.sums, self, sums);
    if (operation.a_in_registers) {
        std::copy(a_registers, a_registers + 4, product.a_registers[place_of(self)]);
    }
    self.last_product = site;
    self.products++;
    self.unfinished_products++;
    product.sums->end[warp_of(self)] = self.products;
    if (++product.orders == WARPGROUP_THREADS) {
        for (ThreadState* sleeper : self.warpgroup->sleepers) {
            wake(*sleeper);
        }
        self.warpgroup->sleepers.clear();
    }
}

void wgmma_commit() {
    ThreadState& self = engine_user();
    self.group_ends[self.product_groups++ % 8] = self.products;
}

void wgmma_wait(unsigned groups_left) {
    ThreadState& self = engine_user();
    Warpgroup& group = *self.warpgroup;
    // Of what this thread has ordered alone: another warp may have seen more of it completed already.
    unsigned end = self.products - self.unfinished_products;
    if (self.product_groups > groups_left) {
        end = std::max(end, self.group_ends[(self.product_groups - groups_left - 1) % 8]);
    }
    for (unsigned next = self.products - self.unfinished_products; next < end;) {
        if (next < group.completed) {
            next++;
            continue;
        }
        const Product& product = group.in_flight[next - group.completed];
        if (product.orders < WARPGROUP_THREADS) {
            group.sleepers.push_back(&self);
            suspend(Waiting::for_warpgroup, product.site);
        } else {
            next++;
        }
    }
    Wait wait{end, self.products};
    meet(WHOLE_WARP, "wgmma_wait", &wait, sizeof wait, complete_products, self.last_product);
    self.fenced = false;
}

}  // namespace emulator
