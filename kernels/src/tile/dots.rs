//! Rows by pointer times few columns: convolutions to one or a few channels. Vectors run along the sum, not along the
//! columns, of which there are too few to fill one.

use super::{Grid, Start, Tile, Window};
use crate::cpu::{Kernel, Simd};

/// The most columns of [`Dots`]; from there on [`super::Rows`] is quicker.
pub(crate) const FEW: usize = 4;

/// `c[place, j] = start + sum over the window of a[place, ..] b[j, ..]` for every column, for the places of a grid.
/// Each column's numbers are neighbours. Sums run along lanes, which are added in a fixed tree, so that as in `Rows` an
/// element's bits depend on its operands alone.
#[derive(Clone, Copy)]
pub(crate) struct Dots {
    pub(crate) a: *const f32,
    pub(crate) b: *const f32,
    pub(crate) c: *mut f32,
    pub(crate) grid: Grid,
    pub(crate) window: Window,
    /// [`Start::Zero`] or [`Start::Bias`].
    pub(crate) start: Start,
    /// Columns, 1 to [`FEW`].
    pub(crate) width: usize,
}

impl Dots {
    /// Computes places `from..to`.
    ///
    /// # Safety
    /// As for `Rows::run`, but that `b` holds `width` columns of as many numbers as the window has.
    pub(crate) unsafe fn run(&self, tile: Tile, from: usize, to: usize) {
        match self.width {
            1 => self.places::<1, 8>(tile, from, to),
            2 => self.places::<2, 4>(tile, from, to),
            3 => self.places::<3, 4>(tile, from, to),
            4 => self.places::<4, 2>(tile, from, to),
            width => unreachable!("{width} columns are not few"),
        }
    }

    fn places<const N: usize, const M: usize>(&self, tile: Tile, from: usize, to: usize) {
        let whole = (to - from) / M;
        tile.isa.run(DotTiles::<N, M> { dots: *self, first: from, tiles: whole });
        tile.isa.run(DotTiles::<N, 1> { dots: *self, first: from + whole * M, tiles: to - from - whole * M });
    }
}

/// Private to `run`, whose caller vouches for it.
struct DotTiles<const N: usize, const M: usize> {
    dots: Dots,
    first: usize,
    tiles: usize,
}

impl<const N: usize, const M: usize> Kernel for DotTiles<N, M> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Dots { a, b, c, grid, window, start, .. } = self.dots;
        let length = window.rows * window.columns * window.depth;
        let (whole, rest) = (window.depth / S::LANES, window.depth % S::LANES);
        for tile in 0..self.tiles {
            let (mut from, mut to) = ([a; M], [c; M]);
            for i in 0..M {
                let place = self.first + tile * M + i;
                let (row, column) = (place / grid.columns, place % grid.columns);
                from[i] = a.wrapping_add(row * grid.a[0] + column * grid.a[1]);
                to[i] = c.wrapping_add(row * grid.c[0] + column * grid.c[1]);
            }
            let mut sums = [[s.zero(); N]; M];
            let mut right = b;
            // SAFETY: places of the grid, inside `a` and `c` with their windows and columns; `N` columns of `length`
            // numbers (`Dots::run`).
            unsafe {
                for r in 0..window.rows {
                    for q in 0..window.columns {
                        let at = r * window.row_step + q * window.column_step;
                        for k in 0..whole {
                            let left: [S::V; M] = from.map(|from| s.load(from.add(at + k * S::LANES)));
                            for j in 0..N {
                                let row = s.load(right.add(j * length));
                                (0..M).for_each(|i| sums[i][j] = s.fma(left[i], row, sums[i][j]));
                            }
                            right = right.add(S::LANES);
                        }
                        if rest > 0 {
                            let left: [S::V; M] =
                                from.map(|from| s.load_partial(from.add(at + whole * S::LANES), rest));
                            for j in 0..N {
                                let row = s.load_partial(right.add(j * length), rest);
                                (0..M).for_each(|i| sums[i][j] = s.fma(left[i], row, sums[i][j]));
                            }
                            right = right.add(rest);
                        }
                    }
                }
                for i in 0..M {
                    for j in 0..N {
                        let first = if let Start::Bias(bias) = start { *bias.add(j) } else { 0.0 };
                        *to[i].add(j) = first + s.sum(sums[i][j]);
                    }
                }
            }
        }
    }
}
