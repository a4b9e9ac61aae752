//! Images: sums over rectangles of pixels (resizing, pooling), and windows of a canvas. Bound by memory.

use super::{REALS, gives, moved, rung, sizes};
use crate::study::{Case, Family};
use tensor::ops::patches::{self, Patches};
use tensor::ops::pool::Pool;
use tensor::{Result, Tensor};

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

const CANVASES: &str = "canvases x channels x side";
const SMALL_CANVASES: &[&[usize]] = &[&[2, 3, 8]];
const CPU_CANVASES: &[&[usize]] = &[&[4, 4, 256]];
const GPU_CANVASES: &[&[usize]] = &[&[16, 4, 1024]];

/// Windows of half a canvas, each half over the next.
fn windows(side: usize) -> Result<Patches> {
    patches::grid([side; 2], [side / 2; 2], [side / 4; 2])
}

pub(crate) static PATCHES: Family = Family {
    name: "patches",
    processor: [
        rung("pixel by pixel of every window", &["patches/reference.rs"]),
        rung("a line of a window, or of the canvas, at a time", &["patches/work.rs"]),
    ],
    gpu: &[rung("a thread an element of the result; a pixel looks for the windows over it", &["patches/patches.cu"])],
    cases: &[
        Case {
            op: "gather_patches",
            axes: CANVASES,
            numbers: REALS,
            small: SMALL_CANVASES,
            cpu: CPU_CANVASES,
            gpu: GPU_CANVASES,
            terms: moved,
            make: |operands, size| {
                let [n, c, side] = sizes(size);
                let (x, p) = (operands.normal(&[n, c, side, side])?, windows(side)?);
                gives(move || x.gather_patches(&p))
            },
        },
        Case {
            op: "average_patches",
            axes: CANVASES,
            numbers: REALS,
            small: SMALL_CANVASES,
            cpu: CPU_CANVASES,
            gpu: GPU_CANVASES,
            terms: |_| 4,
            make: |operands, size| {
                let ([n, c, side], p) = (sizes(size), windows(sizes::<3>(size)[2])?);
                let y = operands.normal(&[n, p.offsets().len(), c, side / 2, side / 2])?;
                let shares = Tensor::patch_shares(operands.device(), operands.dtype(), &p, None)?;
                gives(move || y.average_patches(&p, &shares))
            },
        },
    ],
};
