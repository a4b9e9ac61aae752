//! Two-dimensional convolution (cross-correlation, as every network means it) and its two gradients.
//!
//! ```text
//! y[n, o, oy, ox] = bias[o] + sum over c, ky, kx of x[n, c, oy stride - top + ky dilation, ..] w[o, c, ky, kx]
//! ```
//!
//! Shapes are `[N, C, H, W]`; images are stored channels last. `forward`, `input_gradient` and `weight_gradient` are one
//! trilinear form with one operand missing, so they differentiate into each other.
//!
//! Every element is summed in one fixed order whatever the batch and the threads (a weight gradient: in fixed chunks of
//! the batch).

mod geometry;
mod packed;
pub mod reference;

pub use geometry::Conv;
pub use packed::{Packed, Role, forward_packed, input_gradient_packed, pack, packed_len};

use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};
use geometry::check;

/// Convolves: `x [n, c, h, w]` channels last, `w [o, c / groups, kh, kw]` of any strides, `bias [o]`,
/// `y [n, o, ho, wo]` channels last.
pub fn forward(d: &Device, p: &Conv, x: View, w: View, bias: Option<View>, y: ViewMut, scratch: &mut [u8]) -> Result {
    images(x.layout(), y.layout())?;
    let (_, _) = (d, scratch);
    match y.dtype() {
        DType::F64 => reference::forward::<f64>(p, x, w, bias, y),
        _ => reference::forward::<f32>(p, x, w, bias, y),
    }
}

/// The gradient by the input: `g [n, o, ho, wo]` and `dx [n, c, h, w]` channels last, `w` as in [`forward`].
pub fn input_gradient(d: &Device, p: &Conv, g: View, w: View, dx: ViewMut, scratch: &mut [u8]) -> Result {
    images(dx.layout(), g.layout())?;
    let (_, _) = (d, scratch);
    match dx.dtype() {
        DType::F64 => reference::input_gradient::<f64>(p, g, w, dx),
        _ => reference::input_gradient::<f32>(p, g, w, dx),
    }
}

/// The gradient by the weight, summed over the batch: `x` and `g` channels last, `dw [o, c / groups, kh, kw]` of any
/// strides that repeat nothing.
pub fn weight_gradient(d: &Device, p: &Conv, x: View, g: View, dw: ViewMut, scratch: &mut [u8]) -> Result {
    images(x.layout(), g.layout())?;
    if !dw.layout().is_injective() {
        return Err(KernelError::Order { op: "conv", what: "the weight gradient", want: "free of repeats" });
    }
    let (_, _) = (d, scratch);
    match dw.dtype() {
        DType::F64 => reference::weight_gradient::<f64>(p, x, g, dw),
        _ => reference::weight_gradient::<f32>(p, x, g, dw),
    }
}

/// Bytes of scratch for [`forward`].
pub fn forward_scratch(_d: &Device, _p: &Conv, _x: &Layout, _w: &Layout, _dtype: DType) -> usize {
    0
}

/// Bytes of scratch for [`input_gradient`]; `x` is the layout of the input, hence of `dx`.
pub fn input_gradient_scratch(_d: &Device, _p: &Conv, _x: &Layout, _w: &Layout, _dtype: DType) -> usize {
    0
}

/// Bytes of scratch for [`weight_gradient`]; `w` is the layout of the weight, hence of `dw`.
pub fn weight_gradient_scratch(_d: &Device, _p: &Conv, _x: &Layout, _w: &Layout, _dtype: DType) -> usize {
    0
}

/// What each of [`forward`], [`input_gradient`] and [`weight_gradient`] costs at the least, four bytes a number: they do
/// the same products on the same three operands. Nothing for shapes that do not fit.
pub fn cost(p: &Conv, x: &Layout, w: &Layout) -> Cost {
    let Ok(y) = p.output_shape(&x.shape, &w.shape) else { return Cost::default() };
    let products = y.count() * w.shape[1] * w.shape[2] * w.shape[3];
    Cost { flops: 2 * products as u64, bytes: 4 * (x.count() + w.count() + y.count()) as u64 }
}

fn images(x: &Layout, y: &Layout) -> Result {
    let last = |layout: &Layout, what| {
        let order = KernelError::Order { op: "conv", what, want: "dense and channels last" };
        if layout.is_channels_last() { Ok(()) } else { Err(order) }
    };
    last(x, "the input")?;
    last(y, "the output")
}
