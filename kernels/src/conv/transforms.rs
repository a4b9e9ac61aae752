//! The transforms of Winograd's F(2 x 2, 3 x 3): of taps, of pixels, and of products into results.

use crate::cpu::{Kernel, Simd};
use std::ops::Range;

/// Elements of a transformed tile, hence matrix products.
pub(super) const POINTS: usize = 16;

/// f32 between the ends of a plane and the next: 16 planes a power of two apart would share one set of the first cache.
pub(super) const GAP: usize = 16;

/// Row `point` of G times three taps.
pub(super) fn combined(g: [f64; 3], point: usize) -> f64 {
    match point {
        0 => g[0],
        1 => 0.5 * (g[0] + g[2] + g[1]),
        2 => 0.5 * (g[0] + g[2] - g[1]),
        _ => g[2],
    }
}

/// B' d B of every tile: plane `p` of `to` has element p of all tiles, `[tiles, channels]`.
pub(super) struct Spread<'a> {
    pub(super) copy: &'a [f32],
    /// From one pixel to the next, `[vertical, horizontal]`.
    pub(super) pitch: [usize; 2],
    pub(super) channels: usize,
    /// `[rows, columns]`
    pub(super) tiles: [usize; 2],
    pub(super) to: &'a mut [f32],
}

/// B' times four vectors.
#[inline(always)]
fn spread<S: Simd>(s: S, d: [S::V; 4]) -> [S::V; 4] {
    [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[1], d[3])]
}

impl Kernel for Spread<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Spread { copy, pitch, channels, tiles: [rows, columns], to } = self;
        let plane = rows * columns * channels + GAP;
        assert!(pitch[0] >= (2 * columns + 2) * pitch[1] && pitch[1] >= channels);
        assert!(copy.len() >= (2 * rows + 2) * pitch[0] && to.len() >= POINTS * plane);
        for row in 0..rows {
            for column in 0..columns {
                let from = copy.as_ptr().wrapping_add(2 * row * pitch[0] + 2 * column * pitch[1]);
                let to = to.as_mut_ptr().wrapping_add((row * columns + column) * channels);
                for first in (0..channels).step_by(S::LANES) {
                    let count = (channels - first).min(S::LANES);
                    let mut d = [[s.zero(); 4]; 4];
                    for i in 0..4 {
                        for j in 0..4 {
                            let at = from.wrapping_add(i * pitch[0] + j * pitch[1] + first);
                            // SAFETY: four rows and columns from each tile's first pixel on are in the copy.
                            d[i][j] = unsafe { if count == S::LANES { s.load(at) } else { s.load_partial(at, count) } };
                        }
                    }
                    for i in 0..4 {
                        d[i] = spread(s, d[i]);
                    }
                    for j in 0..4 {
                        let column = spread(s, [d[0][j], d[1][j], d[2][j], d[3][j]]);
                        for i in 0..4 {
                            let at = to.wrapping_add((4 * i + j) * plane + first);
                            // SAFETY: the tile's channels in the planes, whose length was asserted.
                            unsafe {
                                if count == S::LANES {
                                    s.store(at, column[i])
                                } else {
                                    s.store_partial(at, column[i], count)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A' m A + bias of every tile, where `m` is element by element in the planes of `products`, `[tiles, outputs]` each.
/// `to` is an image of a result in which nobody else writes these tiles' places: the word of whoever makes one.
pub(super) struct Gather<'a> {
    pub(super) products: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) outputs: usize,
    /// Of tiles in the image.
    pub(super) rows: Range<usize>,
    pub(super) columns: usize,
    /// Of results in the image.
    pub(super) places: [usize; 2],
    pub(super) to: *mut f32,
}

/// A' times four vectors.
#[inline(always)]
fn gather<S: Simd>(s: S, m: [S::V; 4]) -> [S::V; 2] {
    [s.add(m[0], s.add(m[1], m[2])), s.sub(s.sub(m[1], m[2]), m[3])]
}

impl Kernel for Gather<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather { products, bias, outputs, rows, columns, places, to } = self;
        let plane = rows.len() * columns * outputs + GAP;
        assert!(products.len() >= POINTS * plane && bias.is_none_or(|bias| bias.len() >= outputs));
        for (index, row) in rows.enumerate() {
            for column in 0..columns {
                let from = products.as_ptr().wrapping_add((index * columns + column) * outputs);
                for first in (0..outputs).step_by(S::LANES) {
                    let count = (outputs - first).min(S::LANES);
                    let mut half = [[s.zero(); 4]; 2];
                    for j in 0..4 {
                        let mut m = [s.zero(); 4];
                        for i in 0..4 {
                            let at = from.wrapping_add((4 * i + j) * plane + first);
                            // SAFETY: the tile's outputs in the planes, whose length was asserted.
                            m[i] = unsafe { if count == S::LANES { s.load(at) } else { s.load_partial(at, count) } };
                        }
                        [half[0][j], half[1][j]] = gather(s, m);
                    }
                    let bias = bias.map_or(s.zero(), |bias| s.get(&bias[first..first + count]));
                    for i in 0..(places[0] - 2 * row).min(2) {
                        let both = gather(s, half[i]);
                        for j in 0..(places[1] - 2 * column).min(2) {
                            let place = (2 * row + i) * places[1] + 2 * column + j;
                            let (at, y) = (to.wrapping_add(place * outputs + first), s.add(both[j], bias));
                            // SAFETY: a place of the band in an image of the result (`band`).
                            unsafe { if count == S::LANES { s.store(at, y) } else { s.store_partial(at, y, count) } }
                        }
                    }
                }
            }
        }
    }
}
