//! The definition: `c[i, j] = bias[j] + sum over p of a[i, p] b[p, j]`, p ascending. The oracle of the tests, and the
//! f64 path.

use super::{OP, Problem};
use crate::{Real, Result, View, ViewMut};

/// As [`super::forward`], in any [`Real`] type.
pub fn forward<T: Real>(a: View, b: View, bias: Option<View>, mut c: ViewMut) -> Result {
    let problem = Problem::new(a.layout(), b.layout(), bias.as_ref(), c.layout())?;
    let Problem { m, k, n, a_step, b_step, c_row, batch, .. } = problem;
    let bias = bias.as_ref().map(|bias| bias.dense::<T>(OP)).transpose()?;
    let (a, b, c) = (a.data::<T>(OP)?, b.data::<T>(OP)?, c.data::<T>(OP)?);
    if n == 0 {
        return Ok(());
    }
    for index in 0..batch.count() {
        let [c_at, a_at, b_at] = batch.element(index);
        for i in 0..m {
            let row = &mut c[c_at + i * c_row..][..n];
            match bias {
                Some(bias) => row.copy_from_slice(bias),
                None => row.fill(T::default()),
            }
            for p in 0..k {
                let x = a[a_at + i * a_step[0] + p * a_step[1]];
                for (j, y) in row.iter_mut().enumerate() {
                    *y += x * b[b_at + p * b_step[0] + j * b_step[1]];
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::row_major;
    use crate::{Dims, Layout};

    #[test]
    fn a_batch_against_one_transposed_matrix() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 0.0, 1.0, -1.0];
        let transposed = Layout { strides: Dims::new(&[1, 3]).unwrap(), ..row_major(&[3, 2]) };
        let mut c = [9.0; 4];
        let (a, b) = (View::of(&a, row_major(&[2, 1, 3])).unwrap(), View::of(&b, transposed).unwrap());
        let bias = View::of(&[10.0, 20.0], row_major(&[2])).unwrap();
        forward::<f64>(a, b, Some(bias), ViewMut::of(&mut c, row_major(&[2, 1, 2])).unwrap()).unwrap();
        assert_eq!(c, [17.0, 19.0, 26.0, 19.0]);
    }
}
