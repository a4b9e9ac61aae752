//! What multiplies, on the processor: the shapes of U-Nets A to C and larger ones, forward and with their gradients, through
//! the tape as users run them. As peers count it, a gradient is as much work as the forward pass.

use super::Bench;
use autograd::ops::attention::Attention;
use autograd::ops::conv::Conv;
use autograd::{DType, Grad, Var, grad};

/// Images, channels, filters, side; 3 x 3 taps.
const CONVOLUTIONS: [[usize; 4]; 8] = [
    [64, 32, 32, 28],
    [64, 64, 64, 14],
    [64, 128, 128, 7],
    [64, 1, 32, 28],
    [16, 64, 64, 64],
    [4, 128, 128, 32],
    [8, 64, 64, 14],
    [1, 64, 64, 14],
];
const PRODUCTS: [usize; 3] = [256, 1024, 2048];
/// Samples, heads, tokens, width.
const ATTENTIONS: [[usize; 4]; 2] = [[64, 4, 196, 32], [64, 8, 49, 8]];

pub(super) fn all(bench: &mut Bench) -> nn::Result<()> {
    for size in CONVOLUTIONS {
        convolution(bench, size)?;
    }
    for size in PRODUCTS {
        let name = format!("matmul {size}");
        if bench.wants(&name) {
            let size = bench.size(size, 32);
            let (a, b) = (bench.draw(DType::F32, &[size, size])?, bench.draw(DType::F32, &[size, size])?);
            bench.time::<tensor::Error>(&name, || a.matmul(&b).map(drop))?;
        }
    }
    for size in ATTENTIONS {
        attention(bench, size)?;
    }
    Ok(())
}

fn convolution(bench: &mut Bench, [n, c, o, side]: [usize; 4]) -> nn::Result<()> {
    let name = format!("conv {n}x{c}x{side} to {o}");
    if !bench.wants(&name) {
        return Ok(());
    }
    let [n, side] = bench.size([n, side], [1, 7]);
    let image = |channels| bench.draw(DType::F32, &[n, channels, side, side])?.channels_last();
    let (x, g) = (image(c)?, Var::constant(image(o)?));
    let (w, p) = (bench.draw(DType::F32, &[o, c, 3, 3])?, Conv::padded(1));
    let bias = bench.draw(DType::F32, &[o])?;
    let (x, w, bias) = (Var::leaf(x), Var::leaf(w), Var::constant(bias));
    let (still, fixed) = (x.detach(), w.detach());
    bench.time::<autograd::Error>(&format!("{name} forward"), || still.conv2d(&fixed, Some(&bias), &p).map(drop))?;
    bench.time::<autograd::Error>(&format!("{name} forward and backward"), || {
        let how = Grad { cotangent: Some(g.clone()), ..Grad::default() };
        grad(&x.conv2d(&w, Some(&bias), &p)?, &[&x, &w], how).map(drop)
    })?;
    Ok(())
}

fn attention(bench: &mut Bench, [samples, heads, tokens, width]: [usize; 4]) -> nn::Result<()> {
    let name = format!("attention {samples}x{heads}x{tokens}x{width}");
    if !bench.wants(&name) {
        return Ok(());
    }
    let [samples, tokens] = bench.size([samples, tokens], [1, 9]);
    let draw = || bench.draw(DType::F32, &[samples, heads, tokens, width]);
    let [q, k, v, g] = [draw()?, draw()?, draw()?, draw()?];
    let p = Attention { scale: 1.0 / (width as f64).sqrt() };
    bench.time::<tensor::Error>(&format!("{name} forward"), || q.attention(&k, &v, &p).map(drop))?;
    let (q, k, v, g) = (Var::leaf(q), Var::leaf(k), Var::leaf(v), Var::constant(g));
    bench.time::<autograd::Error>(&format!("{name} forward and backward"), || {
        let how = Grad { cotangent: Some(g.clone()), ..Grad::default() };
        grad(&q.attention(&k, &v, p.scale)?, &[&q, &k, &v], how).map(drop)
    })?;
    Ok(())
}
