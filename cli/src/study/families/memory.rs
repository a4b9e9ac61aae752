//! What computes little from each number. Bound by memory.

use super::{REALS, gives, one, rung};
use crate::study::{Case, Family};
use tensor::Tensor;
use tensor::ops::pointwise::Function;

const ELEMENTS: &str = "elements";
const SMALL: &[&[usize]] = &[&[1000]];
const CPU: &[&[usize]] = &[&[4194304]];
const GPU: &[&[usize]] = &[&[33554432]];
const MATRIX: &str = "rows x columns";
const SMALL_MATRIX: &[&[usize]] = &[&[72, 40]];
const CPU_MATRIX: &[&[usize]] = &[&[2048, 2048]];
const GPU_MATRIX: &[&[usize]] = &[&[8192, 4096]];

pub(crate) static POINTWISE: Family = Family {
    name: "pointwise",
    processor: [
        rung("the functions and their derivatives, in f64", &["pointwise/reference.rs", "pointwise/table.rs"]),
        rung("polynomials on vectors, to stated bounds", &["pointwise/vector.rs"]),
    ],
    gpu: &[rung("16 bytes at a time, shorter forms for 16 bits", &["pointwise/apply.cu", "pointwise/scaled.cu"])],
    cases: &[
        Case {
            op: "silu",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: one,
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.map(Function::Silu, 0))
            },
        },
        Case {
            op: "silu backward",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: one,
            make: |operands, size| {
                let (x, g) = (operands.normal(size)?, operands.normal(size)?);
                gives(move || x.map_scaled(Function::Silu, 1, &g))
            },
        },
        Case {
            op: "gelu",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: one,
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.map(Function::Gelu, 0))
            },
        },
    ],
};

pub(crate) static COMBINE: Family = Family {
    name: "combine",
    processor: [
        rung("a sum of products, term by term", &["combine/reference.rs"]),
        rung("one pass over all operands, on vectors", &["combine/mod.rs"]),
    ],
    gpu: &[rung("each operand read once, 16 bytes at a time", &["combine/combine.cu"])],
    cases: &[
        Case {
            op: "add",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |_| 2,
            make: |operands, size| {
                let (x, y) = (operands.normal(size)?, operands.normal(size)?);
                gives(move || x.add(&y))
            },
        },
        Case {
            op: "combine of 3",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |_| 3,
            make: |operands, size| {
                let (x, y, z) = (operands.normal(size)?, operands.normal(size)?, operands.normal(size)?);
                gives(move || Tensor::combine(&[(0.7, &x), (-1.3, &y), (0.1, &z)]))
            },
        },
    ],
};

pub(crate) static MULTIPLY: Family = Family {
    name: "multiply",
    processor: [
        rung("element by element", &["multiply/reference.rs"]),
        rung("one pass on vectors", &["multiply/mod.rs"]),
    ],
    gpu: &[rung("16 bytes at a time", &["multiply/multiply.cu"])],
    cases: &[Case {
        op: "multiply by a row",
        axes: MATRIX,
        numbers: REALS,
        small: SMALL_MATRIX,
        cpu: CPU_MATRIX,
        gpu: GPU_MATRIX,
        terms: one,
        make: |operands, size| {
            let (x, row) = (operands.normal(size)?, operands.normal(&size[1..])?);
            gives(move || x.mul(&row))
        },
    }],
};
