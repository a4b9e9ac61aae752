//! The operands of attention as its kernels take them; twins of `cuda/attention.cuh` and `cuda/rotary.cuh`.

use crate::attention::geometry::Sizes;
use crate::attention::{Attention, Rotation};
use crate::cuda::DevicePtr;
use crate::{DType, KernelError, Layout, Result, View, ViewMut};

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Shape {
    heads: u32,
    queries: u32,
    keys: u32,
    width: u32,
    value_width: u32,
    scale_f32: f32,
    scale: f64,
}

// SAFETY: six numbers of four bytes and an f64, without padding.
unsafe impl bytemuck::Zeroable for Shape {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Shape {}

impl Shape {
    pub(super) fn of(p: &Attention, sizes: &Sizes) -> Shape {
        Shape {
            heads: sizes.heads as u32,
            queries: sizes.queries as u32,
            keys: sizes.keys as u32,
            width: sizes.width as u32,
            value_width: sizes.value_width as u32,
            scale_f32: p.scale as f32,
            scale: p.scale,
        }
    }
}

/// The tables by which q and k are turned, or null: `Rotation` in `cuda/rotary.cuh`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Turns {
    q: DevicePtr,
    k: DevicePtr,
    /// From number to number of a pair, where pairs are not neighbours.
    half: u32,
    interleaved: u32,
}

// SAFETY: two addresses and two u32, without padding.
unsafe impl bytemuck::Zeroable for Turns {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Turns {}

impl Turns {
    pub(super) fn of(op: &'static str, rotation: Option<&Rotation>, sizes: &Sizes) -> Result<Turns> {
        let Some(Rotation { p, q, k }) = rotation else {
            return Ok(Turns { q: DevicePtr::NULL, k: DevicePtr::NULL, half: 1, interleaved: 0 });
        };
        let half = (sizes.width / p.axes / 2).max(1) as u32;
        Ok(Turns { q: q.pointer(op)?, k: k.pointer(op)?, half, interleaved: p.interleaved.into() })
    }

    /// Whether pairs can be turned four at a time.
    pub(super) fn in_packs(&self) -> bool {
        let aligned = |table: DevicePtr| table.address().is_multiple_of(16);
        self.q.address() == 0
            || self.interleaved == 0 && self.half.is_multiple_of(4) && aligned(self.q) && aligned(self.k)
    }
}

/// Rows of a sample, head and position.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Rows {
    data: DevicePtr,
    strides: [u64; 3],
}

// SAFETY: u64 throughout.
unsafe impl bytemuck::Zeroable for Rows {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Rows {}

impl Rows {
    pub(super) fn of(op: &'static str, view: &View, dtype: DType) -> Result<Rows> {
        if view.dtype() != dtype {
            return Err(KernelError::DType { op, got: view.dtype(), want: dtype.name() });
        }
        Rows::at(op, view.layout(), view.pointer(op)?)
    }

    pub(super) fn of_mut(op: &'static str, view: &ViewMut) -> Result<Rows> {
        if !view.layout().is_injective() {
            return Err(KernelError::Order { op, what: "the result", want: "free of repeated elements" });
        }
        Rows::at(op, view.layout(), view.pointer(op)?)
    }

    pub(super) fn at(op: &'static str, layout: &Layout, data: DevicePtr) -> Result<Rows> {
        if layout.shape[3] > 1 && layout.strides[3] != 1 {
            return Err(KernelError::Order { op, what: "an operand", want: "of unit stride along its last axis" });
        }
        // The stride of an axis of one is never used, and may be anything.
        let stride = |axis: usize| if layout.shape[axis] > 1 { layout.strides[axis] as u64 } else { 0 };
        Ok(Rows { data, strides: [stride(0), stride(1), stride(2)] })
    }

    /// Whether every row begins at a multiple of 16 bytes.
    pub(super) fn aligned(&self, dtype: DType) -> bool {
        let strides = self.strides.iter().map(|stride| stride * dtype.size() as u64);
        strides.chain([self.data.address()]).all(|place| place % 16 == 0)
    }
}
