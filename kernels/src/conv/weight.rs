//! f32 weight gradient: for every kernel tap, the sum over pixels of the outer product of an input and a gradient
//! pixel.
//!
//! The batch is cut into shares by its shape alone. Each share is summed image by image, row by row, in the order of
//! the definition, in chains that end with the image at the latest; then the shares are added in ascending order.

use super::images::Images;
use super::{Conv, OP};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::tile::{ALONE, MAX_PANEL, Outer, Start, Tile};
use crate::{Layout, Result, View, ViewMut};
use std::ops::Range;

/// Pixels a share has at least: fewer, and writing its sums would cost more than summing.
const SHARE: usize = 1024;
/// f32 of images that stay in the second cache while every tile of sums passes over them.
const CHUNK: usize = 1 << 16;

struct Weight<'a> {
    p: &'a Conv,
    tile: Tile,
    x: Images,
    g: Images,
    /// Input channels of a group, output channels of a group.
    channels: [usize; 2],
    /// Whether tiles are output channels high and input channels wide, for want of output channels to fill a vector.
    turned: bool,
    taps: [usize; 2],
    shares: usize,
}

impl<'a> Weight<'a> {
    fn new(cpu: &CpuContext, p: &'a Conv, x: &Layout, g: &Layout, w: &Layout) -> Weight<'a> {
        let (x, g) = (Images::of(x), Images::of(g));
        let shares = (g.count * g.height * g.width / SHARE).clamp(1, 16).min(g.count.max(1));
        let (tile, channels) = (Tile::of(cpu.isa), [w.shape[1], w.shape[0] / p.groups]);
        let turned = channels[1] < tile.lanes && channels[0] > channels[1];
        Weight { p, tile, x, g, channels, turned, taps: [w.shape[2], w.shape[3]], shares }
    }

    /// Channels along the height and along the width of a tile.
    fn sides(&self) -> [usize; 2] {
        let [own, outputs] = self.channels;
        if self.turned { [outputs, own] } else { [own, outputs] }
    }

    /// Sums of one share.
    fn len(&self) -> usize {
        self.p.groups * self.taps[0] * self.taps[1] * self.channels[0] * self.channels[1]
    }

    fn pieces(&self) -> usize {
        self.p.groups * self.taps[0] * self.sides()[1].div_ceil(self.tile.panel())
    }

    /// One group, one kernel row, one panel of the channels across; its sums in every share are
    /// `[kernel column, channel down, channel across]`.
    fn piece(&self, index: usize) -> Piece {
        let ([high, wide], panel) = (self.sides(), self.tile.panel());
        let (row, index) = (index / wide.div_ceil(panel), index % wide.div_ceil(panel));
        let columns = index * panel..((index + 1) * panel).min(wide);
        let each = self.taps[1] * high;
        let at = (row * wide + columns.start) * each;
        Piece { group: row / self.taps[0], tap_row: row % self.taps[0], sums: at..at + columns.len() * each, columns }
    }

    /// Sums every piece of every share. Where there are shares enough for all threads, a thread takes whole shares, whose
    /// images stay in its second cache while every piece passes over them; the order of the sums is the same.
    fn sum(&self, cpu: &CpuContext, x: &[f32], g: &[f32], sums: &mut [f32]) {
        let (parts, pieces) = (Parts::new(sums), self.pieces());
        let take = |share: usize, pieces: Range<usize>| {
            let at = share * self.len();
            // SAFETY: pieces of shares do not overlap.
            let sums = |piece: &Piece| unsafe { parts.part(at + piece.sums.start..at + piece.sums.end) };
            let pieces = pieces.map(|index| self.piece(index));
            pieces.clone().for_each(|piece| sums(&piece).fill(0.0));
            for image in self.g.count * share / self.shares..self.g.count * (share + 1) / self.shares {
                for piece in pieces.clone() {
                    self.image(&x[image * self.x.size()..], &g[image * self.g.size()..], &piece, sums(&piece));
                }
            }
        };
        let products = self.g.count * self.g.height * self.g.width * self.len();
        if 2 * products < ALONE {
            (0..self.shares).for_each(|share| take(share, 0..pieces));
        } else if self.shares >= 4 * cpu.team.threads() {
            cpu.team.run(self.shares, |share| take(share, 0..pieces));
        } else {
            cpu.team.run(self.shares * pieces, |item| take(item / pieces, item % pieces..item % pieces + 1));
        }
    }

    /// Adds an image to the sums of a piece, band by band.
    fn image(&self, x: &[f32], g: &[f32], piece: &Piece, sums: &mut [f32]) {
        let (meet, _) = self.meet(0, piece.tap_row);
        let row = (self.g.width * self.g.channels).max(self.x.width * self.x.channels * self.p.stride[0]);
        let band = (CHUNK / row.max(1)).max(1);
        for top in meet.clone().step_by(band) {
            let rows = top..(top + band).min(meet.end);
            for tap_column in 0..self.taps[1] {
                let each = self.sides()[0] * piece.columns.len();
                self.tap(x, g, piece, &rows, tap_column, &mut sums[tap_column * each..][..each]);
            }
        }
    }

    /// Adds some rows of an image to the sums of one tap.
    fn tap(&self, x: &[f32], g: &[f32], piece: &Piece, rows: &Range<usize>, column: usize, sums: &mut [f32]) {
        let ([own, outputs], [vertical, horizontal]) = (self.channels, self.p.stride);
        let ((all, top), (meet, left)) = (self.meet(0, piece.tap_row), self.meet(1, column));
        if meet.is_empty() {
            return;
        }
        let row = top + (rows.start - all.start) * vertical;
        let a = (row * self.x.width + left) * self.x.channels + piece.group * own;
        let b = (rows.start * self.g.width + meet.start) * self.g.channels + piece.group * outputs;
        let x = (&x[a..], [vertical * self.x.width * self.x.channels, horizontal * self.x.channels]);
        let g = (&g[b..], [self.g.width * self.g.channels, self.g.channels]);
        let ((a, a_step), (b, b_step)) = if self.turned { (g, x) } else { (x, g) };
        let outer = Outer {
            a: a.as_ptr(),
            a_step,
            b: b.as_ptr().wrapping_add(piece.columns.start),
            b_step,
            rows: rows.len(),
            columns: meet.len(),
            c: sums.as_mut_ptr(),
            c_row: piece.columns.len(),
            height: self.sides()[0],
            width: piece.columns.len(),
            start: Start::Result,
        };
        // SAFETY: `meet` keeps rows and columns inside both images; the sums are `height` by `width`.
        unsafe { outer.run(self.tile) };
    }

    /// Adds the shares of a piece and puts the sums where `l` says. `to` is the first weight.
    ///
    /// # Safety
    /// `l` is the layout of the weights, valid from `to` on; nobody else writes those of the piece.
    unsafe fn add_shares(&self, sums: &[f32], piece: &Piece, l: &Layout, to: *mut f32) {
        let t = &l.strides;
        let (high, width) = (self.sides()[0], piece.columns.len());
        let (down_step, across_step) = if self.turned { (t[0], t[1]) } else { (t[1], t[0]) };
        let first = piece.group * self.channels[1] * t[0] + piece.columns.start * across_step + piece.tap_row * t[2];
        for (index, from) in piece.sums.clone().step_by(width).enumerate() {
            let mut total = [0.0; MAX_PANEL];
            let total = &mut total[..width];
            total.copy_from_slice(&sums[from..from + width]);
            for share in 1..self.shares {
                let more = &sums[share * self.len() + from..][..width];
                total.iter_mut().zip(more).for_each(|(total, more)| *total += more);
            }
            let at = first + index / high * t[3] + index % high * down_step;
            for (across, &sum) in total.iter().enumerate() {
                // SAFETY: inside the layout: channels, tap row and tap column are below its sizes.
                unsafe { *to.add(at + across * across_step) = sum };
            }
        }
    }

    /// Output pixels along `axis` that meet an input pixel through tap `k`, and the input pixel that the first one
    /// meets.
    fn meet(&self, axis: usize, k: usize) -> (Range<usize>, usize) {
        let (stride, before) = (self.p.stride[axis], self.p.padding[axis][0]);
        let (from, to) = if axis == 0 { (self.x.height, self.g.height) } else { (self.x.width, self.g.width) };
        let shift = k * self.p.dilation[axis];
        let first = before.saturating_sub(shift).div_ceil(stride);
        let end = (from + before).saturating_sub(shift).div_ceil(stride).min(to);
        (first..end.max(first), (first * stride + shift).saturating_sub(before))
    }
}

struct Piece {
    group: usize,
    tap_row: usize,
    columns: Range<usize>,
    sums: Range<usize>,
}

/// f32 of scratch.
pub(super) fn room(cpu: &CpuContext, p: &Conv, x: &Layout, g: &Layout, w: &Layout) -> usize {
    let weight = Weight::new(cpu, p, x, g, w);
    weight.shares * weight.len()
}

/// As [`super::weight_gradient`]; `sums` is [`room`] long.
pub(super) fn gradient(cpu: &CpuContext, p: &Conv, x: View, g: View, mut dw: ViewMut, sums: &mut [f32]) -> Result {
    let weight = Weight::new(cpu, p, x.layout(), g.layout(), dw.layout());
    let (x, g) = (x.dense::<f32>(OP)?, g.dense::<f32>(OP)?);
    weight.sum(cpu, x, g, sums);
    let l = *dw.layout();
    let to = Parts::new(dw.data::<f32>(OP)?);
    let put = |index| {
        // SAFETY: no two pieces hold the same weight, and no weight has two places (`weight_gradient` checked).
        unsafe { weight.add_shares(sums, &weight.piece(index), &l, to.pointer().wrapping_add(l.offset)) };
    };
    let pieces = weight.pieces();
    if 8 * sums.len() < ALONE {
        (0..pieces).for_each(put)
    } else {
        cpu.team.run(pieces, put)
    }
    Ok(())
}
