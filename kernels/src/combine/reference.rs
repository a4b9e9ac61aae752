//! Linear combinations of slices of equal length, in the order of the definition.

use crate::Real;

/// `y[i] = c[0] x[0][i] + c[1] x[1][i] + ..`
pub fn forward<T: Real>(coefficients: &[f64], x: &[&[T]], y: &mut [T]) {
    for (term, (&c, x)) in coefficients.iter().zip(x).enumerate() {
        let c = T::from_f64(c);
        for (y, &x) in y.iter_mut().zip(*x) {
            *y = if term == 0 { c * x } else { *y + c * x };
        }
    }
}

/// `y[i] += c x[i]`
pub fn accumulate<T: Real>(coefficient: f64, x: &[T], y: &mut [T]) {
    let c = T::from_f64(coefficient);
    for (y, &x) in y.iter_mut().zip(x) {
        *y += c * x;
    }
}
