// mma.sync and ldmatrix: the last lane of a warp to come does the work of all.
#include <cstring>

#include "fail.h"
#include "matrix.h"
#include "worker.h"

namespace emulator {

namespace {

struct Fragments {
    float sums[4];
    unsigned a[4];
    unsigned b[2];
};

// B, 8 columns: register i of lane 4g + t holds column g, and k 2t, 2t + 1 from 8 i on; for tf32 k t from 4 i.
void gather_b(MatrixType type, float (&b)[16][8], const Fragments (&lanes)[32]) {
    for (unsigned lane = 0; lane < 32; lane++) {
        for (unsigned i = 0; i < 2; i++) {
            unsigned bits = lanes[lane].b[i];
            if (type == MatrixType::tf32) {
                b[lane % 4 + 4 * i][lane / 4] = element_of(type, bits, 0);
            } else {
                b[lane % 4 * 2 + 8 * i][lane / 4] = element_of(type, bits, 0);
                b[lane % 4 * 2 + 8 * i + 1][lane / 4] = element_of(type, bits, 1);
            }
        }
    }
}

template <MatrixType type>
void multiply_fragments(Exchange& exchange) {
    Fragments lanes[32];
    float a[16][16], b[16][8], sums[16][8];
    for (unsigned lane = 0; lane < 32; lane++) {
        std::memcpy(&lanes[lane], exchange.brought[lane], sizeof(Fragments));
        for (unsigned i = 0; i < 4; i++) {
            sums[row_of_sum(lane, i)][column_of_sum(lane, i)] = lanes[lane].sums[i];
        }
    }
    gather_a(type, a, [&](unsigned lane, unsigned i) { return lanes[lane].a[i]; });
    gather_b(type, b, lanes);
    multiply_add(sums, a, b, 16, depth(type), 8);
    for (unsigned lane = 0; lane < 32; lane++) {
        for (unsigned i = 0; i < 4; i++) {
            lanes[lane].sums[i] = sums[row_of_sum(lane, i)][column_of_sum(lane, i)];
        }
        std::memcpy(exchange.result[lane], lanes[lane].sums, sizeof lanes[lane].sums);
    }
}

struct Row {
    const unsigned char* address;
    unsigned count;
    bool transposed;
    CallSite site;
};

// Lane 8m + r gives the address of row r of matrix m. Lane 4g + t receives elements 2t, 2t + 1 of row g of each matrix,
// or of its column g if transposed.
void load_matrices(Exchange& exchange) {
    Row rows[32];
    for (unsigned lane = 0; lane < 32; lane++) {
        std::memcpy(&rows[lane], exchange.brought[lane], sizeof(Row));
    }
    std::uint16_t matrix[4][8][8];
    for (unsigned lane = 0; lane < 8 * rows[0].count; lane++) {
        worker->shared.check(rows[lane].address, 16, "ldmatrix", rows[lane].site);
        if (worker->shared.address_of(rows[lane].address, rows[lane].site) % 16 != 0) {
            fail("%s:%d: ldmatrix: the row of lane %u is not aligned to 16 bytes", rows[lane].site.file,
                 rows[lane].site.line, lane);
        }
        std::memcpy(matrix[lane / 8][lane % 8], rows[lane].address, 16);
    }
    for (unsigned lane = 0; lane < 32; lane++) {
        unsigned registers[4] = {};
        for (unsigned m = 0; m < rows[0].count; m++) {
            unsigned g = lane / 4, t = lane % 4 * 2;
            registers[m] = rows[0].transposed ? matrix[m][t][g] | unsigned(matrix[m][t + 1][g]) << 16
                                              : matrix[m][g][t] | unsigned(matrix[m][g][t + 1]) << 16;
        }
        std::memcpy(exchange.result[lane], registers, sizeof registers);
    }
}

}  // namespace

void mma_m16n8(MatrixType type, float* sums, const unsigned* a, const unsigned* b, CallSite site) {
    Fragments mine;
    std::memcpy(mine.sums, sums, sizeof mine.sums);
    std::memcpy(mine.a, a, sizeof mine.a);
    std::memcpy(mine.b, b, sizeof mine.b);
    auto [name, combine] = [&]() -> std::pair<const char*, void (*)(Exchange&)> {
        switch (type) {
            case MatrixType::bf16:
                return {"mma bf16", multiply_fragments<MatrixType::bf16>};
            case MatrixType::f16:
                return {"mma f16", multiply_fragments<MatrixType::f16>};
            case MatrixType::tf32:
                break;
        }
        return {"mma tf32", multiply_fragments<MatrixType::tf32>};
    }();
    Exchange& exchange = meet(WHOLE_WARP, name, &mine, sizeof mine, combine, site);
    std::memcpy(sums, exchange.result[current->lane], sizeof mine.sums);
}

void ldmatrix(unsigned* registers, unsigned count, bool transposed, const void* row, CallSite site) {
    Row mine{static_cast<const unsigned char*>(row), count, transposed, site};
    const char* name = count == 4 ? (transposed ? "ldmatrix x4 trans" : "ldmatrix x4")
                                  : (transposed ? "ldmatrix x2 trans" : "ldmatrix x2");
    Exchange& exchange = meet(WHOLE_WARP, name, &mine, sizeof mine, load_matrices, site);
    std::memcpy(registers, exchange.result[current->lane], count * sizeof(unsigned));
}

}  // namespace emulator
