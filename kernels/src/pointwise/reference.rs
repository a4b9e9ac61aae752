//! Scalar functions over slices of equal length, by the table.

use super::Function;
use crate::Real;

/// `y[i] = f(x[i])`, with the derivative of `order` in the place of `f`.
pub fn apply<T: Real>(f: Function, order: u8, x: &[T], y: &mut [T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = T::from_f64(f.value(order, x.to_f64()));
    }
}

/// `y[i] = g[i] f(x[i])`, with the derivative of `order` in the place of `f`.
pub fn scaled<T: Real>(f: Function, order: u8, x: &[T], g: &[T], y: &mut [T]) {
    for ((y, x), &g) in y.iter_mut().zip(x).zip(g) {
        *y = g * T::from_f64(f.value(order, x.to_f64()));
    }
}
