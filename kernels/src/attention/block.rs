//! A block of queries lies across the lanes: column `i` of every buffer is query `i` of the block. Scores are then a
//! product of the keys with the transposed queries, and maximum, sum and scaling go down the columns, without a reduction
//! over lanes. Here are the buffers of a block, and the products between them.

use super::geometry::Strip;
use crate::tile::{Grid, Outer, Start, Tile, Window, panels};

/// Keys whose scores are kept at a time: whole tiles on the widest path, and few enough that the scores and the rows of k
/// and v stay in the nearest cache.
pub(super) const KEYS: usize = 56;

/// Queries of one sample and head that are computed together: one panel of the micro-kernel.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) tile: Tile,
    pub(super) pair: usize,
    pub(super) first: usize,
    pub(super) queries: usize,
    /// Columns of the buffers: the queries, filled up to whole vectors.
    pub(super) pitch: usize,
}

impl Block {
    /// The block that starts with query `first` of `queries`.
    pub(super) fn new(tile: Tile, pair: usize, first: usize, queries: usize) -> Block {
        let queries = tile.panel().min(queries - first);
        Block { tile, pair, first, queries, pitch: queries.next_multiple_of(tile.lanes) }
    }

    /// Rows of the block, `width` long, transposed into columns; the columns beyond are 0.
    pub(super) fn columns(&self, from: Strip, width: usize, to: &mut [f32]) {
        panels::pack(self.tile, from.data, from.start..from.start + width, from.step, self.queries, to);
    }

    /// Rows of the block, `width` long, packed for [`Block::scatter`].
    pub(super) fn packed(&self, from: Strip, width: usize, to: &mut [f32]) {
        for index in 0..panels::count(self.tile, width) {
            let (range, columns) = panels::panel(self.tile, self.queries, width, index);
            let start = from.start + index * self.tile.panel();
            let starts = (0..self.queries).map(|query| start + query * from.step);
            panels::pack(self.tile, from.data, starts, 1, columns, &mut to[range]);
        }
    }

    /// `c[j, query] = sum over i of a[j, i] b[i, query]` for `count` rows `j` of a, `width` long.
    ///
    /// # Safety
    /// b has `width` rows of the block's columns, c `count`; a has those rows.
    pub(super) unsafe fn scores(&self, a: Strip, count: usize, width: usize, b: &[f32], c: &mut [f32]) {
        debug_assert!(b.len() >= width * self.pitch && c.len() >= count * self.pitch);
        let product = crate::tile::Rows {
            a: a.pointer(),
            b: b.as_ptr(),
            c: c.as_mut_ptr(),
            grid: Grid { columns: count, a: [0, a.step], c: [0, self.pitch] },
            window: Window::flat(width),
            start: Start::Zero,
            width: self.pitch,
        };
        // SAFETY: a has the rows; b and c the whole vectors of `pitch` columns.
        unsafe { product.run(self.tile, 0, count) };
    }

    /// `c[i, query] += sum over j of a[j, i] b[j, query]` for `count` rows `j` of a, `width` long.
    ///
    /// # Safety
    /// b has `count` rows of the block's columns, c `width`; a has those rows.
    pub(super) unsafe fn gather(&self, a: Strip, count: usize, width: usize, b: &[f32], c: &mut [f32]) {
        debug_assert!(b.len() >= count * self.pitch && c.len() >= width * self.pitch);
        let product = Outer {
            a: a.pointer(),
            a_step: [0, a.step],
            b: b.as_ptr(),
            b_step: [0, self.pitch],
            rows: 1,
            columns: count,
            c: c.as_mut_ptr(),
            c_row: self.pitch,
            height: width,
            width: self.pitch,
            start: Start::Result,
        };
        // SAFETY: as in `scores`.
        unsafe { product.run(self.tile) };
    }

    /// `to[j, i] = (old, or 0) + sum over queries of a[j, query] b[query, i]`, b packed in panels of columns `i`, for
    /// `count` rows `j`, from `to` on, `step` apart.
    ///
    /// # Safety
    /// a has `count` rows of the block's columns; b is `width` columns packed; `to` has the rows, and nobody else holds
    /// them.
    pub(super) unsafe fn scatter(
        &self,
        a: &[f32],
        count: usize,
        b: &[f32],
        width: usize,
        (to, step): (*mut f32, usize),
        start: Start,
    ) {
        debug_assert!(a.len() >= count * self.pitch);
        for index in 0..panels::count(self.tile, width) {
            let (range, columns) = panels::panel(self.tile, self.queries, width, index);
            let product = crate::tile::Rows {
                a: a.as_ptr(),
                b: b[range].as_ptr(),
                c: to.wrapping_add(index * self.tile.panel()),
                grid: Grid { columns: count, a: [0, self.pitch], c: [0, step] },
                window: Window::flat(self.queries),
                start,
                width: columns,
            };
            // SAFETY: as in `scores`, for the block's queries.
            unsafe { product.run(self.tile, 0, count) };
        }
    }
}

/// The next `count` numbers of a room.
pub(super) fn take<'a>(room: &mut &'a mut [f32], count: usize) -> &'a mut [f32] {
    let (taken, rest) = std::mem::take(room).split_at_mut(count);
    *room = rest;
    taken
}
