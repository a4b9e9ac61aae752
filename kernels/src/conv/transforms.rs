//! The transforms of Winograd's F(2 x 2, 3 x 3): of taps, of pixels, and of products into results.

use crate::cpu::{Kernel, Simd};
use std::ops::Range;

/// Elements of a transformed tile, hence matrix products.
pub(super) const POINTS: usize = 16;

/// f32 between the ends of a plane and the next: 16 planes a power of two apart would share one set of the first cache.
pub(super) const GAP: usize = 16;

/// G times three taps.
fn combined(g: [f64; 3]) -> [f64; 4] {
    let outer = g[0] + g[2];
    [g[0], 0.5 * (outer + g[1]), 0.5 * (outer - g[1]), g[2]]
}

/// G g G', row after row.
pub(super) fn transformed(g: [[f64; 3]; 3]) -> [f64; POINTS] {
    let rows = g.map(combined);
    let columns = [0, 1, 2, 3].map(|j| combined(rows.map(|row| row[j])));
    std::array::from_fn(|point| columns[point % 4][point / 4])
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

/// A row of four pixels times B.
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
                    let (from, to) = (from.wrapping_add(first), to.wrapping_add(first));
                    // SAFETY: four rows and columns from each tile's first pixel on are in the copy; the tile's channels
                    // are in the planes, whose length was asserted.
                    unsafe {
                        // Two rows at a time: all four would not fit into the registers.
                        let d1 = spread(s, row_of_four(s, from.wrapping_add(pitch[0]), pitch[1], count));
                        let d2 = spread(s, row_of_four(s, from.wrapping_add(2 * pitch[0]), pitch[1], count));
                        for j in 0..4 {
                            put(s, to.wrapping_add((4 + j) * plane), s.add(d1[j], d2[j]), count);
                            put(s, to.wrapping_add((8 + j) * plane), s.sub(d2[j], d1[j]), count);
                        }
                        let d0 = spread(s, row_of_four(s, from, pitch[1], count));
                        for j in 0..4 {
                            put(s, to.wrapping_add(j * plane), s.sub(d0[j], d2[j]), count);
                        }
                        let d3 = spread(s, row_of_four(s, from.wrapping_add(3 * pitch[0]), pitch[1], count));
                        for j in 0..4 {
                            put(s, to.wrapping_add((12 + j) * plane), s.sub(d1[j], d3[j]), count);
                        }
                    }
                }
            }
        }
    }
}

/// Four vectors of `count` numbers, `step` apart.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn row_of_four<S: Simd>(s: S, from: *const f32, step: usize, count: usize) -> [S::V; 4] {
    let mut row = [s.zero(); 4];
    for j in 0..4 {
        let at = from.wrapping_add(j * step);
        // SAFETY: the caller's word.
        row[j] = unsafe { if count == S::LANES { s.load(at) } else { s.load_partial(at, count) } };
    }
    row
}

/// # Safety
/// `count` numbers are valid at `to`, where nobody else writes.
#[inline(always)]
unsafe fn put<S: Simd>(s: S, to: *mut f32, value: S::V, count: usize) {
    // SAFETY: the caller's word.
    unsafe { if count == S::LANES { s.store(to, value) } else { s.store_partial(to, value, count) } }
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
                        // SAFETY: the tile's outputs in the planes, whose length was asserted.
                        let m = unsafe { row_of_four(s, from.wrapping_add(j * plane + first), 4 * plane, count) };
                        [half[0][j], half[1][j]] = gather(s, m);
                    }
                    let bias = bias.map_or(s.zero(), |bias| s.get(&bias[first..first + count]));
                    for i in 0..2 {
                        let y = gather(s, half[i]);
                        for j in 0..2 {
                            if 2 * row + i < places[0] && 2 * column + j < places[1] {
                                let place = (2 * row + i) * places[1] + 2 * column + j;
                                // SAFETY: a place of the band in an image of the result (`band`).
                                unsafe { put(s, to.wrapping_add(place * outputs + first), s.add(y[j], bias), count) };
                            }
                        }
                    }
                }
            }
        }
    }
}
