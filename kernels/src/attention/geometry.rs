//! Shapes and strides of attention: which operands fit together, and where the row of a head and position lies.

use crate::cpu::team::Parts;
use crate::rows::shaped;
use crate::{Cost, Dims, Element, KernelError, Layout, Result, View, ViewMut};
use std::ops::Range;

/// The numbers that shape an attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Of q and k.
    pub(super) width: usize,
    /// Of v and out.
    pub(super) value_width: usize,
}

impl Sizes {
    pub(super) fn of(op: &'static str, q: &Layout, k: &Layout, v: &Layout) -> Result<Sizes> {
        match (&*q.shape, &*k.shape, &*v.shape) {
            (&[b, h, s, e], &[kb, kh, t, ke], &[vb, vh, vt, f]) if [b, h, e, b, h, t] == [kb, kh, ke, vb, vh, vt] => {
                Ok(Sizes { batch: b, heads: h, queries: s, keys: t, width: e, value_width: f })
            }
            (q, k, v) => {
                let what = format!("q {q:?}, k {k:?} and v {v:?} are not [b, h, s, e], [b, h, t, e] and [b, h, t, f]");
                Err(KernelError::Shape { op, what })
            }
        }
    }

    /// An error unless `out` (or its cotangent, called `what`) and `lse` fit.
    pub(super) fn check(&self, op: &'static str, what: &'static str, out: &Layout, lse: &Layout) -> Result {
        let Sizes { batch, heads, queries, value_width, .. } = *self;
        shaped(op, what, out, &[batch, heads, queries, value_width])?;
        shaped(op, "lse", lse, &[batch, heads, queries])?;
        if lse.is_contiguous() { Ok(()) } else { Err(KernelError::Order { op, what: "lse", want: "row-major" }) }
    }

    /// Pairs of a sample and a head.
    pub(super) fn pairs(&self) -> usize {
        self.batch * self.heads
    }

    /// The work of products over pairs of a query and a key: `narrow` of them over `width` numbers, `wide` over
    /// `value_width`, and `other` operations a pair; every operand of `forward` read or written `passes` times.
    pub(super) fn cost(&self, narrow: usize, wide: usize, other: usize, passes: usize) -> Cost {
        let Sizes { queries, keys, width, value_width, .. } = *self;
        let each = 2 * (narrow * width + wide * value_width) + other;
        let rows = (queries + keys) * (width + value_width);
        Cost { flops: (self.pairs() * queries * keys * each) as u64, bytes: (4 * passes * self.pairs() * rows) as u64 }
    }
}

/// Where the row of a sample, head and position lies.
fn row(layout: &Layout, pair: usize, position: usize) -> Range<usize> {
    let (heads, strides) = (layout.shape[1], &layout.strides);
    let at = layout.offset + pair / heads * strides[0] + pair % heads * strides[1] + position * strides[2];
    at..at + layout.shape[3]
}

/// An operand that is read.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    data: &'a [T],
    layout: Layout,
}

impl<'a, T: Element> Rows<'a, T> {
    pub(super) fn of(op: &'static str, what: &'static str, view: &View<'a>) -> Result<Self> {
        unit_last(op, what, view.layout())?;
        Ok(Rows { data: view.data(op)?, layout: *view.layout() })
    }

    /// Rows in row-major order.
    pub(super) fn dense(data: &'a [T], shape: Dims) -> Self {
        Rows { data, layout: Layout::contiguous(shape) }
    }

    pub(super) fn row(&self, pair: usize, position: usize) -> &'a [T] {
        if self.layout.shape[3] == 0 { &[] } else { &self.data[row(&self.layout, pair, position)] }
    }

    /// `[b, h, positions, width]`.
    pub(super) fn shape(&self) -> &Dims {
        &self.layout.shape
    }

    /// The rows of a pair from `position` on.
    pub(super) fn strip(&self, pair: usize, position: usize) -> Strip<'a, T> {
        Strip { data: self.data, start: row(&self.layout, pair, position).start, step: self.layout.strides[2] }
    }
}

/// Rows of one sample and head, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a, T = f32> {
    pub(super) data: &'a [T],
    /// Index of the first row's first element.
    pub(super) start: usize,
    /// From one row to the next.
    pub(super) step: usize,
}

impl<T> Strip<'_, T> {
    /// Where the first row lies; not to be read through unless it is there.
    pub(super) fn pointer(&self) -> *const T {
        self.data.as_ptr().wrapping_add(self.start)
    }
}

/// An operand that is written; its rows do not overlap.
pub(super) struct RowsMut<'a, T> {
    parts: Parts<'a, T>,
    layout: Layout,
}

impl<'a, T: Element> RowsMut<'a, T> {
    pub(super) fn of(op: &'static str, what: &'static str, view: &'a mut ViewMut) -> Result<Self> {
        let layout = *view.layout();
        unit_last(op, what, &layout)?;
        if !layout.is_injective() {
            return Err(KernelError::Order { op, what, want: "free of repeated elements" });
        }
        Ok(RowsMut { parts: Parts::new(view.data(op)?), layout })
    }

    pub(super) fn row(&mut self, pair: usize, position: usize) -> &mut [T] {
        // SAFETY: borrowed exclusively.
        unsafe { self.part(pair, position) }
    }

    /// The row, for one of several threads.
    ///
    /// # Safety
    /// Nobody else holds this row.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part(&self, pair: usize, position: usize) -> &mut [T] {
        let row = if self.layout.shape[3] == 0 { 0..0 } else { row(&self.layout, pair, position) };
        // SAFETY: rows of different places do not overlap, and this one is the caller's.
        unsafe { self.parts.part(row) }
    }

    /// From one position to the next.
    pub(super) fn step(&self) -> usize {
        self.layout.strides[2]
    }

    /// Where the row lies; not to be written through unless the pair and position are there.
    pub(super) fn pointer(&self, pair: usize, position: usize) -> *mut T {
        self.parts.pointer().wrapping_add(row(&self.layout, pair, position).start)
    }
}

fn unit_last(op: &'static str, what: &'static str, layout: &Layout) -> Result {
    match (layout.shape[3], layout.strides[3]) {
        (0 | 1, _) | (_, 1) => Ok(()),
        _ => Err(KernelError::Order { op, what, want: "of unit stride along its last axis" }),
    }
}
