//! The definition, a number at a time.

use super::work::Work;
use crate::Real;

/// Every number of every window from its pixel of the canvas.
pub(super) fn gather<T: Real>(work: &Work, shares: Option<&[T]>, x: &[T], y: &mut [T]) {
    for_each(work, |[window, canvas, share]| y[window] = shares.map_or(x[canvas], |shares| shares[share] * x[canvas]));
}

/// Every pixel of the canvas is 0, then window after window is added.
pub(super) fn scatter<T: Real>(work: &Work, shares: Option<&[T]>, x: &[T], y: &mut [T]) {
    for (sample, row) in (0..work.samples).flat_map(|sample| (0..work.rows()).map(move |row| (sample, row))) {
        let start = work.row(sample, row);
        (0..work.whole.count()).for_each(|i| y[start + work.whole.element(i)[0]] = T::default());
    }
    for_each(work, |[window, canvas, share]| {
        y[canvas] += shares.map_or(x[window], |shares| shares[share] * x[window]);
    });
}

/// Places in windows, canvas and shares, windows in ascending order.
fn for_each(work: &Work, mut body: impl FnMut([usize; 3])) {
    for n in 0..work.windows() {
        for (sample, line) in (0..work.samples).flat_map(|sample| (0..work.lines()).map(move |line| (sample, line))) {
            let start = work.line(sample, n, line);
            for i in 0..work.nest.count() {
                let within = work.nest.element(i);
                body(std::array::from_fn(|operand| start[operand] + within[operand]));
            }
        }
    }
}
