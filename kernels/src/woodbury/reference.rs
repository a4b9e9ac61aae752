//! The definition, without orthonormal columns or small systems: the dense matrix `alpha I + P C P'` and elimination. The
//! oracle of the tests.

use crate::Real;

/// `(alpha I + P C P')^-1 v` for row-major `p [n, r]`, `c [r, r]` and `v [n, m]`, by Gauss-Jordan elimination without
/// exchanges, which a positive definite matrix does not need.
pub fn dense<T: Real>([n, r, m]: [usize; 3], p: &[T], c: &[T], alpha: T, v: &[T]) -> Vec<T> {
    let mut a = vec![T::default(); n * n];
    for (i, row) in a.chunks_exact_mut(n.max(1)).enumerate() {
        for (j, a) in row.iter_mut().enumerate() {
            let terms = (0..r * r).map(|e| p[i * r + e / r] * c[e] * p[j * r + e % r]);
            *a = terms.sum::<T>() + if i == j { alpha } else { T::default() };
        }
    }
    let mut y = v.to_vec();
    for k in 0..n {
        for i in (0..n).filter(|&i| i != k) {
            let weight = a[i * n + k] / a[k * n + k];
            for j in k..n {
                a[i * n + j] = a[i * n + j] - weight * a[k * n + j];
            }
            for side in 0..m {
                y[i * m + side] = y[i * m + side] - weight * y[k * m + side];
            }
        }
    }
    for (i, row) in y.chunks_exact_mut(m.max(1)).enumerate() {
        row.iter_mut().for_each(|y| *y = *y / a[i * n + i]);
    }
    y
}
