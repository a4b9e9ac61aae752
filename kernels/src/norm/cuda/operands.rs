//! The operands of the norms, as kernels take them and as they must be.

use crate::cuda::DevicePtr;
use crate::norm::Sizes;
use crate::norm::affine::Affine;
use crate::norm::reference::{Norm, Sets};
use crate::rows::shaped;
use crate::{DType, KernelError, Result, View, ViewMut};

/// `Shape` of `cuda/norm.cuh`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Shape {
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
    /// Sets of a group norm.
    pub(super) fn sets(&self) -> usize {
        self.samples as usize * self.groups as usize
    }

    pub(super) fn of(norm: &Norm) -> Shape {
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

/// `Affine` of `cuda/norm.cuh`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pointers: [DevicePtr; 4],
    strides: [u64; 2],
}

// SAFETY: u64 throughout.
unsafe impl bytemuck::Zeroable for Operands {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Operands {}

impl Operands {
    pub(super) fn of(op: &'static str, sizes: &Sizes, affine: &Affine, dtype: DType) -> Result<Operands> {
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

    /// Whether all rows of channels start at 16-byte boundaries, for elements of `size` bytes.
    pub(super) fn are_aligned(&self, size: usize) -> bool {
        aligned(&self.pointers) && self.strides.iter().all(|stride| (stride * size as u64).is_multiple_of(16))
    }
}

/// Where a gradient goes; null when it is not wanted.
pub(super) fn target(
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
pub(super) fn statistics(op: &'static str, x: DType, got: [DType; 2]) -> Result {
    let want = x.wide();
    match got.into_iter().find(|&got| got != want) {
        None => Ok(()),
        Some(got) => Err(KernelError::DType { op, got, want: want.name() }),
    }
}

/// Whether all start at 16-byte boundaries.
pub(super) fn aligned(pointers: &[DevicePtr]) -> bool {
    pointers.iter().all(|pointer| pointer.address().is_multiple_of(16))
}
