//! f32 forward convolution and input gradient: sweeps over bands of an image, each band read from a copy with its zero
//! padding, in which every tap of every place is at a fixed distance from the place.

use super::axis::Axis;
use super::images::{Images, copy_padded, inside};
use super::winograd::{self, Winograd};
use super::{Conv, Role};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::tile::{ALONE, Dots, FEW, Grid, Rows, Start, Tile, Window, panels};
use std::ops::Range;

/// f32 of a band's copy that stay in the second cache beside a panel of weights.
const BAND: usize = 1 << 16;

/// What one sweep reads and writes, and how it is cut into work.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    tile: Tile,
    from: Images,
    to: Images,
    groups: usize,
    /// `[vertical, horizontal]`
    axes: [Axis; 2],
    /// Bands of about equal height that an image is cut into.
    bands: usize,
    /// How it is done, where there is a faster way.
    winograd: Option<Winograd>,
}

/// The sweeps between input images `x` and output images `y`: one of a forward convolution, for an input gradient one
/// for each residue of row and column by the stride. The weights of a sweep depend on channels and taps alone.
pub(super) fn sweeps<'a>(
    cpu: &'a CpuContext,
    p: &'a Conv,
    role: Role,
    x: Images,
    y: Images,
    taps: [usize; 2],
) -> impl Iterator<Item = Sweep> + 'a {
    let count = if role == Role::Forward { 1 } else { p.stride[0] * p.stride[1] };
    (0..count).map(move |index| {
        let (from, to, axes) = match role {
            Role::Forward => {
                let places = [(0, y.height), (1, y.width)];
                (x, y, places.map(|(axis, places)| Axis::forward(p, axis, places, taps[axis])))
            }
            Role::InputGradient => {
                let at = [(0, index / p.stride[1], x.height), (1, index % p.stride[1], x.width)];
                (y, x, at.map(|(axis, residue, size)| Axis::input_gradient(p, axis, residue, size, taps[axis])))
            }
        };
        let suits = winograd::suits(p, [from.channels, to.channels], taps);
        let winograd = suits.then(|| Winograd::new(cpu, from, to, &axes));
        Sweep { winograd, ..Sweep::new(cpu, from, to, p.groups, axes) }
    })
}

impl Sweep {
    fn new(cpu: &CpuContext, from: Images, to: Images, groups: usize, axes: [Axis; 2]) -> Sweep {
        let (tile, threads) = (Tile::of(cpu.isa), cpu.team.threads());
        let (rows, places) = (axes[0].places, axes[0].places * axes[1].places);
        // Four bands a thread, that nobody waits long for the last one, but no band of less than two tiles; where that
        // leaves a thread without work, one tile.
        let wanted = (4 * threads).div_ceil(from.count.max(1)).min(places / (2 * tile.rows));
        let even = if wanted > threads { wanted - wanted % threads } else { wanted };
        let shared = even.max(threads.div_ceil(from.count.max(1)).min(places / tile.rows));
        let (_, width) = axes[1].seen(0, axes[1].places);
        let fits = (BAND / (width * from.channels * axes[0].from_step).max(1)).max(1);
        let bands = shared.max(rows.div_ceil(fits)).clamp(1, rows.max(1));
        Sweep { tile, from, to, groups, axes, bands, winograd: None }
    }

    /// Rows of places in band `index`.
    fn rows(&self, index: usize) -> Range<usize> {
        let rows = self.axes[0].places;
        rows * index / self.bands..rows * (index + 1) / self.bands
    }

    /// Products a sum has in one group: rows of a panel.
    fn depth(&self) -> usize {
        self.axes[0].taps * self.axes[1].taps * self.from.channels / self.groups
    }

    /// Columns of one group.
    fn columns(&self) -> usize {
        self.to.channels / self.groups
    }

    /// Whether columns are too few for vectors along them, and neighbouring channels are the longer run.
    fn few(&self) -> bool {
        (1..=FEW.min(self.from.channels)).contains(&self.columns()) && self.groups == 1
    }

    /// f32 of the packed weights.
    pub(super) fn packed(&self) -> usize {
        if let Some(winograd) = &self.winograd {
            return winograd.packed();
        }
        self.groups * panels::room(self.depth(), self.columns())
    }

    /// Packs weights, from their first element on. `steps` are their strides along `[columns, depth, kernel rows,
    /// kernel columns]`.
    pub(super) fn pack(&self, cpu: &CpuContext, w: &[f32], steps: [usize; 4], group_step: usize, packed: &mut [f32]) {
        if let Some(winograd) = &self.winograd {
            let [vertical, horizontal] = self.axes;
            let at = |[column, channel, y, x]: [usize; 4]| {
                let tap = vertical.tap(y) * steps[2] + horizontal.tap(x) * steps[3];
                column * steps[0] + channel * steps[1] + tap
            };
            return winograd.pack(cpu, w, at, packed);
        }
        let (depth, columns, channels) = (self.depth(), self.columns(), self.from.channels / self.groups);
        let starts = |first: usize| {
            (0..self.axes[0].taps).flat_map(move |row| {
                let row = first + self.axes[0].tap(row) * steps[2];
                (0..self.axes[1].taps).flat_map(move |column| {
                    let tap = row + self.axes[1].tap(column) * steps[3];
                    (0..channels).map(move |k| tap + k * steps[1])
                })
            })
        };
        if self.few() {
            for (column, to) in packed.chunks_exact_mut(depth.max(1)).take(columns).enumerate() {
                to.iter_mut().zip(starts(column * steps[0])).for_each(|(to, from)| *to = w[from]);
            }
            return;
        }
        let (count, room) = (panels::count(self.tile, columns), panels::room(depth, columns));
        let parts = Parts::new(packed);
        let panel = |index| {
            let (group, index) = (index / count, index % count);
            let (range, width) = panels::panel(self.tile, depth, columns, index);
            // SAFETY: panels do not overlap.
            let panel = unsafe { parts.part(group * room + range.start..group * room + range.end) };
            let first = group * group_step + index * self.tile.panel() * steps[0];
            panels::pack(self.tile, w, starts(first), steps[0], width, panel);
        };
        let all = self.groups * count;
        if self.packed() < ALONE { (0..all).for_each(panel) } else { cpu.team.run(all, panel) }
    }

