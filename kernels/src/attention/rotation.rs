//! Rotary position embedding of q and k inside attention: rows are turned on their way to a product, and the gradients of
//! turned rows turned back where they lie.

use super::geometry::{Rows, RowsMut, Sizes, Strip};
use crate::cpu::{Isa, Kernel, Simd};
use crate::rope::{self, Rope};
use crate::rows::shaped;
use crate::{DType, Element, KernelError, Real, Result, View};
use std::ops::Range;

/// Tables of angles, of [`crate::rope`], by which q and k are turned before their product.
#[derive(Clone, Copy)]
pub struct Rotation<'a> {
    /// Which numbers of a row are pairs.
    pub p: Rope,
    /// `[2, s, e / 2]` row-major, in f32 or f64 as lse.
    pub q: View<'a>,
    /// `[2, t, e / 2]`, likewise.
    pub k: View<'a>,
}

impl<'a> Rotation<'a> {
    /// An error unless the tables fit operands of such sizes.
    pub(super) fn check(&self, op: &'static str, sizes: &Sizes, dtype: DType) -> Result {
        let (width, axes) = (sizes.width, self.p.axes);
        if axes == 0 || !width.is_multiple_of(2 * axes) {
            let what = format!("rows of {width} numbers do not fall into {axes} blocks of pairs");
            return Err(KernelError::Parameter { op, what });
        }
        for (what, table, positions) in
            [("the table of q", &self.q, sizes.queries), ("the table of k", &self.k, sizes.keys)]
        {
            shaped(op, what, table.layout(), &[2, positions, width / 2])?;
            if table.dtype() != dtype.wide() {
                return Err(KernelError::DType { op, got: table.dtype(), want: dtype.wide().name() });
            }
            if !table.layout().is_contiguous() {
                return Err(KernelError::Order { op, what, want: "row-major" });
            }
        }
        Ok(())
    }

    /// The turns of q and of k.
    pub(super) fn turns<T: Element>(&self, op: &'static str) -> Result<[Turn<'a, T>; 2]> {
        Ok([Turn { p: self.p, table: self.q.dense(op)? }, Turn { p: self.p, table: self.k.dense(op)? }])
    }
}

/// How the rows of one operand are turned: cosines of all positions, then sines.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a, T> {
    p: Rope,
    table: &'a [T],
}

impl<T: Real> Turn<'_, T> {
    /// Turns the row of a position, or back.
    #[inline(always)]
    pub(super) fn row(&self, back: bool, position: usize, row: &mut [T]) {
        let (cos, sin) = self.table.split_at(self.table.len() / 2);
        let angles = position * (row.len() / 2)..(position + 1) * (row.len() / 2);
        rope::row::turn(&self.p, back, row, &cos[angles.clone()], &sin[angles]);
    }

    /// All rows, turned, `[pairs, positions, width]`: the definition.
    pub(super) fn all(&self, rows: &Rows<T>, pairs: usize) -> Vec<T> {
        let &[.., positions, _] = &**rows.shape() else { return vec![] };
        let turned = (0..pairs).flat_map(|pair| (0..positions).map(move |position| (pair, position)));
        turned
            .flat_map(|(pair, position)| {
                let mut row = rows.row(pair, position).to_vec();
                self.row(false, position, &mut row);
                row
            })
            .collect()
    }
}

/// Rows `range` of a pair of sample and head: where they lie, or turned in `room`.
pub(super) fn strip<'a>(
    isa: Isa,
    turn: Option<&Turn<f32>>,
    rows: &Rows<'a, f32>,
    pair: usize,
    range: Range<usize>,
    room: &'a mut [f32],
) -> Strip<'a> {
    let Some(turn) = turn else { return rows.strip(pair, range.start) };
    let width = rows.shape()[3];
    isa.run(Forth { turn, rows, pair, first: range.start, room: &mut room[..range.len() * width] });
    Strip { data: room, start: 0, step: width }
}

/// Turns rows `range` of a gradient back.
///
/// # Safety
/// Nobody else holds these rows.
pub(super) unsafe fn turn_back(
    isa: Isa,
    turn: Option<&Turn<f32>>,
    rows: &RowsMut<'_, f32>,
    pair: usize,
    range: Range<usize>,
) {
    if let Some(turn) = turn {
        isa.run(Back { turn, rows, pair, range });
    }
}

struct Forth<'a> {
    turn: &'a Turn<'a, f32>,
    rows: &'a Rows<'a, f32>,
    pair: usize,
    first: usize,
    room: &'a mut [f32],
}

impl Kernel for Forth<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, row) in self.room.chunks_exact_mut(self.rows.shape()[3].max(1)).enumerate() {
            row.copy_from_slice(self.rows.row(self.pair, self.first + i));
            self.turn.row(false, self.first + i, row);
        }
    }
}

struct Back<'a> {
    turn: &'a Turn<'a, f32>,
    rows: &'a RowsMut<'a, f32>,
    pair: usize,
    range: Range<usize>,
}

impl Kernel for Back<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for position in self.range {
            // SAFETY: the word of who calls `turn_back`.
            self.turn.row(true, position, unsafe { self.rows.part(self.pair, position) });
        }
    }
}
