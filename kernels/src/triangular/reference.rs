//! The definitions. Plain loops that vectorise by themselves; all there is on the processor, in f32 and f64.

use super::{Lower, SIDE};
use crate::Real;
use crate::matrix::Matrices;
use crate::nest::Nest;

/// `l x = b`, or `l' x = b`, for rows of [`SIDE`] right-hand sides, in place.
#[inline(always)]
pub(crate) fn solve<T: Real>(l: &Lower<T>, x: &mut [T], transposed: bool) {
    for step in 0..l.size {
        let k = if transposed { l.size - 1 - step } else { step };
        let (before, rest) = x.split_at_mut(k * SIDE);
        let (row, after) = rest.split_at_mut(SIDE);
        let pivot = l.at(k, k);
        row.iter_mut().for_each(|x| *x = *x / pivot);
        let (others, first) = if transposed { (before, 0) } else { (after, k + 1) };
        for (i, other) in others.chunks_exact_mut(SIDE).enumerate() {
            let weight = if transposed { l.at(k, i) } else { l.at(first + i, k) };
            for side in 0..SIDE {
                other[side] = other[side] - weight * row[side];
            }
        }
    }
}

/// Below the diagonal x, on it `diagonal` times x, above it 0; matrices that start where `batch` says, in y and x.
pub(super) fn lower<T: Real>(batch: &Nest<2>, from: &Matrices, diagonal: f64, x: &[T], y: &mut [T]) {
    let size = from.rows * from.columns;
    for matrix in 0..batch.count() {
        let [to, at] = batch.element(matrix);
        for (e, y) in y[to..to + size].iter_mut().enumerate() {
            let (i, j) = (e / from.columns, e % from.columns);
            let x = x[at + i * from.step[0] + j * from.step[1]];
            *y = match i.cmp(&j) {
                std::cmp::Ordering::Greater => x,
                std::cmp::Ordering::Equal => x * T::from_f64(diagonal),
                std::cmp::Ordering::Less => T::default(),
            };
        }
    }
}
