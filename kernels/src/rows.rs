//! Row-major operands seen as rows of their last axis: what softmax, cross-entropy and layer norm work on.

use crate::{KernelError, Layout, Result};

/// Rows of a row-major operand. An operand without elements counts as no rows of width 1, so that `width` divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) count: usize,
    pub(crate) width: usize,
}

impl Rows {
    /// The rows of `layout`, which must be row-major and of rank 1 or more.
    pub(crate) fn of(op: &'static str, what: &'static str, layout: &Layout) -> Result<Rows> {
        let Some((&width, lead)) = layout.shape.split_last() else {
            return Err(KernelError::Shape { op, what: format!("{what} is a scalar, and has no last axis") });
        };
        if !layout.is_contiguous() {
            return Err(KernelError::Order { op, what, want: "row-major" });
        }
        let count = lead.iter().product();
        Ok(if width == 0 { Rows { count: 0, width: 1 } } else { Rows { count, width } })
    }
}

/// An error unless an operand has the shape `want`.
pub(crate) fn shaped(op: &'static str, what: &'static str, layout: &Layout, want: &[usize]) -> Result {
    if *layout.shape == *want {
        return Ok(());
    }
    Err(KernelError::Shape { op, what: format!("{what} has shape {:?}, expected {want:?}", layout.shape) })
}
