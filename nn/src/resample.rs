//! Images of half and of twice the size.

use crate::error::{Error, Result};
use autograd::Var;

/// `[n, c, h, w]` with every pixel twice in both directions.
pub(crate) fn doubled(x: &Var) -> Result<Var> {
    let &[n, c, h, w] = x.shape() else { return Err(wrong(x)) };
    let wide = x.reshape(&[n, c, h, 1, w, 1])?.broadcast_to(&[n, c, h, 2, w, 2])?;
    Ok(wide.reshape(&[n, c, 2 * h, 2 * w])?)
}

/// The means of 2x2 pixels of `[n, c, h, w]`; an odd last row or column is left out.
pub(crate) fn halved(x: &Var) -> Result<Var> {
    let &[n, c, h, w] = x.shape() else { return Err(wrong(x)) };
    let (h, w) = (h / 2, w / 2);
    let even = x.narrow(2, 0, 2 * h)?.narrow(3, 0, 2 * w)?;
    Ok(even.reshape(&[n, c, h, 2, w, 2])?.mean_keep(&[3, 5])?.reshape(&[n, c, h, w])?)
}

fn wrong(x: &Var) -> Error {
    Error::argument(format!("only images [n, c, h, w] are resized, not {:?}", x.shape()))
}
