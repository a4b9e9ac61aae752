//! Cross-entropy by its definition: the oracle of the tests and the f64 path. Labels are in range.

use crate::Real;
use crate::softmax::reference::exponentials;

/// `loss = ln sum exp(x) - x[label]`, for every row of `width > 0` logits.
pub fn forward<T: Real>(width: usize, x: &[T], labels: &[i64], loss: &mut [T]) {
    let mut e = vec![T::default(); width];
    for ((x, &label), loss) in x.chunks_exact(width).zip(labels).zip(loss) {
        let (max, sum) = exponentials(x, &mut e);
        *loss = (max - x[label as usize]) + sum.ln();
    }
}

/// `dx = g (softmax(x) - onehot(label))`, for every row; `g` has one number a row.
pub fn backward<T: Real>(width: usize, x: &[T], labels: &[i64], g: &[T], dx: &mut [T]) {
    for (((x, &label), &g), dx) in x.chunks_exact(width).zip(labels).zip(g).zip(dx.chunks_exact_mut(width)) {
        let (_, sum) = exponentials(x, dx);
        dx.iter_mut().for_each(|dx| *dx = *dx / sum * g);
        dx[label as usize] = dx[label as usize] - g;
    }
}
