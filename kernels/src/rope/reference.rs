//! The definition, a pair at a time.

use super::Tokens;
use crate::Real;

/// Turns every pair of every token.
pub(super) fn rotate<T: Real>(tokens: &Tokens, back: bool, x: &[T], table: &[T], y: &mut [T]) {
    let Tokens { p, width, positions, nest, step } = tokens;
    let pairs = width / 2;
    for token in 0..if *width == 0 { 0 } else { nest.count() } {
        let [number, to, from] = nest.element(token);
        for pair in 0..pairs {
            let (a, b) = p.pair(pair, *width);
            let at = number % positions * pairs + pair;
            let (cos, sin) = (table[at], table[positions * pairs + at]);
            let sin = if back { -sin } else { sin };
            let (left, right) = (x[from + a * step[1]], x[from + b * step[1]]);
            y[to + a * step[0]] = left * cos - right * sin;
            y[to + b * step[0]] = right * cos + left * sin;
        }
    }
}
