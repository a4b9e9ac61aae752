//! Sweeps of 3 by 3 taps over neighbouring pixels by Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin and Gray 2015): a
//! tile of 2 by 2 results takes 16 products a pair of channels where its definition has 36.
//!
//! ```text
//! Y = A' [ (G g G') * (B' d B) ] A        d 4 x 4 pixels, g the taps, * by elements and summed over channels
//! ```
//!
//! The sums are 16 matrix products, tiles by channels times channels by columns. A result sees its own 3 by 3 pixels alone,
//! in an order of its own, whatever the tile's other pixels are; the error is about that of the definition (F(4 x 4, 3 x 3),
//! at four times it, is not used).

use super::Conv;
use super::axis::Axis;
use super::images::{Images, copy_padded};
use super::transforms::{GAP, Gather, POINTS, Spread, transformed};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::tile::{ALONE, Grid, Rows, Start, Tile, Window, panels};
use std::ops::Range;

/// Channels and columns from which it is faster than the definition.
const LEAST: usize = 32;

/// f32 of transformed tiles and of their products that stay in the second cache.
const PLANES: usize = 1 << 16;

/// Whether this is the way to do a convolution, and its input gradient, of `channels` on either side: nothing that
/// weights are packed for depends on images.
pub(super) fn suits(p: &Conv, channels: [usize; 2], taps: [usize; 2]) -> bool {
    let near = [p.stride, p.dilation] == [[1; 2]; 2] && taps == [3; 2];
    near && p.groups == 1 && channels.iter().all(|&channels| channels >= LEAST)
}

/// One sweep; see the module.
#[derive(Clone, Copy)]
pub(super) struct Winograd {
    tile: Tile,
    from: Images,
    to: Images,
    /// Of the first place, `[vertical, horizontal]`.
    offset: [isize; 2],
    places: [usize; 2],
    /// Bands of rows of tiles that an image is cut into.
    pub(super) bands: usize,
}

impl Winograd {
    /// The sweep along `axes` of what this [`suits`].
    pub(super) fn new(cpu: &CpuContext, from: Images, to: Images, axes: &[Axis; 2]) -> Winograd {
        let (tile, threads) = (Tile::of(cpu.isa), cpu.team.threads());
        let (offset, places) = (axes.each_ref().map(|axis| axis.offset), axes.each_ref().map(|axis| axis.places));
        let [rows, columns] = places.map(|places| places.div_ceil(2));
        // As many as fit, but enough that all threads have work, while a band has two tiles of rows.
        let fitting = (PLANES / (POINTS * columns * (from.channels + to.channels)).max(1)).max(1);
        let shared = (4 * threads).div_ceil(from.count.max(1)).min(rows * columns / (2 * tile.rows));
        let bands = shared.max(rows.div_ceil(fitting)).clamp(1, rows.max(1));
        Winograd { tile, from, to, offset, places, bands }
    }

    /// f32 of one point's packed weights.
    fn weights(&self) -> usize {
        panels::room(self.from.channels, self.to.channels)
    }

    /// f32 of the packed weights.
    pub(super) fn packed(&self) -> usize {
        POINTS * self.weights()
    }

    /// Packs weights; `at` is where the tap `[row, column]` of `[column, channel]` lies.
    pub(super) fn pack(
        &self,
        cpu: &CpuContext,
        w: &[f32],
        at: impl Fn([usize; 4]) -> usize + Sync,
        packed: &mut [f32],
    ) {
        let (depth, columns, parts) = (self.from.channels, self.to.channels, Parts::new(packed));
        let pack = |index: usize| {
            let (range, width) = panels::panel(self.tile, depth, columns, index);
            let pitch = width.next_multiple_of(self.tile.lanes);
            for (channel, column) in (0..depth).flat_map(|channel| (0..pitch).map(move |column| (channel, column))) {
                let tap = |row, tap| f64::from(w[at([index * self.tile.panel() + column, channel, row, tap])]);
                let taps = [0, 1, 2].map(|row| if column < width { [0, 1, 2].map(|q| tap(row, q)) } else { [0.0; 3] });
                for (point, value) in transformed(taps).into_iter().enumerate() {
                    let place = point * self.weights() + range.start + channel * pitch + column;
                    // SAFETY: panels do not overlap.
                    unsafe { parts.part(place..place + 1) }.fill(value as f32);
                }
            }
        };
        let count = panels::count(self.tile, columns);
        if self.packed() < ALONE { (0..count).for_each(pack) } else { cpu.team.run(count, pack) }
    }

    /// Rows of tiles in band `index`.
    fn rows(&self, index: usize) -> Range<usize> {
        let rows = self.places[0].div_ceil(2);
        rows * index / self.bands..rows * (index + 1) / self.bands
    }

    /// Where a band's padded pixels, transformed tiles and products of them end, in f32 of room.
    fn ends(&self, rows: usize) -> [usize; 3] {
        let columns = self.places[1].div_ceil(2);
        let pixels = (2 * rows + 2) * (2 * columns + 2) * self.from.channels;
        let plane = |channels: usize| POINTS * (rows * columns * channels + GAP);
        let pixels = pixels.next_multiple_of(GAP);
        [pixels, pixels + plane(self.from.channels), pixels + plane(self.from.channels) + plane(self.to.channels)]
    }

    /// f32 of scratch that a thread needs.
    pub(super) fn room(&self) -> usize {
        self.ends(self.places[0].div_ceil(2).div_ceil(self.bands))[2].next_multiple_of(GAP)
    }

    /// Computes band `index` of one image.
    ///
    /// # Safety
    /// `to` is an image of the result; nobody else writes the band's places.
    pub(super) unsafe fn band(
        &self,
        from: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        to: *mut f32,
        index: usize,
        room: &mut [f32],
    ) {
        let rows = self.rows(index);
        let (channels, outputs, columns) = (self.from.channels, self.to.channels, self.places[1].div_ceil(2));
        let tiles = rows.len() * columns;
        let [pixels, seen, _] = self.ends(rows.len());
        let (copy, rest) = room.split_at_mut(pixels);
        let (transformed, products) = rest.split_at_mut(seen - pixels);
        let (top, width) = (2 * rows.start as isize + self.offset[0], 2 * columns + 2);
        copy_padded(from, &self.from, (top, 2 * rows.len() + 2), (self.offset[1], width), copy);
        let pitch = [width * channels, channels];
        self.tile.isa.run(Spread { copy, pitch, channels, tiles: [rows.len(), columns], to: transformed });
        for point in 0..POINTS {
            for index in 0..panels::count(self.tile, outputs) {
                let (range, width) = panels::panel(self.tile, channels, outputs, index);
                let product = Rows {
                    a: transformed[point * (tiles * channels + GAP)..].as_ptr(),
                    b: packed[point * self.weights()..][range].as_ptr(),
                    c: products[point * (tiles * outputs + GAP) + index * self.tile.panel()..].as_mut_ptr(),
                    grid: Grid { columns: tiles, a: [0, channels], c: [0, outputs] },
                    window: Window::flat(channels),
                    start: Start::Zero,
                    width,
                };
                // SAFETY: `tiles` rows of `channels` and of `outputs` lie in a plane, `channels` rows in the panel.
                unsafe { product.run(self.tile, 0, tiles) };
            }
        }
        let gathered = Gather { products, bias, outputs, rows, columns, places: self.places, to };
        self.tile.isa.run(gathered);
    }
}
