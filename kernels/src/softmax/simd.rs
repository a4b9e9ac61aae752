//! Softmax on vectors of f32, a row at a time: the row's maximum, its exponentials with their sum, the division.

use crate::cpu::{Kernel, Simd};

/// Rows of `width > 0` elements.
pub(super) struct Forward<'a> {
    pub(super) width: usize,
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.x.chunks_exact(self.width).zip(self.y.chunks_exact_mut(self.width)) {
            let scale = s.splat(1.0 / exponentials(s, x, y).1);
            for y in y.chunks_mut(S::LANES) {
                s.put(y, s.mul(s.get(y), scale));
            }
        }
    }
}

/// Rows of `width > 0` elements.
pub(super) struct Backward<'a> {
    pub(super) width: usize,
    pub(super) y: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (y, g) = (self.y.chunks_exact(self.width), self.g.chunks_exact(self.width));
        for ((y, g), dx) in y.zip(g).zip(self.dx.chunks_exact_mut(self.width)) {
            let mut inner = s.zero();
            for (y, g) in y.chunks(S::LANES).zip(g.chunks(S::LANES)) {
                inner = s.fma(s.get(y), s.get(g), inner);
            }
            let inner = s.splat(s.sum(inner));
            for ((y, g), dx) in y.chunks(S::LANES).zip(g.chunks(S::LANES)).zip(dx.chunks_mut(S::LANES)) {
                s.put(dx, s.mul(s.get(y), s.sub(s.get(g), inner)));
            }
        }
    }
}

/// Writes `exp(x - max x)` to `y`; the maximum and the sum of what was written.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(s: S, x: &[f32], y: &mut [f32]) -> (f32, f32) {
    let max = maximum(s, x);
    let (shift, mut sum) = (s.splat(max), s.zero());
    for (x, y) in x.chunks(S::LANES).zip(y.chunks_mut(S::LANES)) {
        let e = s.exp(s.sub(s.get(x), shift));
        s.put(y, e);
        sum = s.add(sum, present(s, x, e, 0.0));
    }
    (max, s.sum(sum))
}

/// The sum of `exp(x - max x)`, with the maximum first.
#[inline(always)]
pub(crate) fn sum_of_exponentials<S: Simd>(s: S, x: &[f32]) -> (f32, f32) {
    let max = maximum(s, x);
    let (shift, mut sum) = (s.splat(max), s.zero());
    for x in x.chunks(S::LANES) {
        sum = s.add(sum, present(s, x, s.exp(s.sub(s.get(x), shift)), 0.0));
    }
    (max, s.sum(sum))
}

#[inline(always)]
fn maximum<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut max = s.splat(f32::NEG_INFINITY);
    for x in x.chunks(S::LANES) {
        max = s.max(max, present(s, x, s.get(x), f32::NEG_INFINITY));
    }
    s.largest(max)
}

/// `v`, with `absent` in the lanes beyond the end of `x`.
#[inline(always)]
fn present<S: Simd>(s: S, x: &[f32], v: S::V, absent: f32) -> S::V {
    if x.len() == S::LANES { v } else { s.first(x.len(), v, s.splat(absent)) }
}
