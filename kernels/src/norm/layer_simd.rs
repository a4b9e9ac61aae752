//! Layer normalisation on vectors of f32 along a row: three passes over a row that stays in the nearest cache.

use super::affine::Typed;
use super::reference::Norm;
use super::{silu, silu_slope};
use crate::cpu::{Kernel, Simd};

/// Rows from number `first` on.
pub(super) struct Forward<'a> {
    pub(super) norm: Norm,
    pub(super) first: usize,
    pub(super) affine: &'a Typed<'a, f32>,
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
    pub(super) mean: &'a mut [f32],
    pub(super) rstd: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.norm.sizes.channels;
        for row in 0..self.mean.len() {
            let (x, y) = (&self.x[row * width..][..width], &mut self.y[row * width..][..width]);
            let (mean, variance) = moments(s, x);
            let rstd = (1.0 / (f64::from(variance) + self.norm.eps).sqrt()) as f32;
            (self.mean[row], self.rstd[row]) = (mean, rstd);
            let (mean, rstd) = (s.splat(mean), s.splat(rstd));
            let sample = (self.first + row) / self.norm.sizes.positions;
            for (at, (x, y)) in x.chunks(S::LANES).zip(y.chunks_mut(S::LANES)).enumerate() {
                let (gain, offset) = self.affine.vectors(s, sample, at * S::LANES);
                let z = s.fma(s.mul(s.sub(s.get(x), mean), rstd), gain, offset);
                s.put(y, if self.norm.silu { silu(s, z) } else { z });
            }
        }
    }
}

/// Mean and variance of a row. The first sum finds a shift near the mean; the sums of x - shift and (x - shift)^2 then lose
/// nothing to cancellation.
#[inline(always)]
fn moments<S: Simd>(s: S, x: &[f32]) -> (f32, f32) {
    let count = x.len().max(1) as f32;
    let mut sum = s.zero();
    for x in x.chunks(S::LANES) {
        sum = s.add(sum, s.get(x));
    }
    let shift = s.sum(sum) / count;
    let (mut sum, mut square) = (s.zero(), s.zero());
    for x in x.chunks(S::LANES) {
        let mut deviation = s.sub(s.get(x), s.splat(shift));
        if x.len() < S::LANES {
            deviation = s.first(x.len(), deviation, s.zero());
        }
        sum = s.add(sum, deviation);
        square = s.fma(deviation, deviation, square);
    }
    let offset = s.sum(sum) / count;
    (shift + offset, (s.sum(square) / count - offset * offset).max(0.0))
}

/// Rows of one block of one sample.
pub(super) struct Backward<'a> {
    pub(super) norm: Norm,
    pub(super) sample: usize,
    pub(super) affine: &'a Typed<'a, f32>,
    pub(super) x: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) rstd: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) dx: &'a mut [f32],
    /// Sum dz and sum dz xhat over the rows, `[c]`.
    pub(super) a: &'a mut [f32],
    pub(super) b: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        self.a.fill(0.0);
        self.b.fill(0.0);
        let width = self.norm.sizes.channels;
        for row in 0..self.mean.len() {
            self.row(s, row, row * width..(row + 1) * width);
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn row<S: Simd>(&mut self, s: S, row: usize, range: std::ops::Range<usize>) {
        let (x, g, dx) = (&self.x[range.clone()], &self.g[range.clone()], &mut self.dx[range]);
        let (mean, rstd) = (s.splat(self.mean[row]), s.splat(self.rstd[row]));
        let (mut level, mut slope) = (s.zero(), s.zero());
        for at in (0..x.len()).step_by(S::LANES) {
            // Lanes beyond the row hold g = 0, and add nothing.
            let (gain, offset) = self.affine.vectors(s, self.sample, at);
            let xhat = s.mul(s.sub(s.get(&x[at..]), mean), rstd);
            let mut dz = s.get(&g[at..]);
            if self.norm.silu {
                dz = s.mul(dz, silu_slope(s, s.fma(xhat, gain, offset)));
            }
            let a = s.add(s.get(&self.a[at..]), dz);
            s.put(&mut self.a[at..], a);
            let b = s.fma(dz, xhat, s.get(&self.b[at..]));
            s.put(&mut self.b[at..], b);
            let dxhat = s.mul(dz, gain);
            s.put(&mut dx[at..], dxhat);
            level = s.add(level, dxhat);
            slope = s.fma(dxhat, xhat, slope);
        }
        let count = x.len() as f32;
        let (level, slope) = (s.splat(s.sum(level) / count), s.splat(s.sum(slope) / count));
        for (x, dx) in x.chunks(S::LANES).zip(dx.chunks_mut(S::LANES)) {
            let xhat = s.mul(s.sub(s.get(x), mean), rstd);
            let rest = s.fma(xhat, slope, level);
            s.put(dx, s.mul(rstd, s.sub(s.get(dx), rest)));
        }
    }
}
