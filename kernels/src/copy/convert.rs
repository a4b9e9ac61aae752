//! Conversions between dtypes, by way of f64: a source widens a few hundred elements at a time, a target rounds them. Twelve
//! loops instead of one for each of the thirty-six pairs.
//!
//! f64 holds every element of every dtype but i64 exactly; large i64 are rounded to odd on the way, so that rounding once
//! more is as good as rounding once.

use crate::blocks::{STAGE, same_shape, split, writable};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::nest::Nest;
use crate::{DType, Element, Result, View, ViewMut};
use half::{bf16, f16};

/// An element as a number.
pub(super) trait Number: Element {
    /// To f64.
    fn widen(self) -> f64;
    /// From f64. To a float: to nearest even. To an integer: truncated, saturating, NaN to 0.
    fn round(x: f64) -> Self;
}

macro_rules! numbers {
    ($($t:ty => $widen:expr, $round:expr;)*) => { $(impl Number for $t {
        #[inline(always)] fn widen(self) -> f64 { ($widen)(self) }
        #[inline(always)] fn round(x: f64) -> Self { ($round)(x) }
    })* };
}
numbers! {
    f32 => f64::from, |x| x as f32;
    f64 => |x| x, |x| x;
    bf16 => |x: bf16| f64::from(x.to_f32()), |x| bf16::from_f32(single_or_odd(x));
    f16 => |x: f16| f64::from(x.to_f32()), |x| f16::from_f32(single_or_odd(x));
    u8 => f64::from, |x| x as u8;
    i64 => double_or_odd, |x| x as i64;
}

/// To f32 "by rounding to odd": where the value is not exact, the neighbour with an odd last bit. A second rounding, to a
/// type at least two bits shorter, then gives what one rounding would have (Boldo and Melquiond, 2008).
#[inline(always)]
fn single_or_odd(x: f64) -> f32 {
    let near = x as f32;
    let back = f64::from(near);
    let towards_zero = near.to_bits() - u32::from(back.abs() > x.abs());
    f32::from_bits(towards_zero | u32::from(back != x))
}

/// To f64: exact below 2^53, beyond it rounded to odd at 11 bits.
#[inline(always)]
fn double_or_odd(x: i64) -> f64 {
    const LOW: i64 = (1 << 11) - 1;
    if x.unsigned_abs() < 1 << 53 {
        return x as f64;
    }
    let sticky = if x & LOW == 0 { 0 } else { LOW + 1 };
    ((x & !LOW) | sticky) as f64
}

/// A buffer of some dtype that can be read as f64.
trait Source: Sync {
    fn read(&self, at: usize, stride: usize, to: &mut [f64]);
}

/// A buffer of some dtype that can be written from f64.
trait Target: Sync {
    /// # Safety
    /// The elements lie in the buffer, and no other thread touches them.
    unsafe fn write(&self, at: usize, stride: usize, from: &[f64]);
}

impl<X: Number> Source for &[X] {
    fn read(&self, at: usize, stride: usize, to: &mut [f64]) {
        if stride == 1 {
            to.iter_mut().zip(&self[at..]).for_each(|(to, x)| *to = x.widen());
        } else {
            to.iter_mut().enumerate().for_each(|(i, to)| *to = self[at + i * stride].widen());
        }
    }
}

impl<Y: Number> Target for Parts<'_, Y> {
    unsafe fn write(&self, at: usize, stride: usize, from: &[f64]) {
        // SAFETY: the caller's word.
        unsafe {
            if stride == 1 {
                self.part(at..at + from.len()).iter_mut().zip(from).for_each(|(y, &x)| *y = Y::round(x));
            } else {
                (0..from.len()).for_each(|i| self.pointer().add(at + i * stride).write(Y::round(from[i])));
            }
        }
    }
}

/// `y = x`, any two dtypes but i64 to f64.
pub(super) fn cast(cpu: &CpuContext, x: View, mut y: ViewMut) -> Result {
    same_shape("cast", &[x], y.layout())?;
    writable("cast", y.layout())?;
    let nest = Nest::new([y.layout(), x.layout()]);
    with_source(&x, |from| with_target(&mut y, |to| convert(cpu, &nest, from, to)))
}

fn with_source(x: &View, then: impl FnOnce(&dyn Source) -> Result) -> Result {
    match x.dtype() {
        DType::F32 => then(&x.data::<f32>("cast")?),
        DType::F64 => then(&x.data::<f64>("cast")?),
        DType::BF16 => then(&x.data::<bf16>("cast")?),
        DType::F16 => then(&x.data::<f16>("cast")?),
        DType::U8 => then(&x.data::<u8>("cast")?),
        DType::I64 => then(&x.data::<i64>("cast")?),
    }
}

fn with_target(y: &mut ViewMut, then: impl FnOnce(&dyn Target)) -> Result {
    match y.dtype() {
        DType::F32 => then(&Parts::new(y.data::<f32>("cast")?)),
        DType::F64 => then(&Parts::new(y.data::<f64>("cast")?)),
        DType::BF16 => then(&Parts::new(y.data::<bf16>("cast")?)),
        DType::F16 => then(&Parts::new(y.data::<f16>("cast")?)),
        DType::U8 => then(&Parts::new(y.data::<u8>("cast")?)),
        DType::I64 => then(&Parts::new(y.data::<i64>("cast")?)),
    }
    Ok(())
}

fn convert(cpu: &CpuContext, nest: &Nest<2>, from: &dyn Source, to: &dyn Target) {
    let [to_stride, from_stride] = nest.row().1;
    split(cpu, nest.count(), 1, |range| {
        let mut near = [0.0; STAGE];
        for ([to_start, from_start], length) in nest.runs(range) {
            for first in (0..length).step_by(STAGE) {
                let near = &mut near[..STAGE.min(length - first)];
                from.read(from_start + first * from_stride, from_stride, near);
                // SAFETY: parts are disjoint ranges of a nest whose result has no two elements in one place.
                unsafe { to.write(to_start + first * to_stride, to_stride, near) };
            }
        }
    });
}
