//! Images of half and of twice the size.

use crate::error::{Error, Result};
use autograd::Var;
use autograd::ops::pool::Pool;

/// `[n, c, h, w]` with every pixel twice in both directions.
pub(crate) fn doubled(x: &Var) -> Result<Var> {
    let &[_, _, h, w] = x.shape() else { return Err(wrong(x)) };
    Ok(x.resize_nearest([2 * h, 2 * w])?)
}

/// The means of 2x2 pixels of `[n, c, h, w]`; an odd last row or column is left out.
pub(crate) fn halved(x: &Var) -> Result<Var> {
    match x.shape() {
        [_, _, _, _] => Ok(x.average_pool(&Pool { kernel: [2, 2], stride: [2, 2] })?),
        _ => Err(wrong(x)),
    }
}

fn wrong(x: &Var) -> Error {
    Error::argument(format!("only images [n, c, h, w] are resized, not {:?}", x.shape()))
}
