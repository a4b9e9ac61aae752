//! Cross-entropy on vectors of f32, a row at a time. Labels are in range; rows have `width > 0` logits.

use crate::cpu::{Kernel, Simd};
use crate::softmax::simd::{exponentials, sum_of_exponentials};

pub(super) struct Forward<'a> {
    pub(super) width: usize,
    pub(super) x: &'a [f32],
    pub(super) labels: &'a [i64],
    pub(super) loss: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for ((x, &label), loss) in self.x.chunks_exact(self.width).zip(self.labels).zip(self.loss) {
            let (max, sum) = sum_of_exponentials(s, x);
            *loss = (max - x[label as usize]) + sum.ln();
        }
    }
}

pub(super) struct Backward<'a> {
    pub(super) width: usize,
    pub(super) x: &'a [f32],
    pub(super) labels: &'a [i64],
    pub(super) g: &'a [f32],
    pub(super) dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.x.chunks_exact(self.width).zip(self.labels).zip(self.g);
        for (((x, &label), &g), dx) in rows.zip(self.dx.chunks_exact_mut(self.width)) {
            let scale = s.splat(g / exponentials(s, x, dx).1);
            for dx in dx.chunks_mut(S::LANES) {
                s.put(dx, s.mul(s.get(dx), scale));
            }
            dx[label as usize] -= g;
        }
    }
}
