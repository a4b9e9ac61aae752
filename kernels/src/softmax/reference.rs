//! Softmax by its definition: the oracle of the tests and the f64 path.

use crate::Real;

/// `y = exp(x - max x) / sum exp(x - max x)`, for every row of `width > 0` elements.
pub fn forward<T: Real>(width: usize, x: &[T], y: &mut [T]) {
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let sum = exponentials(x, y).1;
        y.iter_mut().for_each(|y| *y = *y / sum);
    }
}

/// `dx = y (g - sum g y)`, for every row.
pub fn backward<T: Real>(width: usize, y: &[T], g: &[T], dx: &mut [T]) {
    for ((y, g), dx) in y.chunks_exact(width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
        let inner: T = y.iter().zip(g).map(|(&y, &g)| y * g).sum();
        for ((&y, &g), dx) in y.iter().zip(g).zip(dx) {
            *dx = y * (g - inner);
        }
    }
}

/// Writes `exp(x - max x)` to `y`; the maximum and the sum of what was written.
pub(crate) fn exponentials<T: Real>(x: &[T], y: &mut [T]) -> (T, T) {
    let max = x.iter().copied().reduce(|a, b| if a > b { a } else { b }).unwrap_or_default();
    for (&x, y) in x.iter().zip(y.iter_mut()) {
        *y = (x - max).exp();
    }
    (max, y.iter().copied().sum())
}
