//! Nearest-neighbour resizing of the last two axes, and its adjoint: pixel `i` of `out` shows pixel `floor(i in / out)`.

#[cfg(test)]
mod tests;

use crate::window::{pixels, sums};
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};
use std::ops::Range;

/// `y[.., i, j] = x[.., floor(i h / h'), floor(j w / w')]` from `[.., h, w]` to `[.., h', w']`; f32 or f64, any strides.
pub fn nearest(device: &Device, x: View, y: ViewMut) -> Result {
    let (from, to) = pixels("nearest", x.layout(), y.layout())?;
    filled("nearest", x.layout(), y.layout())?;
    let shown = |axis: usize| move |i: usize| source(i, from[axis], to[axis]);
    sums(device, "nearest", 1.0, x, y, shown(0), shown(1))
}

/// The adjoint: `dx` is the sum of `g` over the pixels that show it, in ascending order. `g` has the shape of [`nearest`]'s
/// `y`, `dx` of its `x`.
pub fn nearest_adjoint(device: &Device, g: View, dx: ViewMut) -> Result {
    let (to, from) = pixels("nearest_adjoint", g.layout(), dx.layout())?;
    let showing = |axis: usize| move |i: usize| targets(i, from[axis], to[axis]);
    sums(device, "nearest_adjoint", 1.0, g, dx, showing(0), showing(1))
}

/// What [`nearest`] from layout `x` to `y` costs, or its adjoint from `y` to `x`.
pub fn nearest_cost(x: &Layout, y: &Layout, dtype: DType) -> Cost {
    Cost { flops: 0, bytes: ((x.count() + y.count()) * dtype.size()) as u64 }
}

/// The pixel of `from` that pixel `i` of `to` shows.
fn source(i: usize, from: usize, to: usize) -> Range<usize> {
    let at = i * from / to;
    at..at + 1
}

/// The pixels of `to` that show pixel `i` of `from`.
fn targets(i: usize, from: usize, to: usize) -> Range<usize> {
    (i * to).div_ceil(from)..((i + 1) * to).div_ceil(from)
}

fn filled(op: &'static str, x: &Layout, y: &Layout) -> Result {
    if x.count() > 0 || y.count() == 0 {
        return Ok(());
    }
    Err(KernelError::Shape { op, what: format!("{:?} has no pixel to show in {:?}", x.shape, y.shape) })
}
