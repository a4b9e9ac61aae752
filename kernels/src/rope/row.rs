//! One row, turned where it lies.

use super::Rope;
use crate::Real;

/// Turns the pairs of `row` by the angles of its position, back where `back` says so.
#[inline(always)]
pub(crate) fn turn<T: Real>(p: &Rope, back: bool, row: &mut [T], cos: &[T], sin: &[T]) {
    let sign = T::from_f64(if back { -1.0 } else { 1.0 });
    if p.interleaved {
        for (pair, (&cos, &sin)) in row.chunks_exact_mut(2).zip(cos.iter().zip(sin)) {
            (pair[0], pair[1]) = turned(pair[0], pair[1], cos, sign * sin);
        }
        return;
    }
    let half = (row.len() / p.axes / 2).max(1);
    for (block, (cos, sin)) in row.chunks_exact_mut(2 * half).zip(cos.chunks_exact(half).zip(sin.chunks_exact(half))) {
        let (left, right) = block.split_at_mut(half);
        for i in 0..half {
            (left[i], right[i]) = turned(left[i], right[i], cos[i], sign * sin[i]);
        }
    }
}

#[inline(always)]
fn turned<T: Real>(a: T, b: T, cos: T, sin: T) -> (T, T) {
    (a * cos - b * sin, b * cos + a * sin)
}
