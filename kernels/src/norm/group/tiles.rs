//! How group norm runs on vectors of f32: across the channels, sums per channel first, then the groups from their channels.
//!
//! Work is cut into tiles: a sample's channels `at..at + width`, a whole number of groups and, as far as the channels go,
//! of vectors. Each vector of channels is a column that is walked through all positions. What is computed for a column
//! does not depend on the tiling.

use super::super::Sizes;
use super::super::column::Column;
use super::GroupNorm;
use crate::cpu::simd::MAX_LANES;
use crate::cpu::{Isa, Simd};
use std::ops::Range;

/// How samples are cut into tiles.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) sizes: Sizes,
    pub(super) groups: usize,
    pub(super) eps: f64,
    pub(super) silu: bool,
    /// Groups of a tile, but for the last of a sample.
    groups_each: usize,
}

/// Consecutive channels of one sample, in whole groups.
pub(super) struct Tile {
    pub(super) sample: usize,
    pub(super) channels: Range<usize>,
    pub(super) groups: Range<usize>,
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
    pub(super) fn at(&self, index: usize) -> Tile {
        let first = index % self.per_sample() * self.groups_each;
        let groups = first..self.groups.min(first + self.groups_each);
        let width = self.group_width();
        Tile { sample: index / self.per_sample(), channels: groups.start * width..groups.end * width, groups }
    }

    pub(super) fn group_width(&self) -> usize {
        self.sizes.channels / self.groups
    }

    #[inline(always)]
    pub(super) fn columns<S: Simd>(&self, _: S, tile: &Tile) -> impl Iterator<Item = Column> + use<S> {
        let (Sizes { positions, channels, .. }, end) = (self.sizes, tile.channels.end);
        let start = tile.sample * positions * channels;
        tile.channels.clone().step_by(S::LANES).map(move |channel| {
            let lanes = S::LANES.min(end - channel);
            Column { channel, lanes, start: start + channel, step: channels, positions }
        })
    }

    /// A vector with the number of each channel's group; `per_group` has one for every group of the tile.
    #[inline(always)]
    pub(super) fn spread<S: Simd>(&self, s: S, tile: &Tile, column: &Column, per_group: &[f32]) -> S::V {
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

/// Running sums of v and of v w, each in as many vectors as hide the latency of an addition.
pub(super) struct Sums<S: Simd> {
    plain: [S::V; WAYS],
    product: [S::V; WAYS],
}

pub(super) const WAYS: usize = 4;

impl<S: Simd> Sums<S> {
    #[inline(always)]
    pub(super) fn new(s: S) -> Self {
        Sums { plain: [s.zero(); WAYS], product: [s.zero(); WAYS] }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, s: S, way: usize, v: S::V, w: S::V) {
        self.plain[way] = s.add(self.plain[way], v);
        self.product[way] = s.fma(v, w, self.product[way]);
    }

    #[inline(always)]
    pub(super) fn total(self, s: S) -> (S::V, S::V) {
        let Sums { plain: [a, b, c, d], product: [e, f, g, h] } = self;
        (s.add(s.add(a, b), s.add(c, d)), s.add(s.add(e, f), s.add(g, h)))
    }
}
