//! What moves memory: copies, pointwise functions, reductions, norms, optimisers; some 100 to 200 MB each.

use super::Bench;
use tensor::ops::norm::{GroupNorm, LayerNorm, Norm};
use tensor::ops::optim::{self, Adam, AdamStep, Numbers, Slot};
use tensor::ops::pointwise::Function;
use tensor::{DType, Result, Tensor};

/// Elements of a large operand, and of one to rehearse with.
const COUNT: [usize; 2] = [32 << 20, 32 << 13];

pub(super) fn all(bench: &mut Bench) -> Result<()> {
    let count = bench.size(COUNT[0], COUNT[1]);
    // The roof: the driver's own copy.
    if bench.wants("copy of the driver") {
        let from = bench.draw(DType::F32, &[count])?;
        let mut to = from.copy()?;
        bench.time_counted("copy of the driver", [0.0, 8.0 * count as f64], || to.overwrite(&from))?;
    }
    for dtype in [DType::F32, DType::BF16] {
        pointwise(bench, dtype)?;
        rows(bench, dtype)?;
        norms(bench, dtype)?;
    }
    adam(bench)
}

fn pointwise(bench: &mut Bench, dtype: DType) -> Result<()> {
    let count = bench.size(COUNT[0], COUNT[1]);
    let (x, y) = (bench.draw(dtype, &[count])?, bench.draw(dtype, &[count])?);
    let column = bench.draw(dtype, &[256])?.broadcast_to(&[count / 256, 256])?;
    let matrix = x.reshape(&[count / 4096, 4096])?;
    let shape = [bench.size(32, 1), 256, bench.size(64, 32), bench.size(64, 32)];
    let image = x.reshape(&shape)?;
    bench.time(&format!("copy {dtype}"), || x.copy().map(drop))?;
    bench.time(&format!("add {dtype}"), || x.add(&y).map(drop))?;
    bench.time(&format!("multiply {dtype}"), || x.mul(&y).map(drop))?;
    let table = x.reshape(&[count / 256, 256])?;
    bench.time(&format!("multiply by a row {dtype}"), || table.mul(&column).map(drop))?;
    bench.time(&format!("silu {dtype}"), || x.map(Function::Silu, 0).map(drop))?;
    bench.time(&format!("silu backward {dtype}"), || x.map_scaled(Function::Silu, 1, &y).map(drop))?;
    bench.time(&format!("gelu {dtype}"), || x.map(Function::Gelu, 0).map(drop))?;
    bench.time(&format!("transpose {dtype}"), || matrix.transpose(0, 1)?.contiguous().map(drop))?;
    bench.time(&format!("to channels last {dtype}"), || image.channels_last().map(drop))?;
    let other = if dtype == DType::F32 { DType::BF16 } else { DType::F32 };
    bench.time(&format!("cast {dtype} to {other}"), || x.cast(other).map(drop))?;
    let (left, right) = (image.channels_last()?, y.reshape(&shape)?.channels_last()?);
    bench.time(&format!("concat channels {dtype}"), || Tensor::concat(&[&left, &right], 1).map(drop))
}

fn rows(bench: &mut Bench, dtype: DType) -> Result<()> {
    let count = bench.size(COUNT[0], COUNT[1]);
    for width in [256, 4096] {
        let x = bench.draw(dtype, &[count / width, width])?;
        bench.time(&format!("softmax {width} {dtype}"), || x.softmax().map(drop))?;
        bench.time(&format!("sum of rows {width} {dtype}"), || x.sum_keep(&[1]).map(drop))?;
        bench.time(&format!("sum of columns {width} {dtype}"), || x.sum_keep(&[0]).map(drop))?;
    }
    let x = bench.draw(dtype, &[count])?;
    bench.time(&format!("sum of all {dtype}"), || x.sum_all().map(drop))
}

fn norms(bench: &mut Bench, dtype: DType) -> Result<()> {
    // [n, c, side]: the first and the last level of a large U-Net, and U-Net A's first.
    for [n, c, side, groups] in [[64, 128, 64, 32], [64, 512, 16, 32], [256, 32, 28, 8]] {
        let (n, side) = (bench.size(n, 2), bench.size(side, 8));
        let norm = Norm::Group(GroupNorm { groups, eps: 1e-5, silu: true });
        let image = bench.draw(dtype, &[n, c, side, side])?.channels_last()?;
        timed(bench, &format!("group_norm silu {n}x{c}x{side} {dtype}"), &norm, &image, c)?;
    }
    for width in [512, 4096] {
        let norm = Norm::Layer(LayerNorm { eps: 1e-5, silu: false });
        let x = bench.draw(dtype, &[bench.size(COUNT[0], COUNT[1]) / width, width])?;
        timed(bench, &format!("layer_norm {width} {dtype}"), &norm, &x, width)?;
    }
    Ok(())
}

fn timed(bench: &mut Bench, name: &str, norm: &Norm, x: &Tensor, channels: usize) -> Result<()> {
    let (weight, bias) = (bench.draw(x.dtype(), &[channels])?, bench.draw(x.dtype(), &[channels])?);
    let affine = [Some(&weight), Some(&bias), None, None];
    let normed = x.norm(norm, affine)?;
    let needs = [true, true, false, false];
    bench.time(name, || x.norm(norm, affine).map(drop))?;
    let statistics = [&normed.mean, &normed.rstd];
    bench.time(&format!("{name} backward"), || x.norm_backward(norm, affine, statistics, &normed.y, needs).map(drop))
}

fn adam(bench: &mut Bench) -> Result<()> {
    let param = bench.draw(DType::F32, &[bench.size(COUNT[0], COUNT[1])])?;
    let (gradient, m, v) = (param.copy()?, param.copy()?, param.map(Function::Square, 0)?);
    let (step, slots) = (AdamStep::new(&Adam::default(), 1e-4, 10, 1.0), [Slot { param, gradient, m, v }]);
    bench.time("adam f32", || optim::adam(Numbers::Given(&step), &slots))
}
