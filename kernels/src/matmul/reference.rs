//! The definition: `c[i, j] = bias[j] + sum over p of a[i, p] b[p, j]`, p ascending. The oracle of the tests, and the f64 path.

use super::{Problem, check};
use crate::{Real, Result, View, ViewMut};

/// As [`super::forward`], in any [`Real`] type.
pub fn forward<T: Real>(a: View, b: View, bias: Option<View>, mut c: ViewMut) -> Result {
    let Problem { m, k, n, batch, .. } = check(a.layout(), b.layout(), bias.as_ref(), c.layout())?;
    let [al, bl, cl] = [*a.layout(), *b.layout(), *c.layout()];
    let [ar, br, cr] = [al.rank(), bl.rank(), cl.rank()];
    let bias = bias.map(|bias| Ok((bias.data::<T>("matmul")?, *bias.layout()))).transpose()?;
    let (a, b, c) = (a.data::<T>("matmul")?, b.data::<T>("matmul")?, c.data::<T>("matmul")?);
    for index in 0..batch.count() {
        let [c0, a0, b0] = batch.element(index);
        for i in 0..m {
            let row = &mut c[c0 + i * cl.strides[cr - 2]..][..n];
            match &bias {
                Some((bias, layout)) => {
                    row.iter_mut().enumerate().for_each(|(j, y)| *y = bias[layout.offset + j * layout.strides[0]]);
                }
                None => row.fill(T::default()),
            }
            for p in 0..k {
                let x = a[a0 + i * al.strides[ar - 2] + p * al.strides[ar - 1]];
                let b_row = b0 + p * bl.strides[br - 2];
                for (j, y) in row.iter_mut().enumerate() {
                    *y += x * b[b_row + j * bl.strides[br - 1]];
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
