//! Both norms on a GPU.

use super::Sizes;
use super::affine::{Affine, AffineGradients};
use super::reference::{Norm, Sets};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::rows::shaped;
use crate::{DType, KernelError, Result, Scratch, View, ViewMut, scratch};

pub(crate) static SOURCE: Source = Source { name: "norm.cu", text: include_str!("norm.cu") };

/// Positions whose shares of the affine gradients are summed by one block. Fixed, so that a sum depends on its terms alone.
const PART: usize = 256;
/// Channels of such a block.
const CHANNELS: usize = 32;

pub(super) fn forward(
    cuda: &CudaContext,
    op: &'static str,
    norm: Norm,
    x: View,
    affine: &Affine,
    y: ViewMut,
    mean: ViewMut,
    rstd: ViewMut,
) -> Result {
    statistics(op, y.dtype(), [mean.dtype(), rstd.dtype()])?;
    let (shape, affine) = (Shape::of(&norm), Operands::of(op, &norm.sizes, affine, y.dtype())?);
    let name = real(op, reals!("norm"), y.dtype())?;
    let (x, y, mean, rstd) = (x.pointer(op)?, y.pointer(op)?, mean.pointer(op)?, rstd.pointer(op)?);
    cuda.launch(&SOURCE, name, Grid::new(sets(&norm), 256), &[&x, &affine, &y, &mean, &rstd, &shape])
}

pub(super) fn backward(
    cuda: &CudaContext,
    op: &'static str,
    norm: Norm,
    x: View,
    affine: &Affine,
    mean: View,
    rstd: View,
    g: View,
    dx: ViewMut,
    gradients: AffineGradients,
    space: Scratch,
) -> Result {
    let dtype = dx.dtype();
    statistics(op, dtype, [mean.dtype(), rstd.dtype()])?;
    let (shape, affine) = (Shape::of(&norm), Operands::of(op, &norm.sizes, affine, dtype)?);
    let (x, g, dx) = (x.pointer(op)?, g.pointer(op)?, dx.pointer(op)?);
    let (mean, rstd) = (mean.pointer(op)?, rstd.pointer(op)?);
    let name = real(op, reals!("norm_backward"), dtype)?;
    cuda.launch(&SOURCE, name, Grid::new(sets(&norm), 256), &[&x, &affine, &mean, &rstd, &g, &dx, &shape])?;

    let Sizes { samples, positions, channels } = norm.sizes;
    let (channel, sample) = ([channels], [samples, channels]);
    let wanted = [
        target(op, "dweight", &gradients.weight, &channel, dtype)?,
        target(op, "dbias", &gradients.bias, &channel, dtype)?,
        target(op, "dscale", &gradients.scale, &sample, dtype)?,
        target(op, "dshift", &gradients.shift, &sample, dtype)?,
    ];
    if wanted == [DevicePtr::NULL; 4] {
        return Ok(());
    }
    let a = scratch::device(&space, backward_scratch(norm.sizes, dtype), op)?;
    let b = a.offset(backward_scratch(norm.sizes, dtype) / 2);
    let parts = positions.div_ceil(PART);
    let grid = Grid { blocks: [channels.div_ceil(CHANNELS), parts, samples], ..Grid::new(1, 256) };
    let name = real(op, reals!("norm_sums"), dtype)?;
    cuda.launch(&SOURCE, name, grid, &[&x, &affine, &mean, &rstd, &g, &a, &b, &shape, &(PART as u32)])?;
    let name = real(op, reals!("norm_gradients"), dtype)?;
    let [weight, bias, scale, shift] = &wanted;
    let grid = Grid::new(channels.div_ceil(128), 128);
    cuda.launch(&SOURCE, name, grid, &[&a, &b, &affine, weight, bias, scale, shift, &shape, &(parts as u32)])
}

/// Bytes of scratch of [`backward`]: two sums for each sample, part and channel.
pub(super) fn backward_scratch(sizes: Sizes, dtype: DType) -> usize {
    let size = dtype.wide().size();
    2 * size * sizes.samples * sizes.positions.div_ceil(PART) * sizes.channels
}

/// What shares a mean.
fn sets(norm: &Norm) -> usize {
    match norm.sets {
        Sets::Groups(groups) => norm.sizes.samples * groups,
        Sets::Positions => norm.sizes.samples * norm.sizes.positions,
    }
}

/// `Shape` of `norm.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Shape {
    samples: u32,
    positions: u32,
    channels: u32,
    groups: u32,
    silu: u32,
    unused: u32,
    eps: f64,
}

// SAFETY: six u32 and an f64, without padding.
unsafe impl bytemuck::Zeroable for Shape {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Shape {}

impl Shape {
    fn of(norm: &Norm) -> Shape {
        let groups = if let Sets::Groups(groups) = norm.sets { groups as u32 } else { 0 };
        let Sizes { samples, positions, channels } = norm.sizes;
        Shape {
            samples: samples as u32,
            positions: positions as u32,
            channels: channels as u32,
            groups,
            silu: norm.silu.into(),
            unused: 0,
            eps: norm.eps,
        }
    }
}

/// `Affine` of `norm.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Operands {
    pointers: [DevicePtr; 4],
    strides: [u64; 2],
}

// SAFETY: u64 throughout.
unsafe impl bytemuck::Zeroable for Operands {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Operands {}

impl Operands {
    fn of(op: &'static str, sizes: &Sizes, affine: &Affine, dtype: DType) -> Result<Operands> {
        let (channel, sample) = ([sizes.channels], [sizes.samples, sizes.channels]);
        let of = |what, view: &Option<View>, shape: &[usize]| -> Result<(DevicePtr, u64)> {
            let Some(view) = view else { return Ok((DevicePtr::NULL, 0)) };
            let layout = view.layout();
            shaped(op, what, layout, shape)?;
            if layout.strides[shape.len() - 1] != 1 && sizes.channels > 1 {
                return Err(KernelError::Order { op, what, want: "contiguous along the channels" });
            }
            if view.dtype() != dtype {
                return Err(KernelError::DType { op, got: view.dtype(), want: dtype.name() });
            }
            Ok((view.pointer(op)?, layout.strides[0] as u64))
        };
        let (weight, _) = of("weight", &affine.weight, &channel)?;
        let (bias, _) = of("bias", &affine.bias, &channel)?;
        let (scale, scale_stride) = of("scale", &affine.scale, &sample)?;
        let (shift, shift_stride) = of("shift", &affine.shift, &sample)?;
        Ok(Operands { pointers: [weight, bias, scale, shift], strides: [scale_stride, shift_stride] })
    }
}

/// Where a gradient goes; null when it is not wanted.
fn target(
    op: &'static str,
    what: &'static str,
    view: &Option<ViewMut>,
    shape: &[usize],
    dtype: DType,
) -> Result<DevicePtr> {
    let Some(view) = view else { return Ok(DevicePtr::NULL) };
    shaped(op, what, view.layout(), shape)?;
    match view.layout().is_contiguous() && view.dtype() == dtype {
        true => view.pointer(op),
        false => Err(KernelError::Order { op, what, want: "row-major, of the dtype of x" }),
    }
}

/// Statistics are f32, or f64 of an f64 x.
fn statistics(op: &'static str, x: DType, got: [DType; 2]) -> Result {
    let want = x.wide();
    match got.into_iter().find(|&got| got != want) {
        None => Ok(()),
        Some(got) => Err(KernelError::DType { op, got, want: want.name() }),
    }
}
