//! Sums over rectangles of pixels: resizing and pooling. Bound by memory.

use super::{REALS, gives, moved, rung, sizes};
use crate::study::{Case, Family};
use tensor::ops::pool::Pool;

const IMAGES: &str = "images x channels x side";
const SMALL: &[&[usize]] = &[&[2, 16, 6]];
const CPU: &[&[usize]] = &[&[16, 64, 32]];
const GPU: &[&[usize]] = &[&[64, 256, 32]];
const PAIRS: Pool = Pool { kernel: [2; 2], stride: [2; 2] };

pub(crate) static WINDOW: Family = Family {
    name: "window",
    processor: [
        rung("pixel by pixel", &["window/mod.rs"]),
        rung("runs of channels", &["resize/mod.rs", "pool/mod.rs"]),
    ],
    gpu: &[rung("a thread an element of the result, terms in ascending order", &["window/window.cu"])],
    cases: &[
        Case {
            op: "resize to twice",
            axes: IMAGES,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: moved,
            make: |operands, size| {
                let [n, c, side] = sizes(size);
                let x = operands.image(&[n, c, side, side])?;
                gives(move || x.resize_nearest([2 * side; 2]))
            },
        },
        Case {
            op: "resize to twice adjoint",
            axes: IMAGES,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |_| 4,
            make: |operands, size| {
                let [n, c, side] = sizes(size);
                let g = operands.image(&[n, c, 2 * side, 2 * side])?;
                gives(move || g.resize_nearest_adjoint([side; 2]))
            },
        },
        Case {
            op: "average_pool",
            axes: IMAGES,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |_| 4,
            make: |operands, size| {
                let [n, c, side] = sizes(size);
                let x = operands.image(&[n, c, 2 * side, 2 * side])?;
                gives(move || x.average_pool(&PAIRS))
            },
        },
    ],
};
