//! Linear combinations: y = c_0 x_0 + c_1 x_1 + .. in one pass over memory.
//!
//! Terms are added in the order given, each product fused into the sum where the path has fused multiply-add; the
//! coefficients are rounded to the dtype first. A coefficient of 0 still multiplies: 0 times infinity is NaN.

pub(crate) mod cuda;
pub mod reference;
#[cfg(test)]
mod tests;

use crate::blocks::{self, Blockwise};
use crate::cpu::Simd;
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// The most terms one pass takes.
pub const TERMS: usize = 8;

/// `y = sum_i c_i x_i` for 1 to [`TERMS`] terms of `y`'s shape (stride 0 repeats); f32 or f64.
pub fn forward(device: &Device, terms: &[(f64, View)], y: ViewMut) -> Result {
    let (Some(first), count @ ..=TERMS) = (terms.first(), terms.len()) else {
        let what = format!("{} terms; between 1 and {TERMS} are taken", terms.len());
        return Err(KernelError::Parameter { op: "combine", what });
    };
    let (mut c, mut x) = ([0.0; TERMS], [first.1; TERMS]);
    for (i, term) in terms.iter().enumerate() {
        (c[i], x[i]) = *term;
    }
    let (work, x) = (Combine(&c[..count]), &x[..count]);
    if let Device::Cuda(gpu) = device {
        return cuda::forward(gpu, cuda::Coefficients::given(work.0), x, y);
    }
    match count {
        1 => blocks::run::<2>(device, "combine", &work, x, y),
        2 => blocks::run::<3>(device, "combine", &work, x, y),
        _ => blocks::run::<{ TERMS + 1 }>(device, "combine", &work, x, y),
    }
}

/// The same with coefficients of a `table` `[terms]` in f64, dense, where the device keeps its operands: what a recorded step
/// of a GPU reads anew at every replay.
pub fn forward_by(device: &Device, table: View, x: &[View], y: ViewMut) -> Result {
    const OP: &str = "combine_by";
    let terms = x.len();
    if terms == 0 || terms > TERMS || table.layout().shape[..] != [terms] || !table.layout().is_contiguous() {
        let what = format!("{terms} terms, a table {:?}; between 1 and {TERMS} of each", table.layout().shape);
        return Err(KernelError::Parameter { op: OP, what });
    }
    if table.dtype() != DType::F64 {
        return Err(KernelError::DType { op: OP, got: table.dtype(), want: "f64 for coefficients" });
    }
    if let Device::Cuda(gpu) = device {
        return cuda::forward(gpu, cuda::Coefficients::of(OP, table)?, x, y);
    }
    let c = &table.data::<f64>(OP)?[table.layout().offset..][..terms];
    let terms: Vec<(f64, View)> = c.iter().copied().zip(x.iter().copied()).collect();
    forward(device, &terms, y)
}

/// `y += c x`, equal shapes (stride 0 repeats in `x`); f32 or f64.
pub fn accumulate(device: &Device, coefficient: f64, x: View, y: ViewMut) -> Result {
    if let Device::Cuda(gpu) = device {
        return cuda::accumulate(gpu, coefficient, x, y);
    }
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

/// The coefficients.
struct Combine<'a>(&'a [f64]);

impl Blockwise<f32> for Combine<'_> {
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        let c = |i: usize| s.splat(self.0[i] as f32);
        if let [a, b] = x {
            let (c, d) = (c(0), c(1));
            for ((y, a), b) in y.chunks_mut(S::LANES).zip(a.chunks(S::LANES)).zip(b.chunks(S::LANES)) {
                s.put(y, s.fma(d, s.get(b), s.mul(c, s.get(a))));
            }
            return;
        }
        for (i, y) in y.chunks_mut(S::LANES).enumerate() {
            let place = i * S::LANES..i * S::LANES + y.len();
            let mut sum = s.mul(c(0), s.get(&x[0][place.clone()]));
            for (i, x) in x.iter().enumerate().skip(1) {
                sum = s.fma(c(i), s.get(&x[place.clone()]), sum);
            }
            s.put(y, sum);
        }
    }
}

impl Blockwise<f64> for Combine<'_> {
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::forward(self.0, x, y);
    }
}

/// The coefficient.
struct Accumulate(f64);

impl Blockwise<f32> for Accumulate {
    const UPDATES: bool = true;
    #[inline(always)]
    fn block<S: Simd>(&self, s: S, y: &mut [f32], x: &[&[f32]]) {
        let c = s.splat(self.0 as f32);
        for (y, x) in y.chunks_mut(S::LANES).zip(x[0].chunks(S::LANES)) {
            s.put(y, s.fma(c, s.get(x), s.get(y)));
        }
    }
}

impl Blockwise<f64> for Accumulate {
    const UPDATES: bool = true;
    #[inline(always)]
    fn block<S: Simd>(&self, _: S, y: &mut [f64], x: &[&[f64]]) {
        reference::accumulate(self.0, x[0], y);
    }
}
