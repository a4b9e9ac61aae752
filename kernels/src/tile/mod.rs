//! The micro-kernels that matrix products and convolutions are made of: a tile of `M` rows by `V` vectors of sums, kept
//! in registers while it runs over everything there is to sum.
//!
//! [`Rows`] reads its left side by one pointer a row and its right side from packed [`panels`]; [`Outer`] reads both
//! sides as rows of unit stride and sums outer products; [`Dots`] is for few columns. The products of an element are
//! added in their order, in chains of fused multiply-adds of fixed length ([`sums`]), so its bits do not depend on the
//! tile it falls into, and its error hardly grows with the length of the sum.

mod dots;
mod outer;
pub(crate) mod panels;
mod rows;
mod sums;

pub(crate) use dots::{Dots, FEW};
pub(crate) use outer::Outer;
pub(crate) use rows::{Grid, Rows, Window};
pub(crate) use sums::Start;

use crate::cpu::{Isa, Kernel, Simd};

/// The tile of an instruction set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    pub(crate) isa: Isa,
    /// The most rows.
    pub(crate) rows: usize,
    /// f32 in a vector; a panel is two of them wide.
    pub(crate) lanes: usize,
}

/// Rows of the tile that fills `registers`: two vectors a row, with four left for a row of the right side and a
/// broadcast.
const fn rows(registers: usize) -> usize {
    (registers - 4) / 2
}

/// The most rows of any tile.
pub(crate) const MAX_ROWS: usize = rows(32);
/// The most columns of any panel.
pub(crate) const MAX_PANEL: usize = 32;

impl Tile {
    /// The tile of `isa`, or of the best path there is, should that be less.
    pub(crate) fn of(isa: Isa) -> Tile {
        isa.run(OfPath(isa.min(Isa::best())))
    }

    /// Columns of a whole panel.
    pub(crate) fn panel(&self) -> usize {
        2 * self.lanes
    }
}

struct OfPath(Isa);

impl Kernel for OfPath {
    type Out = Tile;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Tile {
        Tile { isa: self.0, rows: rows(S::REGISTERS), lanes: S::LANES }
    }
}

/// Floating-point operations that one thread has done before another has started.
pub(crate) const ALONE: usize = 1 << 17;

/// Calls `run::<M>` for the number of rows at hand.
macro_rules! by_rows {
    ($rows:expr, $m:ident => $call:expr) => {
        by_rows!(@ $rows, $m, $call, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@ $rows:expr, $m:ident, $call:expr, $($n:literal)*) => {
        match $rows {
            $($n => { const $m: usize = $n; $call })*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
use by_rows;
