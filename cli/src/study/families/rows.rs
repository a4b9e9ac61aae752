//! What goes over rows: softmax, cross-entropy, sums and maxima. Bound by memory.

use super::{F32, REALS, gives, moved, rung, sizes};
use crate::study::{Case, Family};

const ROWS: &str = "rows x width";
const SMALL: &[&[usize]] = &[&[19, 136]];
const CPU: &[&[usize]] = &[&[8192, 256], &[512, 4096]];
const GPU: &[&[usize]] = &[&[131072, 256], &[8192, 4096]];

pub(crate) static SOFTMAX: Family = Family {
    name: "softmax",
    processor: [
        rung("maximum, exponentials, division", &["softmax/reference.rs"]),
        rung("the same on vectors, a row at a time", &["softmax/simd.rs"]),
    ],
    gpu: &[rung("a warp a row, or a block; rows of 16-byte vectors wait in registers", &["softmax/softmax.cu"])],
    cases: &[
        Case {
            op: "softmax",
            axes: ROWS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[1],
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.softmax())
            },
        },
        Case {
            op: "softmax backward",
            axes: ROWS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[1],
            make: |operands, size| {
                let (y, g) = (operands.normal(size)?, operands.normal(size)?);
                gives(move || y.softmax_backward(&g))
            },
        },
    ],
};

pub(crate) static CROSS_ENTROPY: Family = Family {
    name: "cross_entropy",
    processor: [
        rung("maximum, logarithm of the sum of exponentials", &["cross_entropy/reference.rs"]),
        rung("the same on vectors, a row at a time", &["cross_entropy/simd.rs"]),
    ],
    gpu: &[rung("a warp a row", &["cross_entropy/cross_entropy.cu"])],
    cases: &[
        Case {
            op: "cross_entropy",
            axes: ROWS,
            numbers: F32,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[1],
            make: |operands, size| {
                let [rows, width] = sizes(size);
                let (x, labels) = (operands.normal(size)?, operands.indices(rows, width)?);
                gives(move || x.cross_entropy(&labels))
            },
        },
        Case {
            op: "cross_entropy backward",
            axes: ROWS,
            numbers: F32,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[1],
            make: |operands, size| {
                let [rows, width] = sizes(size);
                let (x, labels) = (operands.normal(size)?, operands.indices(rows, width)?);
                let g = operands.normal(&[rows])?;
                gives(move || x.cross_entropy_backward(&labels, &g))
            },
        },
    ],
};

pub(crate) static REDUCE: Family = Family {
    name: "reduce",
    processor: [
        rung("a fixed tree over the terms", &["reduce/reference.rs"]),
        rung("blocks of terms on vectors, then blocks pairwise", &["reduce/simd.rs"]),
    ],
    gpu: &[rung(
        "a warp a chunk of 32 lanes of terms; where results are neighbours, vectors of them",
        &["reduce/reduce.cu"],
    )],
    cases: &[
        Case {
            op: "sum of rows",
            axes: ROWS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[1],
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.sum_keep(&[1]))
            },
        },
        Case {
            op: "sum of columns",
            axes: ROWS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[0],
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.sum_keep(&[0]))
            },
        },
        Case {
            op: "largest of rows",
            axes: ROWS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: moved,
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.max_keep(&[1]))
            },
        },
    ],
};
