//! Sums over rectangles on a GPU.

use super::Window;
use crate::blocks::writable;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::{Layout, Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "window.cu", text: include_str!("window.cu") };

pub(super) fn sums(
    cuda: &CudaContext,
    op: &'static str,
    scale: f64,
    x: View,
    y: ViewMut,
    rows: Window,
    columns: Window,
) -> Result {
    writable(op, y.layout())?;
    let (last, like) = (y.layout().rank() - 1, *y.layout());
    let mut corner = Layout { shape: like.shape, ..*x.layout() };
    let steps = [corner.strides[last - 1] as u32, corner.strides[last] as u32];
    corner.strides[last - 1..].fill(0);
    let nest = DeviceNest::new(op, [&like, &corner, &along(last - 1, &like), &along(last, &like)])?;
    if nest.count == 0 {
        return Ok(());
    }
    let (kind, rows) = parameters(rows);
    let columns = parameters(columns).1;
    let name = real(op, reals!("window"), y.dtype())?;
    let (grid, x, y) = (Grid::stride(cuda, nest.count as usize), x.pointer(op)?, y.pointer(op)?);
    cuda.launch(&SOURCE, name, grid, &[&x, &y, &nest, &kind, &rows, &columns, &steps[0], &steps[1], &scale])
}

/// The window's kind in `window.cu`, and its numbers.
fn parameters(window: Window) -> (u32, [u32; 3]) {
    let (kind, numbers) = match window {
        Window::Shown { from, to } => (0, [from, to, 0]),
        Window::Showing { from, to } => (1, [from, to, 0]),
        Window::Taken { size, stride } => (2, [size, stride, 0]),
        Window::Around { size, stride, count } => (3, [size, stride, count]),
    };
    (kind, numbers.map(|number| number as u32))
}

/// A layout of the shape of `like` whose place is the coordinate along `axis`.
fn along(axis: usize, like: &Layout) -> Layout {
    let mut layout = Layout { offset: 0, ..*like };
    layout.strides.fill(0);
    layout.strides[axis] = 1;
    layout
}
