//! The definition, row by row. The oracle of the tests, and the f64 path.

use super::Problem;
use crate::Real;
use std::ops::Range;

/// `c = sum over rows of a[row]' b[row]`, for matrices that start at `at`; in any [`Real`] type.
pub(crate) fn add<T: Real>(problem: &Problem, [a, b]: [&[T]; 2], at: [usize; 2], rows: Range<usize>, c: &mut [T]) {
    let Problem { height, width, row, .. } = *problem;
    c.fill(T::default());
    for n in rows {
        let (a, b) = (&a[at[0] + n * row[0]..][..height], &b[at[1] + n * row[1]..][..width]);
        for (x, c) in a.iter().zip(c.chunks_exact_mut(width)) {
            c.iter_mut().zip(b).for_each(|(c, y)| *c += *x * *y);
        }
    }
}
