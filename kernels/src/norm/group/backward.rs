//! The backward: sums per channel, from them the groups' means of the cotangent, then dx.

use super::super::affine::Typed;
use super::super::column::Column;
use super::super::silu_slope;
use super::tiles::{Sums, Tile, Tiles, WAYS};
use crate::cpu::simd::MAX_LANES;
use crate::cpu::team::Parts;
use crate::cpu::{Kernel, Simd};
use std::ops::Range;

pub(super) struct Backward<'a> {
    pub(super) tiles: Tiles,
    pub(super) range: Range<usize>,
    pub(super) affine: &'a Typed<'a, f32>,
    pub(super) x: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) rstd: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) dx: &'a Parts<'a, f32>,
    /// Sum dz and sum dz xhat, `[n, c]`.
    pub(super) a: &'a Parts<'a, f32>,
    pub(super) b: &'a Parts<'a, f32>,
}

impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for index in self.range.clone() {
            let tile = self.tiles.at(index);
            let row = tile.sample * self.tiles.sizes.channels;
            // SAFETY: every (sample, channel) belongs to one tile.
            let (a, b) = unsafe {
                let range = row + tile.channels.start..row + tile.channels.end;
                (self.a.part(range.clone()), self.b.part(range))
            };
            for column in self.tiles.columns(s, &tile) {
                self.sums(s, &tile, &column, a, b);
            }
            self.differences(s, &tile, a, b);
        }
    }
}

impl Backward<'_> {
    /// A column's mean and rstd.
    #[inline(always)]
    fn statistics<S: Simd>(&self, s: S, tile: &Tile, column: &Column) -> (S::V, S::V) {
        let row = tile.sample * self.tiles.groups;
        let groups = row + tile.groups.start..row + tile.groups.end;
        let mean = self.tiles.spread(s, tile, column, &self.mean[groups.clone()]);
        (mean, self.tiles.spread(s, tile, column, &self.rstd[groups]))
    }

    /// a and b of a column; with SiLU also dz, kept where dx will be.
    #[inline(always)]
    fn sums<S: Simd>(&self, s: S, tile: &Tile, column: &Column, a: &mut [f32], b: &mut [f32]) {
        let (mean, rstd) = self.statistics(s, tile, column);
        let (gain, offset) = self.affine.vectors(s, tile.sample, column.channel);
        let map = (mean, s.mul(gain, rstd), offset);
        let (mut sums, whole) = (Sums::new(s), column.positions - column.positions % WAYS);
        for position in (0..whole).step_by(WAYS) {
            for way in 0..WAYS {
                let (dz, deviation) = self.cotangent(s, column, position + way, map);
                sums.add(s, way, dz, deviation);
            }
        }
        for position in whole..column.positions {
            let (dz, deviation) = self.cotangent(s, column, position, map);
            sums.add(s, 0, dz, deviation);
        }
        let (plain, inner) = sums.total(s);
        let here = column.channel - tile.channels.start..column.channel - tile.channels.start + column.lanes;
        s.put(&mut a[here.clone()], plain);
        s.put(&mut b[here], s.mul(inner, rstd));
    }

    /// dz and x - mean at a position.
    #[inline(always)]
    fn cotangent<S: Simd>(&self, s: S, column: &Column, position: usize, map: (S::V, S::V, S::V)) -> (S::V, S::V) {
        let (mean, gain, offset) = map;
        // SAFETY: x, g and dx have every element of every column, and columns do not overlap.
        unsafe {
            let deviation = s.sub(column.read(s, self.x.as_ptr(), position), mean);
            let mut dz = column.read(s, self.g.as_ptr(), position);
            if self.tiles.silu {
                dz = s.mul(dz, silu_slope(s, s.fma(deviation, gain, offset)));
                column.write(s, self.dx.pointer(), position, dz);
            }
            (dz, deviation)
        }
    }

    /// dx = rstd (dz gain - mean of dz gain - xhat mean of dz gain xhat), the means over the group.
    #[inline(always)]
    fn differences<S: Simd>(&self, s: S, tile: &Tile, a: &[f32], b: &[f32]) {
        let (levels, slopes) = (self.group_means(tile, a), self.group_means(tile, b));
        for column in self.tiles.columns(s, tile) {
            let (mean, rstd) = self.statistics(s, tile, &column);
            let gain = s.mul(self.affine.vectors(s, tile.sample, column.channel).0, rstd);
            let level = s.mul(rstd, self.tiles.spread(s, tile, &column, &levels));
            let slope = s.mul(s.mul(rstd, rstd), self.tiles.spread(s, tile, &column, &slopes));
            let dz = if self.tiles.silu { self.dx.pointer().cast_const() } else { self.g.as_ptr() };
            for position in 0..column.positions {
                // SAFETY: as in `sums`.
                unsafe {
                    let deviation = s.sub(column.read(s, self.x.as_ptr(), position), mean);
                    let rest = s.fma(deviation, slope, level);
                    let dx = s.sub(s.mul(column.read(s, dz, position), gain), rest);
                    column.write(s, self.dx.pointer(), position, dx);
                }
            }
        }
    }

    /// For each group of the tile, the mean over its elements of gain times what `sums` has summed for each channel.
    fn group_means(&self, tile: &Tile, sums: &[f32]) -> [f32; MAX_LANES] {
        let (mut means, width) = ([0.0; MAX_LANES], self.tiles.group_width());
        let count = (width * self.tiles.sizes.positions) as f64;
        for (mean, (group, sums)) in means.iter_mut().zip(tile.groups.clone().zip(sums.chunks_exact(width))) {
            let gain = |index| f64::from(self.affine.gain(tile.sample, group * width + index));
            let sum: f64 = sums.iter().enumerate().map(|(index, &sum)| gain(index) * f64::from(sum)).sum();
            *mean = (sum / count) as f32;
        }
        means
    }
}
