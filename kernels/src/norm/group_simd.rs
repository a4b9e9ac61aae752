//! Group normalisation on vectors of f32 across the channels: sums per channel first, then the groups from their channels.
//!
//! Work is cut into tiles: a sample's channels `at..at + width`, a whole number of groups and, as far as the channels go,
//! of vectors. Each vector of channels is a column that is walked through all positions. What is computed for a column
//! does not depend on the tiling.

use super::affine::Typed;
use super::group::GroupNorm;
use super::{Sizes, silu, silu_slope};
use crate::cpu::simd::MAX_LANES;
use crate::cpu::team::Parts;
use crate::cpu::{Isa, Kernel, Simd};
use std::ops::Range;

/// How samples are cut into tiles.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    sizes: Sizes,
    groups: usize,
    eps: f64,
    silu: bool,
    /// Groups of a tile, but for the last of a sample.
    groups_each: usize,
}

/// Consecutive channels of one sample, in whole groups.
struct Tile {
    sample: usize,
    channels: Range<usize>,
    groups: Range<usize>,
}

/// `lanes` consecutive channels of a sample from `channel` on, at every position.
#[derive(Clone, Copy)]
struct Column {
    channel: usize,
    lanes: usize,
    /// Index of the first position's element.
    start: usize,
    /// From one position to the next.
    step: usize,
    positions: usize,
}

impl Tiles {
    pub(super) fn new(isa: Isa, p: &GroupNorm, sizes: Sizes) -> Tiles {
        let lanes: usize = if isa == Isa::Avx512 { 16 } else { 8 };
        let width = (sizes.channels / p.groups).max(1);
        // The fewest groups that fill whole vectors: lanes / gcd(lanes, width), lanes a power of two.
        let fill = lanes >> width.trailing_zeros().min(lanes.trailing_zeros());
        Tiles { sizes, groups: p.groups, eps: p.eps, silu: p.silu, groups_each: fill }
    }

    fn per_sample(&self) -> usize {
        self.groups.div_ceil(self.groups_each)
    }

    pub(super) fn count(&self) -> usize {
        self.sizes.samples * self.per_sample()
    }

    #[inline(always)]
    fn at(&self, index: usize) -> Tile {
        let first = index % self.per_sample() * self.groups_each;
        let groups = first..self.groups.min(first + self.groups_each);
        let width = self.group_width();
        Tile { sample: index / self.per_sample(), channels: groups.start * width..groups.end * width, groups }
    }

    fn group_width(&self) -> usize {
        self.sizes.channels / self.groups
    }

    #[inline(always)]
    fn columns<S: Simd>(&self, _: S, tile: &Tile) -> impl Iterator<Item = Column> + use<S> {
        let (Sizes { positions, channels, .. }, end) = (self.sizes, tile.channels.end);
        let start = tile.sample * positions * channels;
        tile.channels.clone().step_by(S::LANES).map(move |channel| {
            let lanes = S::LANES.min(end - channel);
            Column { channel, lanes, start: start + channel, step: channels, positions }
        })
    }

    /// A vector with the number of each channel's group; `per_group` has one for every group of the tile.
    #[inline(always)]
    fn spread<S: Simd>(&self, s: S, tile: &Tile, column: &Column, per_group: &[f32]) -> S::V {
        let (width, mut lanes) = (self.group_width(), [0.0; MAX_LANES]);
        let inside = column.channel - tile.channels.start;
        let (mut group, mut left) = (inside / width, width - inside % width);
        for lane in &mut lanes[..column.lanes] {
            *lane = per_group[group];
            left -= 1;
            if left == 0 {
                (group, left) = (group + 1, width);
            }
        }
        s.get(&lanes)
    }
}

impl Column {
    /// # Safety
    /// `data` has the elements of the column.
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, data: *const f32, position: usize) -> S::V {
        // SAFETY: `lanes` elements from the position's first on belong to the column.
        unsafe {
            let from = data.add(self.start + position * self.step);
            if self.lanes == S::LANES { s.load(from) } else { s.load_partial(from, self.lanes) }
        }
    }

    /// # Safety
    /// `data` has the elements of the column, and nobody else reads or writes them now.
    #[inline(always)]
    unsafe fn write<S: Simd>(&self, s: S, data: *mut f32, position: usize, v: S::V) {
        // SAFETY: as for `read`.
        unsafe {
            let to = data.add(self.start + position * self.step);
            if self.lanes == S::LANES { s.store(to, v) } else { s.store_partial(to, v, self.lanes) }
        }
    }
}

/// Running sums of v and of v w, each in as many vectors as hide the latency of an addition.
struct Sums<S: Simd> {
    plain: [S::V; WAYS],
    product: [S::V; WAYS],
}

const WAYS: usize = 4;

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Sums { plain: [s.zero(); WAYS], product: [s.zero(); WAYS] }
    }

    #[inline(always)]
    fn add(&mut self, s: S, way: usize, v: S::V, w: S::V) {
        self.plain[way] = s.add(self.plain[way], v);
        self.product[way] = s.fma(v, w, self.product[way]);
    }

    #[inline(always)]
    fn total(self, s: S) -> (S::V, S::V) {
        let Sums { plain: [a, b, c, d], product: [e, f, g, h] } = self;
        (s.add(s.add(a, b), s.add(c, d)), s.add(s.add(e, f), s.add(g, h)))
    }
}

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
