//! Layer normalisation (Ba, Kiros and Hinton 2016): the entry points.

mod backward;
mod forward;

use super::affine::{Affine, AffineGradients};
use super::fold::{Blocks, fold};
use super::reference::{Norm, Sets};
use super::{Sizes, cuda, define_backward, define_forward};
use crate::cpu::team::Parts;
use crate::rows::{Rows, shaped};
use crate::{Cost, DType, Device, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};
use backward::Backward;
use forward::Forward;

/// Parameters of a layer norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f64,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// Rows whose parameter gradients are summed together.
const BLOCK: usize = 32;

/// y, mean and rstd. x, y: `[.., c]`, row-major; mean, rstd: `[..]`, one for each row, kept for the backward. All of the
/// dtype of x, f32 or f64; on a GPU also bf16 and f16, with statistics in f32. With a scale or shift of `[n, c]`, x is `[n, .., c]`.
pub fn layer_forward(
    d: &Device,
    p: &LayerNorm,
    x: View,
    affine: &Affine,
    mut y: ViewMut,
    mut mean: ViewMut,
    mut rstd: ViewMut,
) -> Result {
    const OP: &str = "layer_norm";
    let per_sample = affine.scale.is_some() || affine.shift.is_some();
    let norm = p.over(OP, x.layout(), per_sample, &[("y", y.layout())], mean.layout(), rstd.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, OP, norm, x, affine, y, mean, rstd),
    };
    match x.dtype() {
        DType::F32 if x.layout().count() > 0 => {
            let (flops, channels) = (layer_forward_cost(p, x.layout()).flops, norm.sizes.channels);
            let (x, affine) = (x.dense::<f32>(OP)?, affine.typed(OP, norm.sizes)?);
            let (y, mean, rstd) = (y.dense(OP)?, mean.dense(OP)?, rstd.dense(OP)?);
            let (y, mean, rstd) = (Parts::new(y), Parts::new(mean), Parts::new(rstd));
            cpu.team.share(norm.sizes.samples * norm.sizes.positions, flops, |rows| {
                let elements = rows.start * channels..rows.end * channels;
                // SAFETY: ranges of rows do not overlap.
                let (y, mean, rstd) =
                    unsafe { (y.part(elements.clone()), mean.part(rows.clone()), rstd.part(rows.clone())) };
                cpu.isa.run(Forward { norm, first: rows.start, affine: &affine, x: &x[elements], y, mean, rstd });
            });
        }
        // Without elements there is nothing to be fast about.
        DType::F32 => define_forward::<f32>(OP, norm, x, affine, y, mean, rstd)?,
        DType::F64 => define_forward::<f64>(OP, norm, x, affine, y, mean, rstd)?,
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// The gradients for the cotangent g of y. x, affine, mean and rstd as [`layer_forward`] had and left them; g and dx are
/// stored like x. Computes z again where SiLU needs it. scratch: [`layer_backward_scratch`] bytes.
pub fn layer_backward(
    d: &Device,
    p: &LayerNorm,
    x: View,
    affine: &Affine,
    mean: View,
    rstd: View,
    g: View,
    mut dx: ViewMut,
    mut gradients: AffineGradients,
    scratch: Scratch,
) -> Result {
    const OP: &str = "layer_norm backward";
    let given = affine.scale.is_some() || affine.shift.is_some();
    let per_sample = given || gradients.scale.is_some() || gradients.shift.is_some();
    let like = [("g", g.layout()), ("dx", dx.layout())];
    let norm = p.over(OP, x.layout(), per_sample, &like, mean.layout(), rstd.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::backward(gpu, OP, norm, x, affine, mean, rstd, g, dx, gradients, scratch),
    };
    match x.dtype() {
        DType::F32 if x.layout().count() > 0 => {
            let (flops, Sizes { positions, channels, .. }) = (layer_backward_cost(p, x.layout()).flops, norm.sizes);
            let (x, affine, g) = (x.dense::<f32>(OP)?, affine.typed(OP, norm.sizes)?, g.dense::<f32>(OP)?);
            let (mean, rstd, dx) = (mean.dense::<f32>(OP)?, rstd.dense::<f32>(OP)?, Parts::new(dx.dense(OP)?));
            let gradients = gradients.typed(OP, norm.sizes)?;
            let blocks = Blocks { sizes: norm.sizes, per_sample: positions.div_ceil(BLOCK) };
            let sums = scratch::floats(scratch.into_host(OP)?, blocks.floats(), OP)?;
            let (a, b) = sums.split_at_mut(blocks.floats() / 2);
            let (a, b) = (Parts::new(a), Parts::new(b));
            cpu.team.share(norm.sizes.samples * blocks.per_sample, flops, |range| {
                for block in range {
                    let (sample, from) = (block / blocks.per_sample, block % blocks.per_sample * BLOCK);
                    let rows = sample * positions + from..sample * positions + positions.min(from + BLOCK);
                    let (elements, sums) =
                        (rows.start * channels..rows.end * channels, block * channels..(block + 1) * channels);
                    // SAFETY: blocks, and their rows, do not overlap.
                    let (dx, a, b) = unsafe { (dx.part(elements.clone()), a.part(sums.clone()), b.part(sums)) };
                    let (x, g, mean, rstd) = (&x[elements.clone()], &g[elements], &mean[rows.clone()], &rstd[rows]);
                    cpu.isa.run(Backward { norm, sample, affine: &affine, x, mean, rstd, g, dx, a, b });
                }
            });
            fold(cpu, blocks, sums, &affine, gradients);
        }
        DType::F32 => define_backward::<f32>(OP, norm, x, affine, mean, rstd, g, dx, gradients)?,
        DType::F64 => define_backward::<f64>(OP, norm, x, affine, mean, rstd, g, dx, gradients)?,
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// Bytes of scratch for [`layer_backward`]; x: `[.., c]`. `per_sample`: whether a scale or a shift, or the gradient of
/// one, takes part.
pub fn layer_backward_scratch(d: &Device, _p: &LayerNorm, x: &Layout, per_sample: bool, dtype: DType) -> usize {
    if let (Device::Cuda(gpu), Some(sizes)) = (d, LayerNorm::sizes(x, per_sample)) {
        return cuda::backward_scratch(gpu, sizes, Sets::Positions, dtype);
    }
    match (dtype, LayerNorm::sizes(x, per_sample)) {
        (DType::F32, Some(sizes)) => {
            scratch::bytes(Blocks { sizes, per_sample: sizes.positions.div_ceil(BLOCK) }.floats())
        }
        _ => 0,
    }
}

/// Two sums, the map, and SiLU (an exponential counted one); x and y once.
pub fn layer_forward_cost(p: &LayerNorm, x: &Layout) -> Cost {
    let count = x.count() as u64;
    Cost { flops: count * if p.silu { 13 } else { 9 }, bytes: 8 * count }
}

/// The map and SiLU's slope again, the sums, and dx; x, g and dx once.
pub fn layer_backward_cost(p: &LayerNorm, x: &Layout) -> Cost {
    let count = x.count() as u64;
    Cost { flops: count * if p.silu { 24 } else { 13 }, bytes: 12 * count }
}

impl LayerNorm {
    /// Without anything per sample all rows are one sample's.
    fn sizes(x: &Layout, per_sample: bool) -> Option<Sizes> {
        let (&channels, rows) = x.shape.split_last()?;
        let samples = if per_sample { *rows.first().unwrap_or(&1) } else { 1 };
        let positions = rows[usize::from(per_sample).min(rows.len())..].iter().product();
        Some(Sizes { samples, positions, channels })
    }

    /// The norm of an x of this layout, when the other operands fit it: `like`, stored as x, and the statistics.
    fn over(
        &self,
        op: &'static str,
        x: &Layout,
        per_sample: bool,
        like: &[(&'static str, &Layout)],
        mean: &Layout,
        rstd: &Layout,
    ) -> Result<Norm> {
        for &(what, layout) in [("x", x)].iter().chain(like) {
            shaped(op, what, layout, &x.shape)?;
            Rows::of(op, what, layout)?;
        }
        let (sizes, rows) = match (LayerNorm::sizes(x, per_sample), x.shape.split_last()) {
            (Some(sizes), Some((_, rows))) => (sizes, rows),
            _ => return Err(KernelError::Shape { op, what: "x is a scalar, and has no last axis".into() }),
        };
        for (what, layout) in [("mean", mean), ("rstd", rstd)] {
            shaped(op, what, layout, rows)?;
            if !layout.is_contiguous() {
                return Err(KernelError::Order { op, what, want: "row-major" });
            }
        }
        Ok(Norm { sizes, sets: Sets::Positions, eps: self.eps, silu: self.silu })
    }
}
