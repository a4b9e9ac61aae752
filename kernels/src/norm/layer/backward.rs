//! The backward on vectors of f32 along a row, four rows at a time as in the forward.

use super::super::affine::Typed;
use super::super::column::Column;
use super::super::reference::Norm;
use super::super::silu_slope;
use crate::cpu::{Kernel, Simd};

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
        let (count, mut row) = (self.mean.len(), 0);
        while row + 4 <= count {
            self.rows::<S, 4>(s, row);
            row += 4;
        }
        while row < count {
            self.rows::<S, 1>(s, row);
            row += 1;
        }
    }
}

impl Backward<'_> {
    /// `R` rows from `row` on: dxhat = dz gain first, kept where dx will be, then dx.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, s: S, row: usize) {
        let width = self.norm.sizes.channels;
        let range = row * width..(row + R) * width;
        let (x, g, dx) = (&self.x[range.clone()], &self.g[range.clone()], &mut self.dx[range]);
        let (mut mean, mut rstd) = ([s.zero(); R], [s.zero(); R]);
        for r in 0..R {
            (mean[r], rstd[r]) = (s.splat(self.mean[row + r]), s.splat(self.rstd[row + r]));
        }
        let (mut level, mut slope) = ([s.zero(); R], [s.zero(); R]);
        for column in Column::all(s, R, width) {
            let (gain, offset) = self.affine.vectors(s, self.sample, column.channel);
            let here = column.channel..column.channel + column.lanes;
            let (mut a, mut b) = (s.get(&self.a[here.clone()]), s.get(&self.b[here.clone()]));
            for r in 0..R {
                // SAFETY: x, g and dx are R rows. Lanes beyond the row hold g = 0, and add nothing.
                unsafe {
                    let xhat = s.mul(s.sub(column.read(s, x.as_ptr(), r), mean[r]), rstd[r]);
                    let mut dz = column.read(s, g.as_ptr(), r);
                    if self.norm.silu {
                        dz = s.mul(dz, silu_slope(s, s.fma(xhat, gain, offset)));
                    }
                    (a, b) = (s.add(a, dz), s.fma(dz, xhat, b));
                    let dxhat = s.mul(dz, gain);
                    column.write(s, dx.as_mut_ptr(), r, dxhat);
                    (level[r], slope[r]) = (s.add(level[r], dxhat), s.fma(dxhat, xhat, slope[r]));
                }
            }
            s.put(&mut self.a[here.clone()], a);
            s.put(&mut self.b[here], b);
        }
        let share = 1.0 / width.max(1) as f32;
        for r in 0..R {
            (level[r], slope[r]) = (s.splat(s.sum(level[r]) * share), s.splat(s.sum(slope[r]) * share));
        }
        for column in Column::all(s, R, width) {
            for r in 0..R {
                // SAFETY: as above.
                unsafe {
                    let xhat = s.mul(s.sub(column.read(s, x.as_ptr(), r), mean[r]), rstd[r]);
                    let rest = s.fma(xhat, slope[r], level[r]);
                    let dxhat = column.read(s, dx.as_ptr(), r);
                    column.write(s, dx.as_mut_ptr(), r, s.mul(rstd[r], s.sub(dxhat, rest)));
                }
            }
        }
    }
}
