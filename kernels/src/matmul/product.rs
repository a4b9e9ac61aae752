//! One product with a packed right side: blocks of rows and panels, each computed by one thread.

use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::tile::{ALONE, Grid, MAX_ROWS, Outer, Rows, Start, Tile, Window, panels};
use std::ops::Range;

/// Products summed at a go, and panels of a block: so much of the right side stays in the second cache.
const DEPTH: usize = 512;
const PANELS: usize = 8;
/// Row step of a copied strip: no multiple of a page, so that its rows do not fight for one cache set.
const STRIP_ROW: usize = DEPTH + 16;
/// `c = a b + bias`: `a [m, k]` of any strides, `b` packed from `[k, n]`, `c` with unit stride along its rows.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) tile: Tile,
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    /// From the matrix's first element on.
    pub(super) a: &'a [f32],
    /// `[along m, along k]`
    pub(super) a_step: [usize; 2],
    pub(super) b: &'a [f32],
    /// `n` numbers.
    pub(super) bias: Option<&'a [f32]>,
    pub(super) c_row: usize,
}

impl Product<'_> {
    /// Computes the product on the team, blocks shared out.
    ///
    /// # Safety
    /// `m` rows of `n` elements, `c_row` apart, are valid from `c.pointer() + c_at` on, and nobody else writes them.
    pub(super) unsafe fn on_team(&self, cpu: &CpuContext, c: &Parts<f32>, c_at: usize) {
        let panels = panels::count(self.tile, self.n);
        let (rows_each, panels_each) = self.block_size(cpu.team.threads(), panels);
        let (row_blocks, panel_blocks) = (self.m.div_ceil(rows_each), panels.div_ceil(panels_each));
        for first in (0..self.k.max(1)).step_by(DEPTH) {
            // All rows meet the same panels one after the other, which stay in the second cache.
            cpu.team.run(row_blocks * panel_blocks, |index| {
                let (panel, row) = (index / row_blocks * panels_each, index % row_blocks * rows_each);
                let (rows, panels) = (row..(row + rows_each).min(self.m), panel..(panel + panels_each).min(panels));
                // SAFETY: rows and columns of `c` that this block alone writes.
                unsafe { self.block(rows, panels, first, c.pointer().wrapping_add(c_at)) }
            });
        }
    }

    /// Computes the product on the calling thread.
    ///
    /// # Safety
    /// As for [`Product::on_team`], `c` being the first element.
    pub(super) unsafe fn whole(&self, c: *mut f32) {
        for first in (0..self.k.max(1)).step_by(DEPTH) {
            // SAFETY: the caller's word.
            unsafe { self.block(0..self.m, 0..panels::count(self.tile, self.n), first, c) }
        }
    }

    /// Large enough to use the caches, small enough to share the work out.
    fn block_size(&self, threads: usize, panels: usize) -> (usize, usize) {
        if threads == 1 || 2 * self.m * self.n * self.k < ALONE {
            return (self.m.clamp(1, 8 * self.tile.rows), panels.clamp(1, PANELS));
        }
        let parts = 4 * threads;
        let rows = self.m.div_ceil(parts).next_multiple_of(self.tile.rows).min(8 * self.tile.rows);
        let columns = panels.div_ceil(parts.div_ceil(self.m.div_ceil(rows).max(1)));
        (rows, columns.clamp(1, PANELS))
    }

    /// Adds to `rows` by the columns of `panels` the products from `first` on, at most [`DEPTH`]. `c` is the first element
    /// of the result.
    ///
    /// # Safety
    /// The elements written are valid and written by nobody else.
    unsafe fn block(&self, rows: Range<usize>, panels: Range<usize>, first: usize, c: *mut f32) {
        let [row_step, k_step] = self.a_step;
        let by_rows = k_step == 1 || self.k <= 1;
        // Rows a page apart fight for one cache set; columns are read once a panel, each from pages of its own.
        let direct = if by_rows { !row_step.is_multiple_of(1024) } else { row_step == 1 && panels.len() <= 2 };
        if direct || self.k == 0 {
            let step = if by_rows { [row_step, 1] } else { self.a_step };
            // SAFETY: the caller's word.
            return unsafe { self.strip(rows, panels, first, self.a[first * k_step..].as_ptr(), step, c) };
        }
        let mut copy = [0.0; MAX_ROWS * STRIP_ROW];
        let strips = rows.len().div_ceil(self.tile.rows);
        let mut top = rows.start;
        for index in 0..strips {
            let strip = top..top + (rows.end - top).div_ceil(strips - index);
            let step = self.copy(strip.clone(), first, &mut copy);
            let start = copy.as_ptr().wrapping_sub(strip.start * step[0]);
            top = strip.end;
            // SAFETY: the caller's word.
            unsafe { self.strip(strip, panels.clone(), first, start, step, c) };
        }
    }

    /// Copies rows of `a` from column `first` on, in whichever order is quicker to copy; returns the copy's steps.
    fn copy(&self, rows: Range<usize>, first: usize, copy: &mut [f32]) -> [usize; 2] {
        let [row_step, k_step] = self.a_step;
        let (count, depth) = (rows.len(), DEPTH.min(self.k - first));
        if row_step == 1 && k_step != 1 {
            for (k, to) in copy.chunks_exact_mut(count).take(depth).enumerate() {
                to.copy_from_slice(&self.a[(first + k) * k_step + rows.start..][..count]);
            }
            return [1, count];
        }
        for (i, to) in rows.zip(copy.chunks_exact_mut(STRIP_ROW)) {
            let from = &self.a[i * row_step + first * k_step..];
            if k_step == 1 {
                to[..depth].copy_from_slice(&from[..depth]);
            } else {
                to[..depth].iter_mut().enumerate().for_each(|(k, x)| *x = from[k * k_step]);
            }
        }
        [STRIP_ROW, 1]
    }

    /// Adds the products of columns `first..` of `a`, at most [`DEPTH`]. `a` is where row 0 of those columns lies (or
    /// would lie), `step` its strides, one of which is 1.
    unsafe fn strip(
        &self,
        rows: Range<usize>,
        panels: Range<usize>,
        first: usize,
        a: *const f32,
        step: [usize; 2],
        c: *mut f32,
    ) {
        let depth = DEPTH.min(self.k - first);
        for index in panels {
            let (range, width) = panels::panel(self.tile, self.k, self.n, index);
            let b_row = width.next_multiple_of(self.tile.lanes);
            let b = self.b[range][first * b_row..].as_ptr();
            let left = index * self.tile.panel();
            let start = match self.bias {
                _ if first > 0 => Start::Result,
                Some(bias) => Start::Bias(bias[left..left + width].as_ptr()),
                None => Start::Zero,
            };
            let c = c.wrapping_add(left);
            if step[1] == 1 {
                let grid = Grid { columns: self.m, a: [0, step[0]], c: [0, self.c_row] };
                let product = Rows { a, b, c, grid, window: Window::flat(depth), start, width };
                // SAFETY: rows of `a`, or of its copy, with `depth` columns; a panel with `depth` rows from `b` on; the
                // result by the caller's word.
                unsafe { product.run(self.tile, rows.start, rows.end) };
            } else {
                let outer = Outer {
                    a: a.wrapping_add(rows.start),
                    a_step: [0, step[1]],
                    b,
                    b_step: [0, b_row],
                    rows: 1,
                    columns: depth,
                    c: c.wrapping_add(rows.start * self.c_row),
                    c_row: self.c_row,
                    height: rows.len(),
                    width,
                    start,
                };
                // SAFETY: as above, `a` read column by column.
                unsafe { outer.run(self.tile) };
            }
        }
    }
}
