//! The definition: outer products, column after column. Plain loops that vectorise by themselves; all there is on the
//! processor, in f32 and f64.

use super::{Failure, LARGEST, Pivots};
use crate::Real;

/// The factor of the lower triangle of `size` rows of `size` numbers, in place.
#[inline(always)]
pub(crate) fn factorise<T: Real>(a: &mut [T], size: usize, pivots: Pivots) -> Result<(), Failure> {
    let (mut column, mut original) = ([T::default(); LARGEST], [T::default(); LARGEST]);
    (0..size).for_each(|i| original[i] = a[i * size + i]);
    for k in 0..size {
        let pivot = a[k * size + k];
        let side = match pivots {
            Pivots::Drop(floor) if pivot <= T::from_f64(floor.max(0.0)) * original[k] => T::from_f64(f64::INFINITY),
            Pivots::Drop(_) => pivot.sqrt(),
            Pivots::Positive if pivot > T::default() => pivot.sqrt(),
            Pivots::Positive => return Err(Failure { row: k, pivot: pivot.to_f64() }),
        };
        a[k * size + k] = side;
        for i in k + 1..size {
            column[i] = a[i * size + k] / side;
            a[i * size + k] = column[i];
            let x = column[i];
            let row = &mut a[i * size + k + 1..i * size + i + 1];
            row.iter_mut().zip(&column[k + 1..=i]).for_each(|(a, y)| *a = *a - x * *y);
        }
    }
    Ok(())
}
