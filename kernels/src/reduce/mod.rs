//! Sums and maxima over any subset of axes.
//!
//! A sum is a fixed tree over its terms, taken in the storage order of the reduced axes: blocks of [`BLOCK`] terms, each
//! added in as many interleaved lanes as a vector has, then blocks pairwise. The tree depends on the number of terms alone,
//! not on threads, on the other axes, or on which axis is innermost; the error of n terms is some (16 + log2 n) roundings.

pub(crate) mod cuda;
mod fold;
mod plan;
pub mod reference;
mod simd;
#[cfg(test)]
mod tests;

use crate::blocks::writable;
use crate::{Cost, DType, Device, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};
use plan::Plan;

/// Terms added in lanes, before blocks are added pairwise.
pub const BLOCK: usize = 256;

/// `y = sum of x` over the axes where `y` has size 1; equal rank, f32 or f64. 0 over no elements.
///
/// `scratch` is at least [`sum_scratch`] bytes long.
pub fn sum(device: &Device, x: View, mut y: ViewMut, scratch: Scratch) -> Result {
    let plan = planned("sum", &x, &y)?;
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::sum(gpu, x, y, &plan, scratch),
    };
    match y.dtype() {
        DType::F32 => {
            let partial = scratch::floats(scratch.into_host("sum")?, partial_sums(x.layout(), y.layout()), "sum")?;
            simd::sum(cpu, &plan, x.data("sum")?, y.data("sum")?, partial);
        }
        DType::F64 => reference::sum(x.data::<f64>("sum")?, x.layout(), &y.layout().clone(), y.data("sum")?),
        got => return Err(KernelError::DType { op: "sum", got, want: "f32 or f64" }),
    }
    Ok(())
}

/// Bytes of scratch of [`sum`] from layout `x` to layout `y`.
pub fn sum_scratch(device: &Device, x: &Layout, y: &Layout, dtype: DType) -> usize {
    if let Device::Cuda(_) = device {
        return cuda::sum_scratch(x, y, dtype);
    }
    if dtype == DType::F32 { scratch::bytes(partial_sums(x, y)) } else { 0 }
}

fn partial_sums(x: &Layout, y: &Layout) -> usize {
    let blocks = x.count().checked_div(y.count()).unwrap_or(0).div_ceil(BLOCK);
    if blocks > 1 { blocks * y.count() } else { 0 }
}

/// The largest of `x` over the axes where `y` has size 1; equal rank, f32 or f64. NaN where one of them is NaN, negative
/// infinity over no elements.
pub fn max(device: &Device, x: View, mut y: ViewMut) -> Result {
    let plan = planned("max", &x, &y)?;
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::max(gpu, x, y, &plan),
    };
    match y.dtype() {
        DType::F32 => simd::max(cpu, &plan, x.data("max")?, y.data("max")?),
        DType::F64 => reference::max(x.data::<f64>("max")?, x.layout(), &y.layout().clone(), y.data("max")?),
        got => return Err(KernelError::DType { op: "max", got, want: "f32 or f64" }),
    }
    Ok(())
}

/// What [`sum`] and [`max`] cost.
pub fn sum_cost(x: &Layout, y: &Layout, dtype: DType) -> Cost {
    Cost { flops: x.count() as u64, bytes: ((x.count() + y.count()) * dtype.size()) as u64 }
}

fn planned(op: &'static str, x: &View, y: &ViewMut) -> Result<Plan> {
    writable(op, y.layout())?;
    Plan::new(x.layout(), y.layout()).ok_or_else(|| {
        let (from, to) = (x.layout().shape, y.layout().shape);
        let what = format!("{from:?} does not reduce to {to:?}: every size must stay or become 1");
        KernelError::Shape { op, what }
    })
}
