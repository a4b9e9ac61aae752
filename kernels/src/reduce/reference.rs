//! Reductions term after term.

use crate::nest::Nest;
use crate::{Layout, Real};

/// `y = sum of x` over the axes where `y` has size 1.
pub fn sum<T: Real>(x: &[T], from: &Layout, to: &Layout, y: &mut [T]) {
    fold(x, from, to, y, T::default(), |sum, x| sum + x);
}

/// The largest of `x` over the axes where `y` has size 1; NaN stays.
pub fn max<T: Real>(x: &[T], from: &Layout, to: &Layout, y: &mut [T]) {
    fold(
        x,
        from,
        to,
        y,
        T::from_f64(f64::NEG_INFINITY),
        |max, x| if max > x || max.to_f64().is_nan() { max } else { x },
    );
}

fn fold<T: Real>(x: &[T], from: &Layout, to: &Layout, y: &mut [T], start: T, f: impl Fn(T, T) -> T) {
    let results = Nest::new([to]);
    (0..results.count()).for_each(|i| y[results.element(i)[0]] = start);
    // Axes of size 1 in the result stay in one place while x moves along them.
    let mut repeated = Layout { shape: from.shape, ..*to };
    (0..to.rank()).filter(|&axis| to.shape[axis] == 1).for_each(|axis| repeated.strides[axis] = 0);
    let nest = Nest::new([from, &repeated]);
    let [from_stride, to_stride] = nest.row().1;
    for ([from, to], count) in nest.runs(0..nest.count()) {
        for i in 0..count {
            let y = &mut y[to + i * to_stride];
            *y = f(*y, x[from + i * from_stride]);
        }
    }
}
