//! Copies between storage orders, constants, and conversions between dtypes.

mod convert;
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
mod transpose;

use crate::blocks::{same_shape, split, writable};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::nest::Nest;
use crate::{Cost, DType, Device, Element, KernelError, Layout, Result, View, ViewMut};
use convert::Number;
use half::{bf16, f16};

/// `y = x`, bit for bit: equal shapes and dtypes, any strides (stride 0 repeats in `x`), any dtype.
pub fn copy(device: &Device, x: View, y: ViewMut) -> Result {
    if x.dtype() != y.dtype() {
        return Err(KernelError::DType { op: "copy", got: x.dtype(), want: y.dtype().name() });
    }
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::copy(gpu, x, y),
    };
    match y.dtype() {
        DType::F32 => copy_typed::<f32>(cpu, x, y),
        DType::F64 => copy_typed::<f64>(cpu, x, y),
        DType::BF16 => copy_typed::<bf16>(cpu, x, y),
        DType::F16 => copy_typed::<f16>(cpu, x, y),
        DType::U8 => copy_typed::<u8>(cpu, x, y),
        DType::I64 => copy_typed::<i64>(cpu, x, y),
    }
}

/// `value` everywhere, converted as by [`cast`]; any dtype.
pub fn fill(device: &Device, value: f64, y: ViewMut) -> Result {
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::fill(gpu, value, y),
    };
    match y.dtype() {
        DType::F32 => fill_typed::<f32>(cpu, value, y),
        DType::F64 => fill_typed::<f64>(cpu, value, y),
        DType::BF16 => fill_typed::<bf16>(cpu, value, y),
        DType::F16 => fill_typed::<f16>(cpu, value, y),
        DType::U8 => fill_typed::<u8>(cpu, value, y),
        DType::I64 => fill_typed::<i64>(cpu, value, y),
    }
}

/// The numbers of `x` in `y`'s dtype; equal shapes, any strides, any pair of dtypes.
///
/// To a float: rounded once, to nearest even, overflowing to infinity. To an integer: truncated towards zero, beyond its
/// range the nearest end, NaN to 0.
pub fn cast(device: &Device, x: View, y: ViewMut) -> Result {
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) if x.dtype() != y.dtype() => return cuda::cast(gpu, x, y),
        Device::Cuda(gpu) => return cuda::copy(gpu, x, y),
    };
    match (x.dtype(), y.dtype()) {
        (from, to) if from == to => copy(device, x, y),
        // The one pair that f64 in between would round twice.
        (DType::I64, DType::F64) => elements(cpu, "cast", |x: i64| x as f64, x, y),
        _ => convert::cast(cpu, x, y),
    }
}

/// What [`copy`] and [`cast`] cost from dtype `x` to dtype `y`.
pub fn copy_cost(layout: &Layout, x: DType, y: DType) -> Cost {
    Cost { flops: 0, bytes: (layout.count() * (x.size() + y.size())) as u64 }
}

/// What [`fill`] costs.
pub fn fill_cost(layout: &Layout, y: DType) -> Cost {
    Cost { flops: 0, bytes: (layout.count() * y.size()) as u64 }
}

fn copy_typed<T: Element>(cpu: &CpuContext, x: View, mut y: ViewMut) -> Result {
    match transpose::plan(x.layout(), y.layout()) {
        Some(plan) if x.layout().shape == y.layout().shape => {
            writable("copy", y.layout())?;
            transpose::run(cpu, &plan, x.data::<T>("copy")?, y.data("copy")?);
            Ok(())
        }
        _ => elements(cpu, "copy", |x: T| x, x, y),
    }
}

/// `y[i] = f(x[i])`
fn elements<X: Element, Y: Element>(
    cpu: &CpuContext,
    op: &'static str,
    f: impl Fn(X) -> Y + Sync,
    x: View,
    mut y: ViewMut,
) -> Result {
    same_shape(op, &[x], y.layout())?;
    writable(op, y.layout())?;
    let nest = Nest::new([y.layout(), x.layout()]);
    let (x, y) = (x.data::<X>(op)?, Parts::new(y.data::<Y>(op)?));
    let [to_stride, from_stride] = nest.row().1;
    split(cpu, nest.count(), 1, |range| {
        for ([to, from], count) in nest.runs(range) {
            if (to_stride, from_stride) == (1, 1) {
                // SAFETY: chunks are disjoint ranges of a nest whose result has no two elements in one place.
                let y = unsafe { y.part(to..to + count) };
                y.iter_mut().zip(&x[from..from + count]).for_each(|(y, &x)| *y = f(x));
                continue;
            }
            for i in 0..count {
                // SAFETY: inside the layout of `y`, whose view vouches for its buffer; disjoint as above.
                unsafe { y.pointer().add(to + i * to_stride).write(f(x[from + i * from_stride])) };
            }
        }
    });
    Ok(())
}

fn fill_typed<T: Number>(cpu: &CpuContext, value: f64, mut y: ViewMut) -> Result {
    writable("fill", y.layout())?;
    let nest = Nest::new([y.layout()]);
    let y = Parts::new(y.data::<T>("fill")?);
    let (value, stride) = (T::round(value), nest.row().1[0]);
    split(cpu, nest.count(), 1, |range| {
        for ([to], count) in nest.runs(range) {
            if stride == 1 {
                // SAFETY: chunks are disjoint ranges of a nest whose result has no two elements in one place.
                unsafe { y.part(to..to + count) }.fill(value);
                continue;
            }
            for i in 0..count {
                // SAFETY: inside the layout of `y`, whose view vouches for its buffer; disjoint as above.
                unsafe { y.pointer().add(to + i * stride).write(value) };
            }
        }
    });
    Ok(())
}
