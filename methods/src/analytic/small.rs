//! Matrices of a few dimensions, row-major, in f64.

/// The lower L with L L^T = `scale` `a` + `ridge` I, from a's lower triangle; `None` when that is not positive definite.
pub(super) fn lower(a: &[f64], d: usize, scale: f64, ridge: f64) -> Option<Vec<f64>> {
    let mut l = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i * d + k] * l[j * d + k]).sum();
            let rest = scale * a[i * d + j] + if i == j { ridge } else { 0.0 } - dot;
            l[i * d + j] = match i == j {
                true if rest > 0.0 && rest.is_finite() => rest.sqrt(),
                true => return None,
                false => rest / l[j * d + j],
            };
        }
    }
    Some(l)
}

/// L^-1 of a lower L.
pub(super) fn inverse_lower(l: &[f64], d: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; d * d];
    for j in 0..d {
        for i in j..d {
            let dot: f64 = (j..i).map(|k| l[i * d + k] * inverse[k * d + j]).sum();
            inverse[i * d + j] = (if i == j { 1.0 } else { -dot }) / l[i * d + i];
        }
    }
    inverse
}

/// W^T W: the inverse of L L^T for W = L^-1.
pub(super) fn square(w: &[f64], d: usize) -> Vec<f64> {
    let entry = |i: usize, j: usize| (0..d).map(|k| w[k * d + i] * w[k * d + j]).sum();
    (0..d * d).map(|at| entry(at / d, at % d)).collect()
}

/// `c` a b.
pub(super) fn product(c: f64, a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let entry = |i: usize, j: usize| c * (0..d).map(|k| a[i * d + k] * b[k * d + j]).sum::<f64>();
    (0..d * d).map(|at| entry(at / d, at % d)).collect()
}
