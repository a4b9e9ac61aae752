//! Softmax over the last axis, `y = exp(x) / sum exp(x)`, with the row's maximum taken out first.
//!
//! Operands are row-major, of one shape, f32 or f64. A row's result depends on that row alone. -inf masks an element; a
//! row that is masked throughout is NaN.

pub(crate) mod cuda;
pub mod reference;
pub(crate) mod simd;
#[cfg(test)]
mod tests;

use crate::cpu::team::Parts;
use crate::rows::{Rows, shaped};
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// `y = softmax(x)`; x, y: `[.., k]`.
pub fn forward(d: &Device, x: View, mut y: ViewMut) -> Result {
    const OP: &str = "softmax";
    let rows = Rows::of(OP, "x", x.layout())?;
    shaped(OP, "y", y.layout(), &x.layout().shape)?;
    Rows::of(OP, "y", y.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, OP, rows, x, y),
    };
    let flops = forward_cost(x.layout()).flops;
    match x.dtype() {
        DType::F32 => {
            let (x, y) = (x.dense::<f32>(OP)?, Parts::new(y.dense::<f32>(OP)?));
            cpu.team.share(rows.count, flops, |range| {
                let at = range.start * rows.width..range.end * rows.width;
                // SAFETY: ranges of rows do not overlap.
                let y = unsafe { y.part(at.clone()) };
                cpu.isa.run(simd::Forward { width: rows.width, x: &x[at], y });
            });
        }
        DType::F64 => reference::forward::<f64>(rows.width, x.dense(OP)?, y.dense(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// `dx = y (g - sum g y)`, where y is the result of [`forward`] and g its cotangent; all `[.., k]`.
pub fn backward(d: &Device, y: View, g: View, mut dx: ViewMut) -> Result {
    const OP: &str = "softmax backward";
    let rows = Rows::of(OP, "y", y.layout())?;
    for (what, layout) in [("g", g.layout()), ("dx", dx.layout())] {
        shaped(OP, what, layout, &y.layout().shape)?;
        Rows::of(OP, what, layout)?;
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::backward(gpu, OP, rows, y, g, dx),
    };
    let flops = backward_cost(y.layout()).flops;
    match y.dtype() {
        DType::F32 => {
            let (y, g, dx) = (y.dense::<f32>(OP)?, g.dense::<f32>(OP)?, Parts::new(dx.dense::<f32>(OP)?));
            cpu.team.share(rows.count, flops, |range| {
                let at = range.start * rows.width..range.end * rows.width;
                // SAFETY: ranges of rows do not overlap.
                let dx = unsafe { dx.part(at.clone()) };
                cpu.isa.run(simd::Backward { width: rows.width, y: &y[at.clone()], g: &g[at], dx });
            });
        }
        DType::F64 => reference::backward::<f64>(rows.width, y.dense(OP)?, g.dense(OP)?, dx.dense(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// Maximum, difference, exponential (counted one), sum and scaling; x and y once.
pub fn forward_cost(x: &Layout) -> Cost {
    Cost { flops: 5 * x.count() as u64, bytes: 8 * x.count() as u64 }
}

/// A multiply-add for the inner product, a difference and a product; y, g and dx once.
pub fn backward_cost(y: &Layout) -> Cost {
    Cost { flops: 4 * y.count() as u64, bytes: 12 * y.count() as u64 }
}
