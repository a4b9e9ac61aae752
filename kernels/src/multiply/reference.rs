//! Products of slices of equal length.

use crate::Real;

/// `y[i] = a[i] b[i]`
pub fn forward<T: Real>(a: &[T], b: &[T], y: &mut [T]) {
    for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
        *y = a * b;
    }
}
