//! What multiplies: matrix products, convolutions, attention, in each version that the device can choose.

use super::Bench;
use kernels::cuda::CudaContext;
use tensor::ops::attention::Attention;
use tensor::ops::conv::Conv;
use tensor::{DType, Result, Tensor};

pub(super) fn all(bench: &mut Bench, cuda: &CudaContext) -> Result<()> {
    for (dtype, sizes) in
        [(DType::BF16, &[1024, 2048, 4096, 8192][..]), (DType::F16, &[4096]), (DType::F32, &[1024, 4096])]
    {
        for &size in sizes.iter().take(bench.size(sizes.len(), 1)) {
            let size = bench.size(size, 256);
            each_version(bench, cuda, dtype, |bench, [numbers, version]| {
                let (a, b) = (bench.draw(dtype, &[size, size])?, bench.draw(dtype, &[size, size])?.transpose(0, 1)?);
                bench.time(&format!("matmul {numbers} {size} {version}"), || a.matmul(&b).map(drop))
            })?;
        }
    }
    // [n, c, o, side]: levels of U-Nets, and U-Net A's.
    let levels = [[64, 128, 128, 64], [64, 256, 256, 32], [64, 512, 512, 16], [64, 1024, 512, 16], [64, 64, 64, 14]];
    for level in levels {
        let level = bench.size(level, [1, 64, 32, 8]);
        each_version(bench, cuda, DType::BF16, |bench, kind| convolution(bench, DType::BF16, level, kind))?;
    }
    each_version(bench, cuda, DType::F32, |bench, kind| {
        convolution(bench, DType::F32, bench.size([64, 128, 128, 64], [1, 32, 32, 8]), kind)
    })?;
    for [batch, heads, tokens, width] in [[16, 16, 1024, 64], [4, 16, 4096, 64], [16, 8, 1024, 128], [64, 8, 256, 32]] {
        attention(bench, bench.size([batch, heads, tokens, width], [1, 2, 128, width]))?;
    }
    Ok(())
}

/// What numbers are called, and each version that multiplies them: version 2 takes the ordinary cores for f32 and the tensor
/// cores for the rest, version 3 Hopper's.
fn each_version(
    bench: &mut Bench,
    cuda: &CudaContext,
    dtype: DType,
    mut run: impl FnMut(&mut Bench, [&str; 2]) -> Result<()>,
) -> Result<()> {
    let (device, highest) = (bench.device.clone(), cuda.highest_version());
    let tf32 = cuda.allows_tf32();
    let versions: &[_] = match dtype {
        DType::F32 => &[(["f32", "v2"], false, 2), (["tf32", "v2"], true, 2)],
        _ if cuda.properties().capability == (9, 0) => {
            &[([dtype.name(), "v2"], tf32, 2), ([dtype.name(), "v3"], tf32, 3)]
        }
        _ => &[([dtype.name(), "v2"], tf32, 2)],
    };
    for &(kind, tf32, version) in versions {
        device.allow_tf32(tf32);
        device.limit_version(version);
        run(bench, kind)?;
    }
    device.allow_tf32(tf32);
    device.limit_version(highest);
    Ok(())
}

fn convolution(
    bench: &mut Bench,
    dtype: DType,
    [n, c, o, side]: [usize; 4],
    [numbers, version]: [&str; 2],
) -> Result<()> {
    let name = format!("conv {n}x{c}x{side} to {o} {numbers}");
    if !["", " input gradient", " weight gradient"].iter().any(|part| bench.wants(&format!("{name}{part} {version}"))) {
        return Ok(());
    }
    let image = |bench: &Bench, channels| bench.draw(dtype, &[n, channels, side, side])?.channels_last();
    let (x, g) = (image(bench, c)?, image(bench, o)?);
    let (w, p) = (bench.draw(dtype, &[o, c, 3, 3])?.channels_last()?, Conv::padded(1));
    bench.time(&format!("{name} {version}"), || x.conv2d(&w, None, &p).map(drop))?;
    let back = || g.conv2d_input_gradient(&w, &p, &[n, c, side, side]).map(drop);
    bench.time(&format!("{name} input gradient {version}"), back)?;
    let back = || x.conv2d_weight_gradient(&g, &p, &[o, c, 3, 3]).map(drop);
    bench.time(&format!("{name} weight gradient {version}"), back)
}

fn attention(bench: &mut Bench, [batch, heads, tokens, width]: [usize; 4]) -> Result<()> {
    let name = format!("attention {batch}x{heads}x{tokens}x{width} bf16");
    let draw = |bench: &Bench| bench.draw(DType::BF16, &[batch, heads, tokens, width]);
    let (q, k, v, g) = (draw(bench)?, draw(bench)?, draw(bench)?, draw(bench)?);
    let p = Attention { scale: 1.0 / (width as f64).sqrt() };
    // As peers count it: 2 products forward, 5 backward.
    let (product, operand) = (2.0 * (batch * heads * tokens * tokens * width) as f64, q.count() as f64 * 2.0);
    bench.time_counted(&name, [2.0 * product, 4.0 * operand], || q.attention(&k, &v, &p).map(drop))?;
    let (out, lse) = q.attention(&k, &v, &p)?;
    let back = || Tensor::attention_backward([&q, &k, &v], [&out, &lse], &g, &p).map(drop);
    bench.time_counted(&format!("{name} backward"), [5.0 * product, 8.0 * operand], back)
}
