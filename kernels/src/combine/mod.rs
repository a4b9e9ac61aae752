//! Linear combinations: y = c_0 x_0 + c_1 x_1 + .. in one pass over memory.
//!
//! Terms are added in the order given, each product fused into the sum where the path has fused multiply-add; the
//! coefficients are rounded to the dtype first. A coefficient of 0 still multiplies: 0 times infinity is NaN.

pub mod reference;
#[cfg(test)]
mod tests;

use crate::blocks::{self, Blockwise};
use crate::cpu::{Simd, lanes};
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// The most terms one pass takes.
pub const TERMS: usize = 8;

/// `y = sum_i c_i x_i` for 1 to [`TERMS`] terms of `y`'s shape (stride 0 repeats); f32 or f64.
pub fn forward(device: &Device, terms: &[(f64, View)], y: ViewMut) -> Result {
    match terms.len() {
        1 => combine::<1, 2>(device, terms, y),
        2 => combine::<2, 3>(device, terms, y),
        3 => combine::<3, 4>(device, terms, y),
        4 => combine::<4, 5>(device, terms, y),
        5 => combine::<5, 6>(device, terms, y),
        6 => combine::<6, 7>(device, terms, y),
        7 => combine::<7, 8>(device, terms, y),
        8 => combine::<8, 9>(device, terms, y),
        n => Err(KernelError::Parameter { op: "combine", what: format!("{n} terms; between 1 and {TERMS} are taken") }),
    }
}

/// `y += c x`, equal shapes (stride 0 repeats in `x`); f32 or f64.
pub fn accumulate(device: &Device, coefficient: f64, x: View, y: ViewMut) -> Result {
    blocks::run::<2>(device, "accumulate", &Accumulate(coefficient), &[x], y)
}

/// What [`forward`] costs for `terms` terms.
pub fn forward_cost(terms: usize, y: &Layout, dtype: DType) -> Cost {
    let (terms, count) = (terms as u64, y.count() as u64);
    Cost { flops: (2 * terms).saturating_sub(1) * count, bytes: (terms + 1) * count * dtype.size() as u64 }
}

/// What [`accumulate`] costs.
pub fn accumulate_cost(y: &Layout, dtype: DType) -> Cost {
    let count = y.count() as u64;
    Cost { flops: 2 * count, bytes: 3 * count * dtype.size() as u64 }
}

fn combine<const N: usize, const OPERANDS: usize>(device: &Device, terms: &[(f64, View)], y: ViewMut) -> Result {
    let x: [View; N] = std::array::from_fn(|i| terms[i].1);
    blocks::run::<OPERANDS>(device, "combine", &Combine::<N>(std::array::from_fn(|i| terms[i].0)), &x, y)
}

/// The coefficients.
struct Combine<const N: usize>([f64; N]);

impl<const N: usize> Blockwise<f32> for Combine<N> {
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        let c = self.0.map(|c| s.splat(c as f32));
        lanes::map(s, y, std::array::from_fn(|i| x[i]), |x: [S::V; N]| {
            let mut sum = s.mul(c[0], x[0]);
            for i in 1..N {
                sum = s.fma(c[i], x[i], sum);
            }
            sum
        });
    }
}

impl<const N: usize> Blockwise<f64> for Combine<N> {
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::forward(&self.0, x, y);
    }
}

/// The coefficient.
struct Accumulate(f64);

impl Blockwise<f32> for Accumulate {
    const UPDATES: bool = true;
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        let c = s.splat(self.0 as f32);
        lanes::update(s, y, [x[0]], |y, [x]| s.fma(c, x, y));
    }
}

impl Blockwise<f64> for Accumulate {
    const UPDATES: bool = true;
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::accumulate(self.0, x[0], y);
    }
}
