//! A reduction as two loop nests: over the results, and over the terms of each.

use super::BLOCK;
use crate::Layout;
use crate::nest::Nest;

pub(super) struct Plan {
    /// The results: where the first term of each lies, and where the result goes.
    pub(super) kept: Nest<2>,
    /// The terms of a result, relative to its first, in storage order.
    pub(super) terms: Nest<1>,
    /// Whether neighbouring results, rather than terms, are neighbours in memory.
    pub(super) across: bool,
}

impl Plan {
    /// `None` where `y` is not `x` with some sizes turned to 1.
    pub(super) fn new(x: &Layout, y: &Layout) -> Option<Plan> {
        if x.rank() != y.rank() {
            return None;
        }
        let (mut kept, mut terms) = (*x, Layout { offset: 0, ..*x });
        for axis in 0..x.rank() {
            match (x.shape[axis], y.shape[axis]) {
                (from, to) if from == to => terms.shape[axis] = 1,
                (_, 1) => kept.shape[axis] = 1,
                _ => return None,
            }
        }
        let (kept, terms) = (Nest::new([&kept, y]), Nest::new([&terms]));
        let ((_, [next_result, _]), (_, [next_term])) = (kept.row(), terms.row());
        Some(Plan { kept, terms, across: next_result == 1 && next_term != 1 })
    }

    /// Number of results.
    pub(super) fn results(&self) -> usize {
        self.kept.count()
    }

    /// Blocks of terms, at least one.
    pub(super) fn blocks(&self) -> usize {
        self.terms.count().div_ceil(BLOCK).max(1)
    }
}
