//! Rows by pointer times a packed panel: matrix products, convolutions, input gradients.

use super::sums::{CHAIN, Room, Totals, begin, next_chain};
use super::{Start, Tile, by_rows, rows};
use crate::cpu::{Kernel, Simd};
use std::ops::Range;

/// What a sum runs over: element `r row_step + q column_step + k` of its left row, for `r < rows`, `q < columns`,
/// `k < depth`, in this order; against the rows of the panel, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) rows: usize,
    pub(crate) row_step: usize,
    pub(crate) columns: usize,
    pub(crate) column_step: usize,
    pub(crate) depth: usize,
}

impl Window {
    /// `depth` neighbours.
    pub(crate) fn flat(depth: usize) -> Window {
        Window { rows: 1, row_step: 0, columns: 1, column_step: 0, depth }
    }
}

/// Where place `i` of a grid lies: `i / columns` row steps and `i % columns` column steps from the start, `[row,
/// column]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) columns: usize,
    pub(crate) a: [usize; 2],
    pub(crate) c: [usize; 2],
}

/// `c[place, j] = start + sum over the window of a[place, ..] b[.., j]` for one panel, for the places of a grid.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) a: *const f32,
    pub(crate) b: *const f32,
    pub(crate) c: *mut f32,
    pub(crate) grid: Grid,
    pub(crate) window: Window,
    pub(crate) start: Start,
    /// Columns, from 1 to a panel.
    pub(crate) width: usize,
}

impl Rows {
    /// Computes places `from..to`.
    ///
    /// # Safety
    /// `tile` is from [`Tile::of`]. Places `from..to` of the grid and all of their window lie inside `a`; `b` holds
    /// the window's rows, each as many whole vectors as `width` takes; `width` columns are valid at the bias, and from
    /// each of these places of `c` on, where nobody else writes.
    pub(crate) unsafe fn run(&self, tile: Tile, from: usize, to: usize) {
        let (mut at, mut room) = (from, Room::new());
        while at < to {
            let left = to - at;
            // At the end two halves rather than a whole tile and a sliver.
            let (rows, tiles) = match left / tile.rows {
                0 => (left, 1),
                1 if left > tile.rows => (left.div_ceil(2), 1),
                whole if left == whole * tile.rows => (tile.rows, whole),
                whole => (tile.rows, whole - 1),
            };
            // SAFETY: the caller's word; `rows * tiles <= left`.
            if self.width > tile.lanes {
                by_rows!(rows, M => tile.isa.run(RowTiles::<M, 2>(*self, at..at + rows * tiles, &mut room)));
            } else {
                by_rows!(rows, M => tile.isa.run(RowTiles::<M, 1>(*self, at..at + rows * tiles, &mut room)));
            }
            at += rows * tiles;
        }
    }
}

/// Whole tiles, `M` places each. Private to `run`, whose caller vouches for it.
struct RowTiles<'a, const M: usize, const V: usize>(Rows, Range<usize>, &'a mut Room);

impl<const M: usize, const V: usize> Kernel for RowTiles<'_, M, V> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if M > rows(S::REGISTERS) {
            return; // never asked for; without this line it would be compiled
        }
        let RowTiles(Rows { a, b, c, grid, window, start, width }, places, room) = self;
        let mut totals = Totals::<M>::new(room, V * S::LANES);
        let products = window.rows * window.columns * window.depth;
        let (mut row, mut column) = (places.start / grid.columns, places.start % grid.columns);
        for _ in 0..places.len() / M {
            let (mut from, mut to) = ([a; M], [c; M]);
            for i in 0..M {
                from[i] = a.wrapping_add(row * grid.a[0] + column * grid.a[1]);
                to[i] = c.wrapping_add(row * grid.c[0] + column * grid.c[1]);
                column += 1;
                if column == grid.columns {
                    (row, column) = (row + 1, 0);
                }
            }
            // SAFETY: places of the grid, inside `a` and `c` with their windows and columns (`Rows::run`).
            unsafe {
                let mut sums = begin::<S, M, V>(s, start, width);
                let (mut panel, mut rest, mut chain) = (b, products, next_chain(products));
                for r in 0..window.rows {
                    for q in 0..window.columns {
                        let mut k = r * window.row_step + q * window.column_step;
                        let stop = k + window.depth;
                        while k < stop {
                            if chain == 0 {
                                totals.put_down(s, &mut sums);
                                rest -= CHAIN;
                                chain = next_chain(rest);
                            }
                            let count = chain.min(stop - k);
                            for k in k..k + count {
                                let mut right = [s.zero(); V];
                                (0..V).for_each(|v| right[v] = s.load(panel.add(v * S::LANES)));
                                for i in 0..M {
                                    let left = s.splat(*from[i].add(k));
                                    (0..V).for_each(|v| sums[i][v] = s.fma(left, right[v], sums[i][v]));
                                }
                                panel = panel.add(V * S::LANES);
                            }
                            (k, chain) = (k + count, chain - count);
                        }
                    }
                }
                totals.finish(s, sums, start, &to, width);
            }
        }
    }
}
