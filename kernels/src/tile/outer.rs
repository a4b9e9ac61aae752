//! Sums of outer products of rows of unit stride: weight gradients, products with a transposed left side.

use super::sums::{CHAIN, Room, Totals, begin, next_chain};
use super::{Start, Tile, by_rows, rows};
use crate::cpu::{Kernel, Simd};

/// `c[i, j] = start + sum over r, q of a[r, q, i] b[r, q, j]` for `i < height`, `j < width`, over a grid of `rows` by
/// `columns` of which the operands' strides are `[row, column]`, in elements.
#[derive(Clone, Copy)]
pub(crate) struct Outer {
    pub(crate) a: *const f32,
    pub(crate) a_step: [usize; 2],
    pub(crate) b: *const f32,
    pub(crate) b_step: [usize; 2],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) c: *mut f32,
    pub(crate) c_row: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) start: Start,
}

impl Outer {
    /// Computes all `height` by `width` sums.
    ///
    /// # Safety
    /// `tile` is from [`Tile::of`]. `height` numbers of `a` and `width` of `b` are valid at every place of the grid,
    /// `width` numbers at the bias and at every row of `c`, which nobody else writes.
    pub(crate) unsafe fn run(&self, tile: Tile) {
        let (mut left, mut room) = (0, Room::new());
        while left < self.width {
            // Two whole vectors, one, or a part of one.
            let width = match self.width - left {
                rest if rest >= tile.panel() => tile.panel(),
                rest => rest.min(tile.lanes),
            };
            // Tiles of about equal height.
            let tiles = self.height.div_ceil(tile.rows);
            let mut top = 0;
            for index in 0..tiles {
                let rows = (self.height - top).div_ceil(tiles - index);
                let start = match self.start {
                    Start::Bias(bias) => Start::Bias(bias.wrapping_add(left)),
                    other => other,
                };
                let part = Outer {
                    a: self.a.wrapping_add(top),
                    b: self.b.wrapping_add(left),
                    c: self.c.wrapping_add(top * self.c_row + left),
                    height: rows,
                    width,
                    start,
                    ..*self
                };
                if width > tile.lanes {
                    by_rows!(rows, M => tile.isa.run(OuterTile::<M, 2, true>(part, &mut room)));
                } else if width == tile.lanes {
                    by_rows!(rows, M => tile.isa.run(OuterTile::<M, 1, true>(part, &mut room)));
                } else {
                    by_rows!(rows, M => tile.isa.run(OuterTile::<M, 1, false>(part, &mut room)));
                }
                top += rows;
            }
            left += width;
        }
    }
}

/// One tile, `M` high and `V` vectors wide, the last of them `WHOLE` or not. Private to `run`, whose caller vouches for
/// it.
struct OuterTile<'a, const M: usize, const V: usize, const WHOLE: bool>(Outer, &'a mut Room);

impl<const M: usize, const V: usize, const WHOLE: bool> Kernel for OuterTile<'_, M, V, WHOLE> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if M > rows(S::REGISTERS) {
            return; // never asked for; without this line it would be compiled
        }
        let Outer { a, a_step, b, b_step, columns, c, c_row, width, start, .. } = self.0;
        let mut to = [c; M];
        (0..M).for_each(|i| to[i] = c.wrapping_add(i * c_row));
        let mut totals = Totals::<M>::new(self.1, V * S::LANES);
        let last = width - (V - 1) * S::LANES;
        // SAFETY: `M` numbers of `a`, `width` of `b` and of `c` are valid wherever the loops go (`Outer::run`).
        unsafe {
            let mut sums = begin::<S, M, V>(s, start, width);
            let mut rest = self.0.rows * columns;
            let mut chain = next_chain(rest);
            for r in 0..self.0.rows {
                let (mut left, mut right) = (a.wrapping_add(r * a_step[0]), b.wrapping_add(r * b_step[0]));
                let mut columns = columns;
                while columns > 0 {
                    if chain == 0 {
                        totals.put_down(s, &mut sums);
                        rest -= CHAIN;
                        chain = next_chain(rest);
                    }
                    let count = chain.min(columns);
                    for _ in 0..count {
                        let mut row = [s.zero(); V];
                        for v in 0..V {
                            let at = right.add(v * S::LANES);
                            row[v] = if WHOLE || v + 1 < V { s.load(at) } else { s.load_partial(at, last) };
                        }
                        for i in 0..M {
                            let x = s.splat(*left.add(i));
                            (0..V).for_each(|v| sums[i][v] = s.fma(x, row[v], sums[i][v]));
                        }
                        left = left.wrapping_add(a_step[1]);
                        right = right.wrapping_add(b_step[1]);
                    }
                    (columns, chain) = (columns - count, chain - count);
                }
            }
            totals.finish(s, sums, start, &to, width);
        }
    }
}