    /// f32 of scratch a thread needs for a band.
    pub(super) fn copy_len(&self) -> usize {
        if let Some(winograd) = &self.winograd {
            return winograd.room();
        }
        let highest = self.axes[0].places.div_ceil(self.bands);
        let ((_, height), (_, width)) = (self.axes[0].seen(0, highest), self.axes[1].seen(0, self.axes[1].places));
        height * width * self.from.channels
    }

    /// Computes `to` from `from` and packed weights; `room` holds one copy a thread. All slices start at the first
    /// element.
    pub(super) fn run(
        &self,
        cpu: &CpuContext,
        from: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        to: &Parts<f32>,
        room: &mut [f32],
    ) {
        let (rooms, len) = (Parts::new(room), self.copy_len());
        let bands = self.winograd.map_or(self.bands, |winograd| winograd.bands);
        let item = |slot: usize, index: usize| {
            let (image, band) = (index / bands, index % bands);
            // SAFETY: one thread holds a slot at a time.
            let room = unsafe { rooms.part(slot * len..(slot + 1) * len) };
            let from = &from[image * self.from.size()..][..self.from.size()];
            let to = to.pointer().wrapping_add(image * self.to.size());
            // SAFETY: the places of this band of this image, which no other item writes.
            unsafe {
                match &self.winograd {
                    Some(winograd) => winograd.band(from, packed, bias, to, band, room),
                    None => self.band(from, packed, bias, to, self.rows(band), room),
                }
            }
        };
        let (items, products) = (self.from.count * bands, self.axes[0].places * self.axes[1].places * self.to.channels);
        if 2 * self.from.count * products * self.depth() < ALONE {
            (0..items).for_each(|index| item(0, index));
        } else {
            cpu.team.run_with_slots(items, item);
        }
    }

    /// Computes the rows `rows` of places of one image.
    ///
    /// # Safety
    /// `to` is an image of the result; nobody else writes the places.
    unsafe fn band(
        &self,
        from: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        to: *mut f32,
        rows: Range<usize>,
        room: &mut [f32],
    ) {
        let [vertical, horizontal] = &self.axes;
        let (top, height) = vertical.seen(rows.start, rows.end);
        let (left, width) = horizontal.seen(0, horizontal.places);
        let whole = inside(top, height, self.from.height) && inside(left, width, self.from.width);
        let (from, pitch) = if whole {
            (&from[(top as usize * self.from.width + left as usize) * self.from.channels..], self.from.width)
        } else {
            copy_padded(from, &self.from, (top, height), (left, width), room);
            (&*room, width)
        };
        let (channels, outputs) = (self.from.channels, self.to.channels);
        let (own, columns, depth) = (channels / self.groups, self.columns(), self.depth());
        let mut window = Window {
            rows: vertical.taps,
            row_step: vertical.offset_step * pitch * channels,
            columns: horizontal.taps,
            column_step: horizontal.offset_step * channels,
            depth: own,
        };
        if window.column_step == own {
            // Neighbouring taps of all channels are neighbours in memory.
            (window.depth, window.columns) = (own * horizontal.taps, 1);
        }
        let grid = Grid {
            columns: horizontal.places,
            a: [vertical.from_step * pitch * channels, horizontal.from_step * channels],
            c: [vertical.to_step * self.to.width * outputs, horizontal.to_step * outputs],
        };
        let start = (vertical.to_first + rows.start * vertical.to_step) * self.to.width + horizontal.to_first;
        let places = rows.len() * horizontal.places;
        if self.few() {
            let (a, b, c) = (from.as_ptr(), packed.as_ptr(), to.wrapping_add(start * outputs));
            let start = bias.map_or(Start::Zero, |bias| Start::Bias(bias.as_ptr()));
            let product = Dots { a, b, c, grid, window, start, width: columns };
            // SAFETY: as below; `columns` columns of `depth` numbers are packed.
            unsafe { product.run(self.tile, 0, places) };
            return;
        }
        for group in 0..self.groups {
            for index in 0..panels::count(self.tile, columns) {
                let (range, width) = panels::panel(self.tile, depth, columns, index);
                let first = group * columns + index * self.tile.panel();
                let panel = &packed[group * panels::room(depth, columns)..][range];
                let product = Rows {
                    a: from.as_ptr().wrapping_add(group * own),
                    b: panel.as_ptr(),
                    c: to.wrapping_add(start * outputs + first),
                    grid,
                    window,
                    start: bias.map_or(Start::Zero, |bias| Start::Bias(bias[first..first + width].as_ptr())),
                    width,
                };
                // SAFETY: every tap of every place lies in the image or in its padded copy (`seen`); the panel has
                // `depth` rows; the places of the result by the caller's word.
                unsafe { product.run(self.tile, 0, places) };
            }
        }
    }
}
