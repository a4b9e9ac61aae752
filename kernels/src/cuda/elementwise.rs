//! Elementwise kernels: operands of any strides and one dtype, and a few numbers.
//!
//! The device's half is `cuda/strided.cuh`; a kernel of this kind takes `Elementwise<N>` and its own parameters.

use super::nest::DeviceNest;
use super::{CudaContext, DevicePtr, Grid, Parameter, Source};
use crate::blocks::{same_shape, writable};
use crate::{DType, KernelError, Layout, Result, View, ViewMut};

/// The most parameters after the operands.
const PARAMETERS: usize = 8;

/// The names of a kernel that computes in f32, f64, bf16 and f16.
pub(crate) type Reals = [&'static str; 4];

/// `reals!("combine")`: `combine_f32`, `combine_f64`, `combine_bf16`, `combine_f16`.
macro_rules! reals {
    ($name:literal) => {
        [concat!($name, "_f32"), concat!($name, "_f64"), concat!($name, "_bf16"), concat!($name, "_f16")]
    };
}
pub(crate) use reals;

/// The name for `dtype`; an error for integers.
pub(crate) fn real(op: &'static str, names: Reals, dtype: DType) -> Result<&'static str> {
    match dtype {
        DType::F32 => Ok(names[0]),
        DType::F64 => Ok(names[1]),
        DType::BF16 => Ok(names[2]),
        DType::F16 => Ok(names[3]),
        got => Err(KernelError::DType { op, got, want: "f32, f64, bf16 or f16" }),
    }
}

/// The operands of an elementwise kernel, the result first; `N` counts all that the kernel can take.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Elementwise<const N: usize> {
    operands: [DevicePtr; N],
    nest: DeviceNest<N>,
    flat: u32,
    unused: u32,
}

// SAFETY: u64, then u32 in an even number: no padding.
unsafe impl<const N: usize> bytemuck::Zeroable for Elementwise<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> bytemuck::Pod for Elementwise<N> {}

impl<const N: usize> Elementwise<N> {
    /// `x`, fewer than `N` operands of `y`'s shape, and `y`. Operands may differ in dtype: `flat` wants 16-byte vectors of
    /// each, so such kernels do not use it.
    pub(crate) fn new(op: &'static str, x: &[View], y: &ViewMut) -> Result<Elementwise<N>> {
        same_shape(op, x, y.layout())?;
        writable(op, y.layout())?;
        let layout = |i: usize| i.checked_sub(1).and_then(|i| x.get(i)).map_or(y.layout(), |x| x.layout());
        let layouts: [&Layout; N] = std::array::from_fn(layout);
        let mut operands = [DevicePtr::NULL; N];
        operands[0] = y.pointer(op)?;
        for (operand, x) in operands[1..].iter_mut().zip(x) {
            *operand = x.pointer(op)?;
        }
        let nest = DeviceNest::new(op, layouts)?;
        let flat = nest.is_flat() && operands.iter().all(|operand| operand.address() % 16 == 0);
        Ok(Elementwise { operands, nest, flat: flat.into(), unused: 0 })
    }

    /// The same, never by vectors: for operands of different dtypes.
    pub(crate) fn strided(self) -> Self {
        Elementwise { flat: 0, ..self }
    }

    /// Runs a kernel over all elements, with `parameters` after the operands.
    pub(crate) fn launch(
        &self,
        cuda: &CudaContext,
        source: &'static Source,
        name: &'static str,
        dtype: DType,
        parameters: &[&dyn Parameter],
    ) -> Result {
        let count = self.nest.count as usize;
        if count == 0 {
            return Ok(());
        }
        let mut all: [&dyn Parameter; PARAMETERS + 1] = [self; PARAMETERS + 1];
        all[1..=parameters.len()].copy_from_slice(parameters);
        let threads = if self.flat != 0 { count.div_ceil(16 / dtype.size()) } else { count };
        cuda.launch(source, name, Grid::stride(cuda, threads), &all[..=parameters.len()])
    }
}

/// Runs the kernel of `names` for `y`'s dtype, which all of `x` share, with `parameters` after the operands.
pub(crate) fn run<const N: usize>(
    cuda: &CudaContext,
    op: &'static str,
    source: &'static Source,
    names: Reals,
    x: &[View],
    y: ViewMut,
    parameters: &[&dyn Parameter],
) -> Result {
    let dtype = y.dtype();
    if let Some(other) = x.iter().find(|x| x.dtype() != dtype) {
        return Err(KernelError::DType { op, got: other.dtype(), want: dtype.name() });
    }
    Elementwise::<N>::new(op, x, &y)?.launch(cuda, source, real(op, names, dtype)?, dtype, parameters)
}
