//! Elementwise product.

pub(crate) mod cuda;
pub mod reference;
#[cfg(test)]
mod tests;

use crate::blocks::{self, Blockwise};
use crate::cpu::Simd;
use crate::{Cost, DType, Device, Layout, Result, View, ViewMut};

/// `y = a b`, operands of `y`'s shape (stride 0 repeats); f32 or f64.
pub fn forward(device: &Device, a: View, b: View, y: ViewMut) -> Result {
    if let Device::Cuda(gpu) = device {
        return cuda::forward(gpu, a, b, y);
    }
    blocks::run::<3>(device, "multiply", &Multiply, &[a, b], y)
}

/// What [`forward`] costs.
pub fn forward_cost(y: &Layout, dtype: DType) -> Cost {
    let count = y.count() as u64;
    Cost { flops: count, bytes: 3 * count * dtype.size() as u64 }
}

struct Multiply;

impl Blockwise<f32> for Multiply {
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        for ((y, a), b) in y.chunks_mut(S::LANES).zip(x[0].chunks(S::LANES)).zip(x[1].chunks(S::LANES)) {
            s.put(y, s.mul(s.get(a), s.get(b)));
        }
    }
}

impl Blockwise<f64> for Multiply {
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::forward(x[0], x[1], y);
    }
}
