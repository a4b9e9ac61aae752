//! One number from any dtype to any other, rounded once.

use crate::Element;
use half::{bf16, f16};

/// An element as a number.
pub(super) trait Number: Element {
    /// From f64. To a float: to nearest even. To an integer: truncated, saturating, NaN to 0.
    fn from_f64(x: f64) -> Self;
    /// From i64. To a float: to nearest even. To an integer: saturating.
    fn from_i64(x: i64) -> Self;
    /// To another dtype.
    fn convert<Y: Number>(self) -> Y;
}

macro_rules! floats {
    ($($t:ty => $widen:expr, $from:expr;)*) => { $(impl Number for $t {
        #[inline(always)] fn from_f64(x: f64) -> Self { ($from)(x) }
        #[inline(always)] fn from_i64(x: i64) -> Self { ($from)(exact_or_odd(x)) }
        #[inline(always)] fn convert<Y: Number>(self) -> Y { Y::from_f64(($widen)(self)) }
    })* };
}
floats! {
    f32 => f64::from, |x| x as f32;
    bf16 => |x: bf16| f64::from(x.to_f32()), |x| bf16::from_f32(odd(x));
    f16 => |x: f16| f64::from(x.to_f32()), |x| f16::from_f32(odd(x));
}

impl Number for f64 {
    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn from_i64(x: i64) -> f64 {
        x as f64
    }
    #[inline(always)]
    fn convert<Y: Number>(self) -> Y {
        Y::from_f64(self)
    }
}

impl Number for u8 {
    #[inline(always)]
    fn from_f64(x: f64) -> u8 {
        x as u8
    }
    #[inline(always)]
    fn from_i64(x: i64) -> u8 {
        x.clamp(0, 255) as u8
    }
    #[inline(always)]
    fn convert<Y: Number>(self) -> Y {
        Y::from_f64(f64::from(self))
    }
}

impl Number for i64 {
    #[inline(always)]
    fn from_f64(x: f64) -> i64 {
        x as i64
    }
    #[inline(always)]
    fn from_i64(x: i64) -> i64 {
        x
    }
    #[inline(always)]
    fn convert<Y: Number>(self) -> Y {
        Y::from_i64(self)
    }
}

/// To f32 "by rounding to odd": where the value is not exact, the neighbour with an odd last bit. A second rounding, to a
/// type at least two bits shorter, then gives what one rounding would have (Boldo and Melquiond, 2008).
#[inline(always)]
fn odd(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) == x || x.is_nan() {
        return near;
    }
    let towards_zero = near.to_bits() - u32::from(f64::from(near).abs() > x.abs());
    f32::from_bits(towards_zero | 1)
}

/// To f64: exact below 2^53, beyond it rounded to odd at 11 bits.
#[inline(always)]
fn exact_or_odd(x: i64) -> f64 {
    const LOW: i64 = (1 << 11) - 1;
    if x.unsigned_abs() < 1 << 53 {
        return x as f64;
    }
    let sticky = if x & LOW == 0 { 0 } else { LOW + 1 };
    ((x & !LOW) | sticky) as f64
}
