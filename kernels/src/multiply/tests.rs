use super::*;
use crate::testing::{elementwise, singles};

#[test]
fn products_are_rounded_once() {
    let close = |got: f64, want: f64, _: &[f64], eps: f64| (got - want).abs() <= 0.5 * eps * want.abs();
    elementwise(2, singles, |d, x, y| forward(d, x[0], x[1], y), |x, _| x[0] * x[1], close);
}
