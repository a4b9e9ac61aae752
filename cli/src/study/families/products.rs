//! What multiplies: matrix products, convolutions, attention. Bound by arithmetic where they are large.

use super::moves::turns;
use super::{PRODUCTS, REALS, give, gives, rung, sizes};
use crate::study::{Case, Family, Operands};
use tensor::ops::attention::{Attention, Rotation};
use tensor::ops::conv::Conv;
use tensor::ops::epilogue::Epilogue;
use tensor::ops::pointwise::Function;
use tensor::ops::rope::Rope;
use tensor::{Result, Tensor};

pub(crate) static MATMUL: Family = Family {
    name: "matmul",
    processor: [
        rung("a sum for each element", &["matmul/reference.rs"]),
        rung("tiles kept in registers run over packed panels", &["matmul/single.rs", "tile/rows.rs"]),
    ],
    gpu: &[
        rung("tiles of 64 x 64 in shared memory, the ordinary cores, any strides", &["matmul/cuda/v1.cu"]),
        rung(
            "the tensor cores (mma.sync), or the ordinary for f32, fed by cp.async",
            &["matmul/cuda/v2.cu", "matmul/cuda/shares.cu"],
        ),
        rung("tiles of 128 x 128 on Hopper's (wgmma), fed by TMA; bf16 and f16", &["matmul/cuda/v3.cu"]),
    ],
    cases: &[
        Case {
            op: "matmul",
            axes: "rows x columns x depth",
            numbers: PRODUCTS,
            small: &[&[72, 136, 328]],
            cpu: &[&[256; 3], &[1024; 3]],
            gpu: &[&[1024; 3], &[4096; 3]],
            terms: |size| size[2],
            make: |operands, size| {
                let [m, n, k] = sizes(size);
                let (a, b) = (operands.normal(&[m, k])?, operands.normal(&[k, n])?);
                gives(move || a.matmul(&b))
            },
        },
        Case {
            op: "matmul of few results",
            axes: "rows x columns x depth",
            small: &[&[24, 40, 1536]],
            cpu: &[&[256, 256, 4096]],
            gpu: &[&[768, 768, 16384]],
            make: |operands, size| {
                let [m, n, k] = sizes(size);
                let (a, b) = (operands.normal(&[k, m])?.transpose(0, 1)?, operands.normal(&[k, n])?);
                gives(move || a.matmul(&b))
            },
            ..LINEAR
        },
        LINEAR,
        Case {
            op: "linear with GELU and residual",
            make: |operands, size| {
                let [x, w, bias, residual] = layer(operands, size)?;
                gives(move || {
                    let (bias, residual) = (Some(&bias), Some(&residual));
                    x.linear_with(&w, &Epilogue { bias, activation: Some(Function::Gelu), residual })
                })
            },
            ..LINEAR
        },
    ],
};

const LINEAR: Case = Case {
    op: "linear",
    axes: "rows x outputs x inputs",
    numbers: PRODUCTS,
    small: &[&[77, 72, 136]],
    cpu: &[&[64, 512, 512]],
    gpu: &[&[256, 4096, 4096]],
    terms: |size| size[2],
    make: |operands, size| {
        let [x, w, bias, _] = layer(operands, size)?;
        gives(move || x.linear(&w, Some(&bias)))
    },
};

/// Rows, a weight, a bias, and a residual.
fn layer(operands: &Operands, size: &[usize]) -> Result<[Tensor; 4]> {
    let [rows, outputs, inputs] = sizes(size);
    let (x, w) = (operands.normal(&[rows, inputs])?, operands.normal(&[outputs, inputs])?);
    Ok([x, w, operands.normal(&[outputs])?, operands.normal(&[rows, outputs])?])
}

/// Taps of the convolutions along an axis.
const TAPS: usize = 3;

/// Images `[n, c, side, side]`, cotangents of as many of `o` channels, and a weight.
fn images(operands: &Operands, size: &[usize]) -> Result<[Tensor; 3]> {
    let [n, c, o, side] = sizes(size);
    let (x, g) = (operands.image(&[n, c, side, side])?, operands.image(&[n, o, side, side])?);
    Ok([x, g, operands.image(&[o, c, TAPS, TAPS])?])
}

