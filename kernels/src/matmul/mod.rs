//! Matrix products: `c[.., i, j] = bias[j] + sum over p of a[.., i, p] b[.., p, j]`, and what else an [`Epilogue`] does.
//!
//! Batch axes broadcast. `a` and `b` may have any strides (transposed and repeated views); `c` is row-major in its last
//! two axes. Every element is summed over p in ascending order, in chains whose ends depend on k alone, whatever the
//! strides, the batch and the threads.

pub(crate) mod cuda;
mod packed;
mod problem;
mod product;
pub mod reference;
mod single;
#[cfg(test)]
mod tests;

pub use packed::{forward_packed, pack, packed_len};
pub use problem::output_shape;

use crate::{Cost, DType, Device, Epilogue, Layout, Result, Scratch, View, ViewMut};
use problem::Problem;

const OP: &str = "matmul";

/// Multiplies: `a [.., m, k]`, `b [.., k, n]`, dense bias `[n]`, `c [.., m, n]`, all of one dtype.
pub fn forward(d: &Device, a: View, b: View, e: Epilogue, mut c: ViewMut, scratch: Scratch) -> Result {
    e.check(OP, &c)?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(d, gpu, a, b, e, c, scratch),
    };
    match c.dtype() {
        DType::F64 => reference::forward::<f64>(a, b, e.bias, c.again())?,
        _ => single::forward(cpu, a, b, e.bias, c.again(), scratch.into_host(OP)?)?,
    }
    e.finish(d, OP, c)
}

/// Bytes of scratch for [`forward`].
pub fn forward_scratch(d: &Device, a: &Layout, b: &Layout, dtype: DType) -> usize {
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(_) => return cuda::forward_scratch(a, b, dtype),
    };
    let Some(shape) = output_shape(a, b).filter(|_| dtype == DType::F32) else { return 0 };
    let c = Layout::contiguous(shape);
    Problem::new(a, b, None, &c).map_or(0, |problem| crate::scratch::bytes(single::room(cpu, &problem)))
}

/// What [`forward`] costs at the least, four bytes a number. Nothing for shapes that do not fit.
pub fn forward_cost(a: &Layout, b: &Layout) -> Cost {
    let Some(shape) = output_shape(a, b) else { return Cost::default() };
    let k = a.shape[a.rank() - 1];
    Cost { flops: 2 * (shape.count() * k) as u64, bytes: 4 * (a.count() + b.count() + shape.count()) as u64 }
}
