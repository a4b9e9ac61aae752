//! Elementwise kernels: operands of any strides and one dtype, and a few numbers.
//!
//! The device's half is `cuda/strided.cuh`; a kernel of this kind takes `Elementwise<N>` and its own parameters.

use super::nest::{DeviceNest, Transposed};
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
    lanes: u32,
    splat: u32,
    rest: u32,
    unused: u32,
}

// SAFETY: u64, then u32 in an even number: no padding.
unsafe impl<const N: usize> bytemuck::Zeroable for Elementwise<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> bytemuck::Pod for Elementwise<N> {}

impl<const N: usize> Elementwise<N> {
    /// `x`, fewer than `N` operands of `y`'s shape, and `y`. By vectors, where they come in some: of 16 bytes, or as many
    /// elements as 16 bytes have of the widest operand.
    pub(crate) fn new(op: &'static str, x: &[View], y: &ViewMut) -> Result<Elementwise<N>> {
        let all = Elementwise::one_by_one(op, x, y)?;
        let size = |i: usize| i.checked_sub(1).and_then(|i| x.get(i)).map_or(y.dtype(), |x| x.dtype()).size();
        let lanes = 16 / (0..=x.len()).map(size).max().unwrap_or(16);
        Ok(all.by(lanes, size).unwrap_or(all))
    }

    /// The same, never by vectors.
    pub(crate) fn one_by_one(op: &'static str, x: &[View], y: &ViewMut) -> Result<Elementwise<N>> {
        same_shape(op, x, y.layout())?;
        writable(op, y.layout())?;
        let layout = |i: usize| i.checked_sub(1).and_then(|i| x.get(i)).map_or(y.layout(), |x| x.layout());
        let layouts: [&Layout; N] = std::array::from_fn(layout);
        let mut operands = [DevicePtr::NULL; N];
        operands[0] = y.pointer(op)?;
        for (operand, x) in operands[1..].iter_mut().zip(x) {
            *operand = x.pointer(op)?;
        }
        Ok(Elementwise { operands, nest: DeviceNest::new(op, layouts)?, lanes: 1, splat: 0, rest: 0, unused: 0 })
    }

    /// By vectors of `lanes` elements, where all is made of them; `size`: bytes of an element of each operand.
    fn by(&self, lanes: usize, size: impl Fn(usize) -> usize) -> Option<Elementwise<N>> {
        let is_aligned = |i: usize| self.operands[i].address().is_multiple_of((lanes * size(i)) as u64);
        let (nest, splat, rest) = self.nest.in_steps(lanes as u32, is_aligned)?;
        Some(Elementwise { nest, lanes: lanes as u32, splat, rest, ..*self })
    }

    /// Whether most of it is done by vectors.
    pub(crate) fn is_in_vectors(&self) -> bool {
        self.lanes != 1
    }

    /// One by one, of elements of `unit` bytes instead of `size`, where all is made of them.
    pub(crate) fn in_units(&self, size: usize, unit: usize) -> Option<Elementwise<N>> {
        let lanes = unit / size;
        let units = self.by(lanes, |_| size).filter(|units| units.splat == 0 && units.rest == 0)?;
        Some(Elementwise { nest: units.nest.in_units(lanes as u32), lanes: 1, ..units })
    }

    /// Where the operands lie, the result first.
    pub(crate) fn pointers(&self) -> [DevicePtr; N] {
        self.operands
    }

    /// Runs a kernel over all elements, with `parameters` after the operands.
    pub(crate) fn launch(
        &self,
        cuda: &CudaContext,
        source: &'static Source,
        name: &'static str,
        parameters: &[&dyn Parameter],
    ) -> Result {
        let threads = self.nest.count.max(self.rest) as usize;
        if threads == 0 {
            return Ok(());
        }
        let mut all: [&dyn Parameter; PARAMETERS + 1] = [self; PARAMETERS + 1];
        all[1..=parameters.len()].copy_from_slice(parameters);
        cuda.launch(source, name, Grid::stride(cuda, threads), &all[..=parameters.len()])
    }
}

impl Elementwise<2> {
    /// A copy as transposes, where its rows are read across.
    pub(crate) fn transposed(&self, least: u32) -> Option<Transposed> {
        self.nest.transposed(least)
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
    Elementwise::<N>::new(op, x, &y)?.launch(cuda, source, real(op, names, dtype)?, parameters)
}
