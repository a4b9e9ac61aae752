//! Linear combinations on a GPU.

use super::TERMS;
use crate::cuda::elementwise::{reals, run};
use crate::cuda::{CudaContext, DevicePtr, Source};
use crate::{Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "combine.cu", text: include_str!("combine.cu") };

/// As in `combine.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Coefficients {
    at: [f64; TERMS],
    table: DevicePtr,
}

// SAFETY: f64, then a u64: no padding.
unsafe impl bytemuck::Zeroable for Coefficients {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Coefficients {}

impl Coefficients {
    /// Of the launch, at most [`TERMS`].
    pub(super) fn given(c: &[f64]) -> Coefficients {
        let mut at = [0.0; TERMS];
        at[..c.len()].copy_from_slice(c);
        Coefficients { at, table: DevicePtr::NULL }
    }

    /// Of a table of as many as there are terms.
    pub(super) fn of(op: &'static str, table: View) -> Result<Coefficients> {
        Ok(Coefficients { at: [0.0; TERMS], table: table.pointer(op)? })
    }
}

pub(super) fn forward(cuda: &CudaContext, c: Coefficients, x: &[View], y: ViewMut) -> Result {
    if x.len() == 2 {
        return run::<3>(cuda, "combine", &SOURCE, reals!("combine2"), x, y, &[&c]);
    }
    run::<{ TERMS + 1 }>(cuda, "combine", &SOURCE, reals!("combine"), x, y, &[&c, &(x.len() as i32)])
}

pub(crate) fn accumulate(cuda: &CudaContext, c: f64, x: View, y: ViewMut) -> Result {
    run::<2>(cuda, "accumulate", &SOURCE, reals!("accumulate"), &[x], y, &[&c])
}
