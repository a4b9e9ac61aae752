//! Group normalisation (Wu and He 2018): the entry points.

mod backward;
mod forward;
mod tiles;

use super::affine::{Affine, AffineGradients};
use super::fold::{Blocks, fold};
use super::reference::{Norm, Sets};
use super::{Sizes, cuda, define_backward, define_forward};
use crate::cpu::team::Parts;
use crate::layout::MAX_RANK;
use crate::rows::shaped;
use crate::{Cost, DType, Device, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};
use backward::Backward;
use forward::Forward;
use tiles::Tiles;

/// Parameters of a group norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Groups of consecutive channels; divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// y, mean and rstd. x, y: `[n, c, ..]`, dense, stored with the channels last; mean, rstd: `[n, groups]`, kept for the
/// backward. All of the dtype of x, f32 or f64; on a GPU
/// also bf16 and f16, with statistics in f32.
///
/// In f32 the sums are of x - m and (x - m)^2, with m the mean of every eighth position: m is so near the mean, in units
/// of the deviation, that the difference of the two sums loses at most a factor of 9 to cancellation.
pub fn group_forward(
    d: &Device,
    p: &GroupNorm,
    x: View,
    affine: &Affine,
    mut y: ViewMut,
    mut mean: ViewMut,
    mut rstd: ViewMut,
) -> Result {
    const OP: &str = "group_norm";
    let norm = p.over(OP, x.layout(), &[("y", y.layout())], mean.layout(), rstd.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, OP, norm, x, affine, y, mean, rstd),
    };
    match x.dtype() {
        DType::F32 if x.layout().count() > 0 => {
            let flops = group_forward_cost(p, x.layout()).flops;
            let (x, affine) = (x.dense(OP)?, affine.typed(OP, norm.sizes)?);
            let (y, mean, rstd) = (y.dense(OP)?, mean.dense(OP)?, rstd.dense(OP)?);
            let (y, mean, rstd) = (Parts::new(y), Parts::new(mean), Parts::new(rstd));
            let tiles = Tiles::new(cpu.isa, p, norm.sizes);
            cpu.team.share(tiles.count(), flops, |range| {
                cpu.isa.run(Forward { tiles, range, affine: &affine, x, y: &y, mean: &mean, rstd: &rstd });
            });
        }
        // Without elements there is nothing to be fast about.
        DType::F32 => define_forward::<f32>(OP, norm, x, affine, y, mean, rstd)?,
        DType::F64 => define_forward::<f64>(OP, norm, x, affine, y, mean, rstd)?,
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// The gradients for the cotangent g of y. x, affine, mean and rstd as [`group_forward`] had and left them; g and dx are
/// stored like x. Computes z again where SiLU needs it. scratch: [`group_backward_scratch`] bytes.
pub fn group_backward(
    d: &Device,
    p: &GroupNorm,
    x: View,
    affine: &Affine,
    mean: View,
    rstd: View,
    g: View,
    mut dx: ViewMut,
    mut gradients: AffineGradients,
    scratch: Scratch,
) -> Result {
    const OP: &str = "group_norm backward";
    let norm = p.over(OP, x.layout(), &[("g", g.layout()), ("dx", dx.layout())], mean.layout(), rstd.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::backward(gpu, OP, norm, x, affine, mean, rstd, g, dx, gradients, scratch),
    };
    match x.dtype() {
        DType::F32 if x.layout().count() > 0 => {
            let flops = group_backward_cost(p, x.layout()).flops;
            let (x, affine, g) = (x.dense(OP)?, affine.typed(OP, norm.sizes)?, g.dense(OP)?);
            let (mean, rstd, dx) = (mean.dense(OP)?, rstd.dense(OP)?, Parts::new(dx.dense(OP)?));
            let gradients = gradients.typed(OP, norm.sizes)?;
            let blocks = Blocks { sizes: norm.sizes, per_sample: 1 };
            let sums = scratch::floats(scratch.into_host(OP)?, blocks.floats(), OP)?;
            let (a, b) = sums.split_at_mut(blocks.floats() / 2);
            let (a, b) = (Parts::new(a), Parts::new(b));
            let tiles = Tiles::new(cpu.isa, p, norm.sizes);
            cpu.team.share(tiles.count(), flops, |range| {
                cpu.isa.run(Backward { tiles, range, affine: &affine, x, mean, rstd, g, dx: &dx, a: &a, b: &b });
            });
            fold(cpu, blocks, sums, &affine, gradients);
        }
        DType::F32 => define_backward::<f32>(OP, norm, x, affine, mean, rstd, g, dx, gradients)?,
        DType::F64 => define_backward::<f64>(OP, norm, x, affine, mean, rstd, g, dx, gradients)?,
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// Bytes of scratch for [`group_backward`]; x: `[n, c, ..]`.
pub fn group_backward_scratch(d: &Device, p: &GroupNorm, x: &Layout, dtype: DType) -> usize {
    if let (Device::Cuda(gpu), &[samples, channels, ref space @ ..]) = (d, &*x.shape) {
        let sizes = Sizes { samples, positions: space.iter().product(), channels };
        return cuda::backward_scratch(gpu, sizes, Sets::Groups(p.groups), dtype);
    }
    if dtype != DType::F32 { 0 } else { scratch::bytes(2 * x.shape.iter().take(2).product::<usize>()) }
}

/// Two sums, the map, and SiLU (an exponential counted one); x and y once.
pub fn group_forward_cost(p: &GroupNorm, x: &Layout) -> Cost {
    let count = x.count() as u64;
    Cost { flops: count * if p.silu { 12 } else { 8 }, bytes: 8 * count }
}

/// The map and SiLU's slope again, two sums, and dx; x, g and dx once.
pub fn group_backward_cost(p: &GroupNorm, x: &Layout) -> Cost {
    let count = x.count() as u64;
    Cost { flops: count * if p.silu { 21 } else { 10 }, bytes: 12 * count }
}

impl GroupNorm {
    /// The norm of an x of this layout, when the other operands fit it: `like`, stored as x, and the statistics.
    fn over(
        &self,
        op: &'static str,
        x: &Layout,
        like: &[(&'static str, &Layout)],
        mean: &Layout,
        rstd: &Layout,
    ) -> Result<Norm> {
        let &[samples, channels, ref space @ ..] = &*x.shape else {
            return Err(KernelError::Shape { op, what: format!("x has shape {:?}, expected [n, c, ..]", x.shape) });
        };
        if self.groups == 0 || !channels.is_multiple_of(self.groups) {
            let what = format!("{} groups do not divide {channels} channels", self.groups);
            return Err(KernelError::Parameter { op, what });
        }
        for &(what, layout) in [("x", x)].iter().chain(like) {
            shaped(op, what, layout, &x.shape)?;
            if !is_channels_inside(layout) {
                return Err(KernelError::Order { op, what, want: "dense, with the channels last in storage" });
            }
        }
        for (what, layout) in [("mean", mean), ("rstd", rstd)] {
            shaped(op, what, layout, &[samples, self.groups])?;
            if !layout.is_contiguous() {
                return Err(KernelError::Order { op, what, want: "row-major" });
            }
        }
        let sizes = Sizes { samples, positions: space.iter().product(), channels };
        Ok(Norm { sizes, sets: Sets::Groups(self.groups), eps: self.eps, silu: self.silu })
    }
}

/// Whether `[n, c, ..]` is stored as dense `[n, .., c]`; [`Layout::is_channels_last`] for every rank.
fn is_channels_inside(layout: &Layout) -> bool {
    let mut order: [usize; MAX_RANK] = std::array::from_fn(|axis| axis);
    order[1..layout.rank()].rotate_left(1);
    layout.count() == 0 || layout.same_order(&Layout::in_order(layout.shape, &order[..layout.rank()]))
}