pub(crate) static CONV: Family = Family {
    name: "conv",
    processor: [
        rung("the definition, tap by tap", &["conv/reference.rs"]),
        rung("sweeps over bands of an image; 3 x 3 taps by Winograd", &["conv/sweep.rs", "conv/winograd.rs"]),
    ],
    gpu: &[
        rung("implicit matrix products on the ordinary cores", &["conv/cuda/v1.cu"]),
        rung("the same from a ring of stages, on the tensor cores or the ordinary for f32", &["conv/cuda/v2.cu"]),
        rung("the same on Hopper's, images gathered, matrices by TMA; bf16 and f16", &["conv/cuda/v3.cu"]),
    ],
    cases: &[
        FORWARD,
        Case {
            op: "conv with residual",
            make: |operands, size| {
                let ([x, residual, w], p) = (images(operands, size)?, Conv::padded(TAPS / 2));
                gives(move || x.conv2d_with(&w, &Epilogue { residual: Some(&residual), ..Epilogue::default() }, &p))
            },
            ..FORWARD
        },
        Case {
            op: "conv input gradient",
            terms: |size| size[2] * TAPS * TAPS,
            make: |operands, size| {
                let [x, g, w] = images(operands, size)?;
                gives(move || g.conv2d_input_gradient(&w, &Conv::padded(TAPS / 2), x.shape()))
            },
            ..FORWARD
        },
        Case {
            op: "conv weight gradient",
            terms: |size| size[0] * size[3] * size[3],
            make: |operands, size| {
                let [x, g, w] = images(operands, size)?;
                gives(move || x.conv2d_weight_gradient(&g, &Conv::padded(TAPS / 2), w.shape()))
            },
            ..FORWARD
        },
    ],
};

const FORWARD: Case = Case {
    op: "conv",
    axes: "images x channels x filters x side",
    numbers: PRODUCTS,
    small: &[&[2, 16, 24, 9]],
    cpu: &[&[64, 32, 32, 28], &[4, 128, 128, 32]],
    gpu: &[&[64, 128, 128, 64], &[64, 512, 512, 16]],
    terms: |size| size[1] * TAPS * TAPS,
    make: |operands, size| {
        let ([x, _, w], bias) = (images(operands, size)?, operands.normal(&[sizes::<4>(size)[2]])?);
        gives(move || x.conv2d(&w, Some(&bias), &Conv::padded(TAPS / 2)))
    },
};

/// q, k, v and a cotangent.
fn heads(operands: &Operands, size: &[usize]) -> Result<([Tensor; 4], Attention)> {
    let shape: [usize; 4] = sizes(size);
    let draw = || operands.normal(&shape);
    Ok(([draw()?, draw()?, draw()?, draw()?], Attention { scale: 1.0 / (shape[3] as f64).sqrt() }))
}

/// For queries and keys of one place.
fn rotation(operands: &Operands, size: &[usize]) -> Result<Rotation> {
    let [_, _, tokens, width] = sizes(size);
    let table = turns(operands, tokens, width)?;
    Ok(Rotation { p: Rope::default(), q: table.clone(), k: table })
}

pub(crate) static ATTENTION: Family = Family {
    name: "attention",
    processor: [
        rung("the map, row by row", &["attention/reference.rs"]),
        rung("a block of queries over blocks of keys", &["attention/forward.rs", "attention/backward.rs"]),
    ],
    gpu: &[
        rung("a warp a query, tiles of 32 keys in shared memory, the ordinary cores", &["attention/cuda/v1.cu"]),
        rung(
            "64 queries a block on the tensor cores, tiles of keys by cp.async; bf16 and f16",
            &["attention/cuda/v2_forward.cu", "attention/cuda/v2_backward.cu"],
        ),
    ],
    cases: &[
        ATTEND,
        Case {
            op: "attention backward",
            make: |operands, size| {
                let ([q, k, v, g], p) = heads(operands, size)?;
                let (out, lse) = q.attention(&k, &v, &p)?;
                give(move || Tensor::attention_backward([&q, &k, &v], [&out, &lse], &g, &p).map(Vec::from))
            },
            ..ATTEND
        },
        Case {
            op: "rotary attention",
            make: |operands, size| {
                let ([q, k, v, _], p) = heads(operands, size)?;
                let rotation = rotation(operands, size)?;
                give(move || q.rotary_attention(&k, &v, &rotation, &p).map(|(out, lse)| vec![out, lse]))
            },
            ..ATTEND
        },
        Case {
            op: "rotary attention backward",
            make: |operands, size| {
                let ([q, k, v, g], p) = heads(operands, size)?;
                let rotation = rotation(operands, size)?;
                let (out, lse) = q.rotary_attention(&k, &v, &rotation, &p)?;
                give(move || {
                    Tensor::rotary_attention_backward([&q, &k, &v], &rotation, [&out, &lse], &g, &p).map(Vec::from)
                })
            },
            ..ATTEND
        },
    ],
};

const ATTEND: Case = Case {
    op: "attention",
    axes: "samples x heads x tokens x width",
    numbers: REALS,
    small: &[&[1, 2, 72, 40]],
    cpu: &[&[4, 4, 256, 32]],
    gpu: &[&[16, 16, 1024, 64], &[16, 8, 1024, 128]],
    terms: |size| size[2] + size[3],
    make: |operands, size| {
        let ([q, k, v, _], p) = heads(operands, size)?;
        give(move || q.attention(&k, &v, &p).map(|(out, lse)| vec![out, lse]))
    },
};
