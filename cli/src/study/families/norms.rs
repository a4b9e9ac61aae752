//! Group and layer norm, with their affine map, and their gradients. Bound by memory.

use super::{REALS, give, gives, rung, sizes};
use crate::study::{Case, Family, Operands, Run};
use tensor::ops::norm::{GroupNorm, LayerNorm, Norm};
use tensor::{Result, Tensor};

const IMAGES: &str = "images x channels x side";
const SMALL_IMAGES: &[&[usize]] = &[&[2, 32, 9]];
const CPU_IMAGES: &[&[usize]] = &[&[64, 32, 28], &[4, 64, 64]];
const GPU_IMAGES: &[&[usize]] = &[&[64, 128, 64], &[64, 512, 16]];
const ROWS: &str = "rows x width";
const SMALL_ROWS: &[&[usize]] = &[&[37, 136]];
const CPU_ROWS: &[&[usize]] = &[&[4096, 512]];
const GPU_ROWS: &[&[usize]] = &[&[65536, 512], &[8192, 4096]];

/// Channels of a group, and the norm of images in such groups, with SiLU.
const WIDTH: usize = 4;

/// Images, their cotangents, and the norm.
fn image(operands: &Operands, size: &[usize]) -> Result<([Tensor; 2], Norm)> {
    let [n, c, side] = sizes(size);
    let shape = [n, c, side, side];
    let norm = Norm::Group(GroupNorm { groups: c / WIDTH, eps: 1e-5, silu: true });
    Ok(([operands.image(&shape)?, operands.image(&shape)?], norm))
}

/// Rows, their cotangents, and the norm.
fn rows(operands: &Operands, size: &[usize]) -> Result<([Tensor; 2], Norm)> {
    let norm = Norm::Layer(LayerNorm { eps: 1e-5, silu: false });
    Ok(([operands.normal(size)?, operands.normal(size)?], norm))
}

fn forward(operands: &Operands, channels: usize, ([x, _], norm): ([Tensor; 2], Norm)) -> Result<Run> {
    let (weight, bias) = (operands.normal(&[channels])?, operands.normal(&[channels])?);
    gives(move || Ok(x.norm(&norm, [Some(&weight), Some(&bias), None, None])?.y))
}

fn backward(operands: &Operands, channels: usize, ([x, g], norm): ([Tensor; 2], Norm)) -> Result<Run> {
    let (weight, bias) = (operands.normal(&[channels])?, operands.normal(&[channels])?);
    let normed = x.norm(&norm, [Some(&weight), Some(&bias), None, None])?;
    give(move || {
        let (affine, statistics) = ([Some(&weight), Some(&bias), None, None], [&normed.mean, &normed.rstd]);
        let gradients = x.norm_backward(&norm, affine, statistics, &g, [true, true, false, false])?;
        Ok(gradients.into_iter().flatten().collect())
    })
}

pub(crate) static NORM: Family = Family {
    name: "norm",
    processor: [
        rung("mean, variance, map, one set at a time", &["norm/reference.rs"]),
        rung("shifted sums over vectors of channels", &["norm/group/forward.rs", "norm/layer/forward.rs"]),
    ],
    gpu: &[
        rung("a block a set, element by element, three reads; any shape", &["norm/cuda/v1.cu"]),
        rung(
            "tiles of 16-byte vectors that wait in shared memory: one read, one write",
            &[
                "norm/cuda/group_forward.cu",
                "norm/cuda/group_backward.cu",
                "norm/cuda/layer_forward.cu",
                "norm/cuda/layer_backward.cu",
                "norm/cuda/gradients.cu",
            ],
        ),
    ],
    cases: &[
        Case {
            op: "group_norm silu",
            axes: IMAGES,
            numbers: REALS,
            small: SMALL_IMAGES,
            cpu: CPU_IMAGES,
            gpu: GPU_IMAGES,
            terms: |size| WIDTH * size[2] * size[2],
            make: |operands, size| forward(operands, size[1], image(operands, size)?),
        },
        Case {
            op: "group_norm silu backward",
            axes: IMAGES,
            numbers: REALS,
            small: SMALL_IMAGES,
            cpu: CPU_IMAGES,
            gpu: GPU_IMAGES,
            terms: |size| size[0] * size[2] * size[2],
            make: |operands, size| backward(operands, size[1], image(operands, size)?),
        },
        Case {
            op: "layer_norm",
            axes: ROWS,
            numbers: REALS,
            small: SMALL_ROWS,
            cpu: CPU_ROWS,
            gpu: GPU_ROWS,
            terms: |size| size[1],
            make: |operands, size| forward(operands, size[1], rows(operands, size)?),
        },
        Case {
            op: "layer_norm backward",
            axes: ROWS,
            numbers: REALS,
            small: SMALL_ROWS,
            cpu: CPU_ROWS,
            gpu: GPU_ROWS,
            terms: |size| size[0].max(size[1]),
            make: |operands, size| backward(operands, size[1], rows(operands, size)?),
        },
    ],
};
