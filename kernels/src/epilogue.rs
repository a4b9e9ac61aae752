//! What a product goes through before it is stored: `activation(product + bias) + residual`.
//!
//! The kernels add bias and residual to sums they hold in registers; the tensor-core kernels of 16 bits also apply the usual
//! activations there. What is left is done in place by [`Epilogue::finish`]: on the processor while a small result is still
//! in its caches. In f32 and f64 the bits are those of the ops one after the other; in 16 bits there is one rounding.

use crate::blocks::{self, Blockwise};
use crate::cpu::Simd;
use crate::cuda::DevicePtr;
use crate::pointwise::{self, Function};
use crate::{Device, KernelError, Result, View, ViewMut, combine};

/// What follows a product; nothing by default.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Dense, a number for each column or channel of the result.
    pub bias: Option<View<'a>>,
    /// Applied to the sum with the bias.
    pub activation: Option<Function>,
    /// Added last; of the result's shape, stored as it is.
    pub residual: Option<View<'a>>,
}

impl<'a> Epilogue<'a> {
    /// A bias alone, or nothing.
    pub fn bias(bias: Option<View<'a>>) -> Epilogue<'a> {
        Epilogue { bias, ..Epilogue::default() }
    }

    /// An error unless the residual is stored as the result `y` is.
    pub(crate) fn check(&self, op: &'static str, y: &ViewMut) -> Result {
        let Some(residual) = &self.residual else { return Ok(()) };
        let (own, of_result) = (residual.layout(), y.layout());
        if own.shape != of_result.shape {
            let what = format!("a residual of shape {:?} for a result of shape {:?}", own.shape, of_result.shape);
            return Err(KernelError::Shape { op, what });
        }
        let is_so = |axis: usize| own.shape[axis] == 1 || own.strides[axis] == of_result.strides[axis];
        if own.count() > 0 && !(0..own.rank()).all(is_so) {
            return Err(KernelError::Order { op, what: "the residual", want: "stored as the result is" });
        }
        if residual.dtype() != y.dtype() {
            return Err(KernelError::DType { op, got: residual.dtype(), want: y.dtype().name() });
        }
        Ok(())
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.bias.is_none() && self.activation.is_none() && self.residual.is_none()
    }

    /// What kernels do before they store, and what is left: where their activations are not this one, all that follows it.
    pub(crate) fn split(self, activates: bool) -> (Epilogue<'a>, Epilogue<'a>) {
        match self.activation {
            Some(function) if !(activates && fused(function).is_some()) => {
                (Epilogue::bias(self.bias), Epilogue { bias: None, ..self })
            }
            _ => (self, Epilogue::default()),
        }
    }

    /// Activation and residual, in place.
    pub(crate) fn finish(&self, device: &Device, op: &'static str, y: ViewMut) -> Result {
        if self.activation.is_none() && self.residual.is_none() {
            return Ok(());
        }
        let residual = self.residual.as_slice();
        let Device::Cuda(gpu) = device else {
            let work = Finish { activation: self.activation, adds: !residual.is_empty() };
            return blocks::run::<2>(device, op, &work, residual, y);
        };
        let mut y = y;
        if let Some(function) = self.activation {
            // Every thread reads the elements that it writes, before.
            let before = y.on_device(op)?;
            pointwise::cuda::apply(gpu, function, 0, before, y.again())?;
        }
        residual.iter().try_for_each(|&residual| combine::cuda::accumulate(gpu, 1.0, residual, y.again()))
    }

    /// As kernels take it.
    pub(crate) fn on_device(&self, op: &'static str) -> Result<DeviceEpilogue> {
        let pointer = |view: &Option<View>| view.as_ref().map_or(Ok(DevicePtr::NULL), |view| view.pointer(op));
        let activation = self.activation.and_then(fused).unwrap_or(0);
        Ok(DeviceEpilogue { bias: pointer(&self.bias)?, residual: pointer(&self.residual)?, activation, unused: 0 })
    }
}

/// The number of an activation in `cuda/epilogue.cuh`.
fn fused(function: Function) -> Option<u32> {
    match function {
        Function::Silu => Some(1),
        Function::Gelu => Some(2),
        _ => None,
    }
}

/// `Epilogue` of `cuda/epilogue.cuh`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DeviceEpilogue {
    pub(crate) bias: DevicePtr,
    pub(crate) residual: DevicePtr,
    activation: u32,
    unused: u32,
}

// SAFETY: two u64 and two u32: no padding.
unsafe impl bytemuck::Zeroable for DeviceEpilogue {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for DeviceEpilogue {}

struct Finish {
    activation: Option<Function>,
    adds: bool,
}

impl Blockwise<f32> for Finish {
    const UPDATES: bool = true;

    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        const NEAR: usize = 256;
        let mut near = [0.0; NEAR];
        for (part, y) in y.chunks_mut(NEAR).enumerate() {
            if let Some(function) = self.activation {
                let near = &mut near[..y.len()];
                near.copy_from_slice(y);
                pointwise::block(s, function, near, y);
            }
            if self.adds {
                let residual = &x[0][part * NEAR..][..y.len()];
                for (y, residual) in y.chunks_mut(S::LANES).zip(residual.chunks(S::LANES)) {
                    s.put(y, s.add(s.get(y), s.get(residual)));
                }
            }
        }
    }
}

impl Blockwise<f64> for Finish {
    const UPDATES: bool = true;

    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        if let Some(function) = self.activation {
            y.iter_mut().for_each(|y| *y = function.value(0, *y));
        }
        if self.adds {
            y.iter_mut().zip(x[0]).for_each(|(y, residual)| *y += residual);
        }
    }
}
