//! What moves numbers, or turns them in pairs. Bound by memory.

use super::{REALS, gives, moved, rung, sizes};
use crate::study::{Case, Family, Numbers, Operands};
use tensor::ops::rope::Rope;
use tensor::{DType, Result, Tensor};

const ELEMENTS: &str = "elements";
const SMALL: &[&[usize]] = &[&[1000]];
const CPU: &[&[usize]] = &[&[4194304]];
const GPU: &[&[usize]] = &[&[33554432]];
const MATRIX: &str = "rows x columns";
const SMALL_MATRIX: &[&[usize]] = &[&[72, 40]];
const CPU_MATRIX: &[&[usize]] = &[&[2048, 2048]];
const GPU_MATRIX: &[&[usize]] = &[&[8192, 4096]];

pub(crate) static COPY: Family = Family {
    name: "copy",
    processor: [
        rung("the same loops: nothing is rounded", &["copy/mod.rs"]),
        rung("runs of memory; tiles where rows become columns", &["copy/transpose.rs", "copy/convert.rs"]),
    ],
    gpu: &[rung("16 bytes at a time; tiles of 64 x 64 turned in shared memory", &["copy/copy.cu", "copy/cast.cu"])],
    cases: &[
        Case {
            op: "copy",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: moved,
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.copy())
            },
        },
        Case {
            op: "transpose",
            axes: MATRIX,
            numbers: REALS,
            small: SMALL_MATRIX,
            cpu: CPU_MATRIX,
            gpu: GPU_MATRIX,
            terms: moved,
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.transpose(0, 1)?.contiguous())
            },
        },
        Case {
            op: "cast to f16 from",
            axes: ELEMENTS,
            numbers: &[Numbers::F32, Numbers::Bf16],
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: moved,
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.cast(DType::F16))
            },
        },
    ],
};

pub(crate) static GATHER: Family = Family {
    name: "gather",
    processor: [
        rung("the same loops: the order of the index is that of the sums", &["gather/mod.rs"]),
        rung("a slice at a time", &["gather/mod.rs"]),
    ],
    gpu: &[rung("a thread an element of the result, no atomics", &["gather/gather.cu"])],
    cases: &[
        Case {
            op: "gather",
            axes: MATRIX,
            numbers: REALS,
            small: SMALL_MATRIX,
            cpu: CPU_MATRIX,
            gpu: GPU_MATRIX,
            terms: moved,
            make: |operands, size| {
                let (x, index) = (operands.normal(size)?, operands.indices(size[0], size[0])?);
                gives(move || x.gather(0, &index))
            },
        },
        Case {
            op: "scatter_add",
            axes: MATRIX,
            numbers: REALS,
            small: SMALL_MATRIX,
            cpu: &[&[1024, 1024]],
            gpu: &[&[1024, 4096]],
            terms: |size| size[0],
            make: |operands, size| {
                let rows = size[0].div_ceil(4);
                let (g, index) = (operands.normal(size)?, operands.indices(size[0], rows)?);
                gives(move || g.scatter_add(0, &index, rows))
            },
        },
    ],
};

/// Cosines and sines `[2, tokens, width / 2]` of some angles.
pub(super) fn turns(operands: &Operands, tokens: usize, width: usize) -> Result<Tensor> {
    let half = tokens * width / 2;
    operands.wide(&[2, tokens, width / 2], |place| {
        if place < half { (0.7 * place as f64).cos() } else { (0.7 * (place - half) as f64).sin() }
    })
}

pub(crate) static ROPE: Family = Family {
    name: "rope",
    processor: [rung("pair by pair", &["rope/reference.rs"]), rung("halves of a row side by side", &["rope/mod.rs"])],
    gpu: &[rung("a thread a pair", &["rope/rope.cu"])],
    cases: &[Case {
        op: "rope",
        axes: "heads x tokens x width",
        numbers: REALS,
        small: &[&[2, 18, 24]],
        cpu: &[&[16, 1024, 64]],
        gpu: &[&[256, 1024, 64]],
        terms: |_| 2,
        make: |operands, size| {
            let ([_, tokens, width], x) = (sizes(size), operands.normal(size)?);
            let table = turns(operands, tokens, width)?;
            gives(move || x.rope(&table, &Rope::default(), false))
        },
    }],
};
