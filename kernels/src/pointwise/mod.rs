//! Scalar functions, elementwise, with their first two derivatives: y = f(x) and y = g f(x), f any of f, f', f''.
//!
//! [`Function::value`] is the definition, in f64. In f32 most functions run on vectors, to the bounds stated in `vector`;
//! the others round the f64 value. NaN gives NaN, at every order. At a kink the derivative is the one the table states.

pub(crate) mod cuda;
mod erf;
pub mod reference;
mod table;
#[cfg(test)]
mod tests;
mod vector;

pub use table::Function;

use vector::Evaluate;

use crate::blocks::{self, Blockwise};
use crate::cpu::Simd;
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// `y = f(x)`, with the derivative of `order` 1 or 2 in the place of `f`; equal shapes (stride 0 repeats in `x`).
pub fn apply(device: &Device, f: Function, order: u8, x: View, y: ViewMut) -> Result {
    offered(f, order)?;
    if let Device::Cuda(gpu) = device {
        return cuda::apply(gpu, f, order, x, y);
    }
    blocks::run::<2>(device, f.name(), &Apply { f, order }, &[x], y)
}

/// `y = g f(x)`, with the derivative of `order` 1 or 2 in the place of `f`; equal shapes (stride 0 repeats in `x`, `g`).
pub fn scaled(device: &Device, f: Function, order: u8, x: View, g: View, y: ViewMut) -> Result {
    offered(f, order)?;
    if let Device::Cuda(gpu) = device {
        return cuda::scaled(gpu, f, order, x, g, y);
    }
    blocks::run::<3>(device, f.name(), &Scaled(Apply { f, order }), &[x, g], y)
}

/// What [`apply`] costs, a function counted as one operation.
pub fn apply_cost(y: &Layout, dtype: DType) -> Cost {
    let count = y.count() as u64;
    Cost { flops: count, bytes: 2 * count * dtype.size() as u64 }
}

/// What [`scaled`] costs, a function counted as one operation.
pub fn scaled_cost(y: &Layout, dtype: DType) -> Cost {
    let count = y.count() as u64;
    Cost { flops: 2 * count, bytes: 3 * count * dtype.size() as u64 }
}

/// `y[i] = f(x[i])` for a block of another op.
#[inline(always)]
pub(crate) fn block<S: Simd>(s: S, f: Function, x: &[f32], y: &mut [f32]) {
    s.call(Evaluate { f, order: 0, x, y });
}

fn offered(f: Function, order: u8) -> Result {
    if order <= 2 {
        return Ok(());
    }
    Err(KernelError::Parameter {
        op: f.name(),
        what: format!("derivative {order} is not offered, only up to the second"),
    })
}

struct Apply {
    f: Function,
    order: u8,
}

impl Blockwise<f32> for Apply {
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        s.call(Evaluate { f: self.f, order: self.order, x: x[0], y });
    }
}

impl Blockwise<f64> for Apply {
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::apply(self.f, self.order, x[0], y);
    }
}

struct Scaled(Apply);

impl Blockwise<f32> for Scaled {
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        // Few enough that y is still in the first cache when it is multiplied.
        const NEAR: usize = 1024;
        for ((y, x), g) in y.chunks_mut(NEAR).zip(x[0].chunks(NEAR)).zip(x[1].chunks(NEAR)) {
            s.call(Evaluate { f: self.0.f, order: self.0.order, x, y: &mut *y });
            for (y, g) in y.chunks_mut(S::LANES).zip(g.chunks(S::LANES)) {
                s.put(y, s.mul(s.get(g), s.get(y)));
            }
        }
    }
}

impl Blockwise<f64> for Scaled {
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::scaled(self.0.f, self.0.order, x[0], x[1], y);
    }
}
