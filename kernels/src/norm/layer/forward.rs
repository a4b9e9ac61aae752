//! The forward on vectors of f32 along a row. A row stays in the nearest cache over its three passes; four rows at a time
//! hide the latency of their sums, and share what is read of the affine map.

use super::super::affine::Typed;
use super::super::column::Column;
use super::super::reference::Norm;
use super::super::silu;
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
    fn run<S: Simd>(mut self, s: S) {
        let (count, positions, mut row) = (self.mean.len(), self.norm.sizes.positions, 0);
        while row < count {
            let (sample, position) = ((self.first + row) / positions, (self.first + row) % positions);
            let end = count.min(row + positions - position);
            while row + 4 <= end {
                self.rows::<S, 4>(s, sample, row);
                row += 4;
            }
            while row < end {
                self.rows::<S, 1>(s, sample, row);
                row += 1;
            }
        }
    }
}

impl Forward<'_> {
    /// `R` rows of a sample, from `row` on.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, s: S, sample: usize, row: usize) {
        let width = self.norm.sizes.channels;
        let x = &self.x[row * width..(row + R) * width];
        let y = &mut self.y[row * width..(row + R) * width];
        let moments = moments::<S, R>(s, x, width);
        let (mut mean, mut rstd) = ([s.zero(); R], [s.zero(); R]);
        for r in 0..R {
            let (average, variance) = moments[r];
            self.mean[row + r] = average;
            self.rstd[row + r] = (1.0 / (f64::from(variance) + self.norm.eps).sqrt()) as f32;
            (mean[r], rstd[r]) = (s.splat(average), s.splat(self.rstd[row + r]));
        }
        for column in Column::all(s, R, width) {
            let (gain, offset) = self.affine.vectors(s, sample, column.channel);
            for r in 0..R {
                // SAFETY: x and y are R rows.
                unsafe {
                    let xhat = s.mul(s.sub(column.read(s, x.as_ptr(), r), mean[r]), rstd[r]);
                    let z = s.fma(xhat, gain, offset);
                    column.write(s, y.as_mut_ptr(), r, if self.norm.silu { silu(s, z) } else { z });
                }
            }
        }
    }
}

/// Mean and variance of `R` rows. The first sum finds a shift near the mean; the sums of x - shift and (x - shift)^2 then
/// lose nothing to cancellation.
#[inline(always)]
fn moments<S: Simd, const R: usize>(s: S, x: &[f32], width: usize) -> [(f32, f32); R] {
    debug_assert!(x.len() == R * width);
    let share = 1.0 / width.max(1) as f32;
    let (mut sum, mut shift) = ([s.zero(); R], [s.zero(); R]);
    for column in Column::all(s, R, width) {
        for r in 0..R {
            // SAFETY: x is R rows.
            sum[r] = s.add(sum[r], unsafe { column.read(s, x.as_ptr(), r) });
        }
    }
    for r in 0..R {
        shift[r] = s.splat(s.sum(sum[r]) * share);
    }
    let (mut sum, mut square) = ([s.zero(); R], [s.zero(); R]);
    for column in Column::all(s, R, width) {
        for r in 0..R {
            // SAFETY: as above.
            let mut deviation = s.sub(unsafe { column.read(s, x.as_ptr(), r) }, shift[r]);
            if column.lanes < S::LANES {
                deviation = s.first(column.lanes, deviation, s.zero());
            }
            sum[r] = s.add(sum[r], deviation);
            square[r] = s.fma(deviation, deviation, square[r]);
        }
    }
    let mut moments = [(0.0, 0.0); R];
    for r in 0..R {
        let offset = s.sum(sum[r]) * share;
        let shift = s.lanes(shift[r])[0];
        moments[r] = (shift + offset, (s.sum(square[r]) * share - offset * offset).max(0.0));
    }
    moments
}
