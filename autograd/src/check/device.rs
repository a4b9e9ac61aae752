//! The rows of [`super::check_op`] on another device: its f32, bf16 or f16 against the processor's f64.

use super::measure::{self, Measured, agree, bits};
use super::{Case, Order, both, check_batches_of, check_directions, gradients, magnitude, points};
use crate::error::Result;
use crate::var::{Var, jvp};
use tensor::{DType, Device, Tensor};

/// Checks `case` on `device`, in `dtype`, against the processor in f64: the value, the gradients, and the derivative along a
/// direction; bits of a second run, of `k` directions against single ones, and of rows of a batch. Panics with the op's name
/// and the figures where a promise is broken.
///
/// In f32 the bounds are those of the row. In bf16 and f16 sums are f32, so an op is off by the rounding of its operands'
/// sizes and its result, and the bound is four of those, however many products it adds.
pub fn check_op_on(device: &Device, dtype: DType, name: &str, case: &Case) {
    for order in [Order::RowMajor, Order::ChannelsLast, Order::Strided] {
        let what = format!("{name} {:?} {order:?} in {dtype} on {device:?}", case.shapes);
        check(case, device, dtype, order).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    // Fewer than on the processor: a device may be emulated.
    if dtype == DType::F32 {
        check_batches_of(case, device, 8, &[1, 3])
            .unwrap_or_else(|error| panic!("{name} {:?} batches on {device:?}: {error}", case.shapes));
    }
}

/// Roundings that a value in 16 bits may be off by, in units of the distance from 1 to the next number.
const ROUNDINGS: f64 = 4.0;

fn check(case: &Case, device: &Device, dtype: DType, order: Order) -> Measured {
    let cpu = Device::cpu(1);
    let leaves = |x: Vec<Tensor>| x.into_iter().map(Var::leaf).collect::<Vec<_>>();
    let exact = points(case, &cpu, order, dtype)?;
    let x64 = exact.iter().map(|x| Ok(x.cast(DType::F64)?)).collect::<Result<Vec<_>>>()?;
    let magnitude = magnitude(case, &x64)?;
    let (v64, own) = (leaves(x64), leaves(points(case, device, order, dtype)?));
    let (y64, y) = ((case.f)(&v64)?, (case.f)(&own)?);
    let bound = dtype.epsilon() * if dtype == DType::F32 { case.factor } else { ROUNDINGS };
    if y.dtype() == dtype {
        agree("value", &y.value.to_device(&cpu)?, &y64.value, &magnitude, bound)?;
    }
    bits("a second run", &(case.f)(&own)?.value.to_device(&cpu)?, &y.value.to_device(&cpu)?)?;
    for (i, (g, g64)) in gradients(case, &own)?.iter().zip(&gradients(case, &v64)?).enumerate() {
        let what = format!("gradient of input {i}");
        if let Some((g, g64)) = both(&what, g, g64)? {
            // Gradients cancel: the bound is relative to the largest of them.
            agree(&what, &g.to_device(&cpu)?, g64, &measure::filled_with_largest(g64)?, 4.0 * bound)?;
        }
    }
    let (t, t64) = (tangent(case, &own)?, tangent(case, &v64)?);
    if let Some((t, t64)) = both("jvp", &t, &t64)? {
        agree("jvp", &t.to_device(&cpu)?, t64, &measure::filled_with_largest(t64)?, 4.0 * bound)?;
    }
    check_directions(case, &own)
}

/// The derivative along one direction in f32 numbers, whatever the dtype.
fn tangent(case: &Case, x: &[Var]) -> Result<Option<Tensor>> {
    let directions = x.iter().enumerate().map(|(i, x)| measure::draw(&x.value, 40 + i as u64));
    let directions = directions.collect::<Result<Vec<_>>>()?;
    let pairs: Vec<(&Var, Tensor)> = x.iter().zip(directions).collect();
    jvp(&pairs, |x| Ok((case.f)(x)?.tangent().map(|t| t.value.clone())))
}
