//! Nearest-neighbour resizing of the last two axes, and its adjoint: pixel `i` of `out` shows pixel `floor(i in / out)`.

#[cfg(test)]
mod tests;

use crate::window::{Window, pixels, sums};
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// `y[.., i, j] = x[.., floor(i h / h'), floor(j w / w')]` from `[.., h, w]` to `[.., h', w']`; f32 or f64, any strides.
pub fn nearest(device: &Device, x: View, y: ViewMut) -> Result {
    let (from, to) = pixels("nearest", x.layout(), y.layout())?;
    filled("nearest", x.layout(), y.layout())?;
    let shown = |axis: usize| Window::Shown { from: from[axis], to: to[axis] };
    sums(device, "nearest", 1.0, x, y, shown(0), shown(1))
}

/// The adjoint: `dx` is the sum of `g` over the pixels that show it, in ascending order. `g` has the shape of [`nearest`]'s
/// `y`, `dx` of its `x`.
pub fn nearest_adjoint(device: &Device, g: View, dx: ViewMut) -> Result {
    let (to, from) = pixels("nearest_adjoint", g.layout(), dx.layout())?;
    let showing = |axis: usize| Window::Showing { from: from[axis], to: to[axis] };
    sums(device, "nearest_adjoint", 1.0, g, dx, showing(0), showing(1))
}

/// What [`nearest`] from layout `x` to `y` costs, or its adjoint from `y` to `x`.
pub fn nearest_cost(x: &Layout, y: &Layout, dtype: DType) -> Cost {
    Cost { flops: 0, bytes: ((x.count() + y.count()) * dtype.size()) as u64 }
}

fn filled(op: &'static str, x: &Layout, y: &Layout) -> Result {
    if x.count() > 0 || y.count() == 0 {
        return Ok(());
    }
    Err(KernelError::Shape { op, what: format!("{:?} has no pixel to show in {:?}", x.shape, y.shape) })
}
