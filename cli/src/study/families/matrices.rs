//! Tall and small matrices: what projections and solvers are made of.

use super::{F32, REALS, gives, rung, sizes};
use crate::study::{Case, Family};

const SMALL_SQUARE: &[&[usize]] = &[&[3, 20]];
const CPU_SQUARE: &[&[usize]] = &[&[64, 64]];
const GPU_SQUARE: &[&[usize]] = &[&[1024, 64]];

pub(crate) static GRAM: Family = Family {
    name: "gram",
    processor: [
        rung("a sum over the rows for each element", &["gram/reference.rs"]),
        rung("chunks of rows, whose sums are added in their order", &["gram/mod.rs"]),
    ],
    gpu: &[rung("a block a chunk of rows, by tiles, or by warps for few columns", &["gram/gram.cu"])],
    cases: &[Case {
        op: "gram",
        axes: "rows x columns x columns of the other",
        numbers: REALS,
        small: &[&[300, 20, 12], &[300, 20, 2]],
        cpu: &[&[65536, 64, 64], &[65536, 64, 1]],
        gpu: &[&[1048576, 64, 64], &[1048576, 64, 1]],
        terms: |size| size[0],
        make: |operands, size| {
            let [n, r, m] = sizes(size);
            let (a, b) = (operands.normal(&[n, r])?, operands.normal(&[n, m])?);
            gives(move || a.gram(&b))
        },
    }],
};

pub(crate) static CHOLESKY: Family = Family {
    name: "cholesky",
    processor: [
        rung("column after column", &["cholesky/reference.rs"]),
        rung("the same, matrices shared out over threads", &["cholesky/mod.rs"]),
    ],
    gpu: &[rung("a block a matrix, packed in shared memory, two barriers a column", &["cholesky/cholesky.cu"])],
    cases: &[Case {
        op: "cholesky",
        axes: "matrices x size",
        numbers: F32,
        small: SMALL_SQUARE,
        cpu: CPU_SQUARE,
        gpu: GPU_SQUARE,
        terms: |size| size[1],
        make: |operands, size| {
            let a = operands.definite(size[0], size[1])?;
            gives(move || a.cholesky())
        },
    }],
};

pub(crate) static TRIANGULAR: Family = Family {
    name: "triangular",
    processor: [
        rung("by columns of the triangle", &["triangular/reference.rs"]),
        rung("the same, matrices shared out over threads", &["triangular/mod.rs"]),
    ],
    gpu: &[rung(
        "the triangle and 16 right-hand sides in shared memory, one barrier a row",
        &["triangular/triangular.cu"],
    )],
    cases: &[
        Case {
            op: "solve_triangular",
            axes: "matrices x size",
            numbers: F32,
            small: SMALL_SQUARE,
            cpu: CPU_SQUARE,
            gpu: GPU_SQUARE,
            terms: |size| size[1],
            make: |operands, size| {
                let [batch, size] = sizes(size);
                let (l, b) = (operands.definite(batch, size)?, operands.normal(&[batch, size, size])?);
                gives(move || l.solve_triangular(&b, false))
            },
        },
        Case {
            op: "solve_triangular transposed",
            axes: "matrices x size",
            numbers: F32,
            small: SMALL_SQUARE,
            cpu: CPU_SQUARE,
            gpu: GPU_SQUARE,
            terms: |size| size[1],
            make: |operands, size| {
                let [batch, size] = sizes(size);
                let (l, b) = (operands.definite(batch, size)?, operands.normal(&[batch, size, size])?);
                gives(move || l.solve_triangular(&b, true))
            },
        },
    ],
};

pub(crate) static WOODBURY: Family = Family {
    name: "woodbury",
    processor: [
        rung("the formula, sum by sum", &["woodbury/reference.rs"]),
        rung("P read twice: the sums of P' v, then the correction", &["woodbury/steps.rs"]),
    ],
    gpu: &[rung("the sums of gram, a small solve a block, P read once more", &["woodbury/woodbury.cu"])],
    cases: &[Case {
        op: "woodbury",
        axes: "rows x rank x columns",
        numbers: REALS,
        small: &[&[300, 12, 8], &[300, 12, 1]],
        cpu: &[&[65536, 32, 1]],
        gpu: &[&[1048576, 32, 1], &[1048576, 64, 64]],
        terms: |size| size[0] + size[1],
        make: |operands, size| {
            let [n, r, m] = sizes(size);
            let (v, p) = (operands.normal(&[n, m])?, operands.scaled(&[n, r], 1.0 / (n as f64).sqrt())?);
            let (c, alpha) = (operands.definite(1, r)?.reshape(&[r, r])?, operands.wide(&[], |_| 0.5)?);
            gives(move || v.woodbury(&p, &c, &alpha))
        },
    }],
};
