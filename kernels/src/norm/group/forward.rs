//! The forward: sums per channel, from them the groups' statistics, then the map.

use super::super::affine::Typed;
use super::super::column::Column;
use super::super::silu;
use super::tiles::{Sums, Tile, Tiles, WAYS};
use crate::cpu::simd::MAX_LANES;
use crate::cpu::team::Parts;
use crate::cpu::{Kernel, Simd};
use std::ops::Range;

pub(super) struct Forward<'a> {
    pub(super) tiles: Tiles,
    pub(super) range: Range<usize>,
    pub(super) affine: &'a Typed<'a, f32>,
    pub(super) x: &'a [f32],
    pub(super) y: &'a Parts<'a, f32>,
    pub(super) mean: &'a Parts<'a, f32>,
    pub(super) rstd: &'a Parts<'a, f32>,
}

impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for index in self.range.clone() {
            let tile = self.tiles.at(index);
            let row = tile.sample * self.tiles.groups;
            // SAFETY: every (sample, group) belongs to one tile.
            let (mean, rstd) = unsafe {
                let range = row + tile.groups.start..row + tile.groups.end;
                (self.mean.part(range.clone()), self.rstd.part(range))
            };
            self.statistics(s, &tile, mean, rstd);
            self.apply(s, &tile, mean, rstd);
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn statistics<S: Simd>(&self, s: S, tile: &Tile, mean: &mut [f32], rstd: &mut [f32]) {
        let (width, count) = (self.tiles.group_width(), self.tiles.sizes.positions as f64);
        let (mut group, mut moments) = (0, Moments::default());
        for column in self.tiles.columns(s, tile) {
            let (shift, sum, square) = column_sums(s, self.x, &column);
            for lane in 0..column.lanes {
                moments.add(f64::from(shift[lane]), f64::from(sum[lane]), f64::from(square[lane]), count);
                if moments.channels == width {
                    let (average, variance) = moments.finish(count);
                    mean[group] = average as f32;
                    rstd[group] = (1.0 / (variance + self.tiles.eps).sqrt()) as f32;
                    (group, moments) = (group + 1, Moments::default());
                }
            }
        }
    }

    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, tile: &Tile, mean: &[f32], rstd: &[f32]) {
        for column in self.tiles.columns(s, tile) {
            let mean = self.tiles.spread(s, tile, &column, mean);
            let rstd = self.tiles.spread(s, tile, &column, rstd);
            let (gain, offset) = self.affine.vectors(s, tile.sample, column.channel);
            let gain = s.mul(gain, rstd);
            for position in 0..column.positions {
                // SAFETY: x and y have every element of every column, and columns do not overlap.
                unsafe {
                    let x = column.read(s, self.x.as_ptr(), position);
                    let z = s.fma(s.sub(x, mean), gain, offset);
                    let y = if self.tiles.silu { silu(s, z) } else { z };
                    column.write(s, self.y.pointer(), position, y);
                }
            }
        }
    }
}

/// For each channel of a column: a shift near its mean, and the sums of x - shift and of (x - shift)^2.
#[inline(always)]
fn column_sums<S: Simd>(s: S, x: &[f32], column: &Column) -> ([f32; MAX_LANES], [f32; MAX_LANES], [f32; MAX_LANES]) {
    let x = x.as_ptr();
    let (mut shift, sampled) = (s.zero(), column.positions.div_ceil(8));
    for position in (0..column.positions).step_by(8) {
        // SAFETY: x has every element of every column.
        shift = s.add(shift, unsafe { column.read(s, x, position) });
    }
    let shift = s.mul(shift, s.splat(1.0 / sampled.max(1) as f32));
    let (mut sums, whole) = (Sums::new(s), column.positions - column.positions % WAYS);
    for position in (0..whole).step_by(WAYS) {
        for way in 0..WAYS {
            // SAFETY: as above.
            let deviation = s.sub(unsafe { column.read(s, x, position + way) }, shift);
            sums.add(s, way, deviation, deviation);
        }
    }
    for position in whole..column.positions {
        // SAFETY: as above.
        let deviation = s.sub(unsafe { column.read(s, x, position) }, shift);
        sums.add(s, 0, deviation, deviation);
    }
    let (sum, square) = sums.total(s);
    (s.lanes(shift), s.lanes(sum), s.lanes(square))
}

/// Mean and variance of a group, from its channels, in f64. Sums are about the mean of the group's first channel.
#[derive(Default)]
struct Moments {
    channels: usize,
    about: f64,
    sum: f64,
    square: f64,
}

impl Moments {
    /// One more channel of `count` positions.
    #[inline(always)]
    fn add(&mut self, shift: f64, sum: f64, square: f64, count: f64) {
        let offset = sum / count.max(1.0);
        if self.channels == 0 {
            self.about = shift + offset;
        }
        let mean = shift + offset - self.about;
        self.channels += 1;
        self.sum += mean;
        self.square += (square - sum * offset) + count * mean * mean;
    }

    #[inline(always)]
    fn finish(&self, count: f64) -> (f64, f64) {
        let mean = self.sum / self.channels as f64;
        let variance = self.square / (self.channels as f64 * count.max(1.0)) - mean * mean;
        (self.about + mean, variance.max(0.0))
    }
}
