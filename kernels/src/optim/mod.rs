//! In-place updates of parameters, each one pass over memory: Adam, the exponential moving average, and the sum of
//! squares that clipping by global norm needs. A model has hundreds of small parameters: each takes a list.
//!
//! Written once over [`Real`](crate::Real) and compiled for every instruction set; without fused steps or reassociation,
//! so that all paths and thread counts give the same bits. Operands are dense and share one storage order.

mod adam;
pub(crate) mod cuda;
mod ema;
mod sum_of_squares;
#[cfg(test)]
mod tests;

pub use adam::{Adam, AdamStep, Numbers, Slot, adam, adam_cost};
pub use ema::{Rate, ema, ema_cost};
pub use sum_of_squares::{clip, squares, squares_scratch, sum_of_squares, sum_of_squares_cost, sum_of_squares_scratch};

use crate::{KernelError, Layout, Result};

/// Elements of one chunk of elementwise work.
const CHUNK: usize = 1 << 14;

/// Chunk `index` of `count` elements.
fn chunk(index: usize, count: usize) -> std::ops::Range<usize> {
    index * CHUNK..count.min((index + 1) * CHUNK)
}

/// Refuses an operand that does not lie as the parameter does.
fn same_order(op: &'static str, what: &'static str, operand: &Layout, param: &Layout) -> Result {
    if operand.shape != param.shape {
        let what = format!("{what} {:?} for a parameter {:?}", operand.shape, param.shape);
        return Err(KernelError::Shape { op, what });
    }
    if !operand.same_order(param) {
        return Err(KernelError::Order { op, what, want: "in the storage order of the parameter" });
    }
    Ok(())
}
