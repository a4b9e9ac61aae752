//! Two-dimensional convolution (cross-correlation, as every network means it) and its two gradients.
//!
//! ```text
//! y[n, o, oy, ox] = bias[o] + sum over c, ky, kx of x[n, c, oy stride - top + ky dilation, ..] w[o, c, ky, kx]
//! ```
//!
//! Shapes are `[N, C, H, W]`; images are stored channels last. `forward`, `input_gradient` and `weight_gradient` are
//! one trilinear form with one operand missing, so they differentiate into each other.
//!
//! Every element is summed in one fixed order whatever the batch and the threads, in chains of fixed length (a weight
//! gradient: in fixed shares of the batch, each image in chains of its own). The usual 3 by 3 taps share products with
//! their neighbours (`winograd`); all else goes by the definition (`sweep`).

mod axis;
pub(crate) mod cuda;
mod geometry;
mod images;
mod packed;
pub mod reference;
mod sweep;
#[cfg(test)]
mod tests;
mod transforms;
mod weight;
mod winograd;

pub use geometry::Conv;
pub use packed::{Packed, Role, forward_packed, input_gradient_packed, pack, packed_len, packed_scratch};

use crate::cpu::CpuContext;
use crate::{Cost, DType, Device, Epilogue, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};

const OP: &str = "conv";

/// Convolves: `x [n, c, h, w]` channels last, `w [o, c / groups, kh, kw]` of any strides, dense bias `[o]`,
/// `y [n, o, ho, wo]` channels last, all of one dtype.
pub fn forward(d: &Device, p: &Conv, x: View, w: View, e: Epilogue, mut y: ViewMut, scratch: Scratch) -> Result {
    let (xl, yl) = (*x.layout(), *y.layout());
    check(p, &xl, w.layout(), e.bias.as_ref(), &yl)?;
    e.check(OP, &y)?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(d, gpu, p, x, w, e, y, scratch),
    };
    match y.dtype() {
        DType::F64 => reference::forward::<f64>(p, x, w, e.bias, y.again())?,
        _ => pack_and_sweep(cpu, p, Role::Forward, x, w, e.bias, y.again(), scratch.into_host(OP)?)?,
    }
    e.finish(d, OP, y)
}

/// The gradient by the input: `g [n, o, ho, wo]` and `dx [n, c, h, w]` channels last, `w` as in [`forward`].
pub fn input_gradient(d: &Device, p: &Conv, g: View, w: View, dx: ViewMut, scratch: Scratch) -> Result {
    let (xl, gl) = (*dx.layout(), *g.layout());
    check(p, &xl, w.layout(), None, &gl)?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::input_gradient(gpu, p, g, w, dx, scratch),
    };
    match dx.dtype() {
        DType::F64 => reference::input_gradient::<f64>(p, g, w, dx),
        _ => pack_and_sweep(cpu, p, Role::InputGradient, g, w, None, dx, scratch.into_host(OP)?),
    }
}

/// The gradient by the weight, summed over the batch: `x` and `g` channels last, `dw [o, c / groups, kh, kw]` of any
/// strides that repeat nothing.
pub fn weight_gradient(d: &Device, p: &Conv, x: View, g: View, dw: ViewMut, scratch: Scratch) -> Result {
    check(p, x.layout(), dw.layout(), None, g.layout())?;
    if !dw.layout().is_injective() {
        return Err(KernelError::Order { op: OP, what: "the weight gradient", want: "free of repeats" });
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::weight_gradient(gpu, p, x, g, dw, scratch),
    };
    if dw.dtype() == DType::F64 {
        return reference::weight_gradient::<f64>(p, x, g, dw);
    }
    let room = scratch::floats(scratch.into_host(OP)?, weight::room(cpu, p, x.layout(), g.layout(), dw.layout()), OP)?;
    weight::gradient(cpu, p, x, g, dw, room)
}

fn pack_and_sweep(
    cpu: &CpuContext,
    p: &Conv,
    role: Role,
    from: View,
    w: View,
    bias: Option<View>,
    to: ViewMut,
    scratch: &mut [u8],
) -> Result {
    let (wl, data) = (*w.layout(), w.data::<f32>(OP)?);
    let len = packed_len(p, role, &wl);
    let own = scratch::bytes(len).min(scratch.len());
    let (own, rest) = scratch.split_at_mut(own);
    let packed = scratch::floats(own, len, OP)?;
    if wl.count() > 0 {
        packed::pack_all(cpu, p, role, &data[wl.offset..], &wl, packed);
    }
    packed::sweep(cpu, p, role, from, packed, &wl, bias, to, rest)
}

/// Bytes of scratch for [`forward`].
pub fn forward_scratch(d: &Device, p: &Conv, x: &Layout, w: &Layout, dtype: DType) -> usize {
    sweep_scratch(d, p, Role::Forward, x, w, dtype)
}

/// Bytes of scratch for [`input_gradient`]; `x` is the layout of the input, hence of `dx`.
pub fn input_gradient_scratch(d: &Device, p: &Conv, x: &Layout, w: &Layout, dtype: DType) -> usize {
    sweep_scratch(d, p, Role::InputGradient, x, w, dtype)
}

fn sweep_scratch(d: &Device, p: &Conv, role: Role, x: &Layout, w: &Layout, dtype: DType) -> usize {
    if p.output_shape(&x.shape, &w.shape).is_err() {
        return 0;
    }
    if let Device::Cuda(_) = d {
        return cuda::weight_scratch(p, role, w, dtype);
    }
    if dtype != DType::F32 {
        return 0;
    }
    scratch::bytes(packed_len(p, role, w)) + packed_scratch(d, p, role, x, w)
}

/// Bytes of scratch for [`weight_gradient`]; `w` is the layout of the weight, hence of `dw`.
pub fn weight_gradient_scratch(d: &Device, p: &Conv, x: &Layout, w: &Layout, dtype: DType) -> usize {
    let y = p.output_shape(&x.shape, &w.shape);
    let cpu = match (d, &y) {
        (Device::Cpu(cpu), _) => cpu,
        (Device::Cuda(_), Ok(y)) => {
            return cuda::weight_gradient_scratch(&Layout::channels_last(*y), w, dtype);
        }
        (Device::Cuda(_), Err(_)) => return 0,
    };
    match y {
        Ok(y) if dtype == DType::F32 => scratch::bytes(weight::room(cpu, p, x, &Layout::channels_last(y), w)),
        _ => 0,
    }
}

/// What each of [`forward`], [`input_gradient`] and [`weight_gradient`] costs at the least, four bytes a number: they
/// do the same products on the same three operands. Nothing for shapes that do not fit.
pub fn cost(p: &Conv, x: &Layout, w: &Layout) -> Cost {
    let Ok(y) = p.output_shape(&x.shape, &w.shape) else { return Cost::default() };
    let products = y.count() * w.shape[1] * w.shape[2] * w.shape[3];
    Cost { flops: 2 * products as u64, bytes: 4 * (x.count() + w.count() + y.count()) as u64 }
}

/// Checks shapes, and that images are channels last.
fn check(p: &Conv, x: &Layout, w: &Layout, bias: Option<&View>, y: &Layout) -> Result {
    geometry::check(p, x, w, bias, y)?;
    for (layout, what) in [(x, "the input"), (y, "the output")] {
        if !layout.is_channels_last() {
            return Err(KernelError::Order { op: OP, what, want: "dense and channels last" });
        }
    }
    Ok(())
}
