//! Factors against their product and against the textbook's order of loops, on every path, over strides and threads.

use super::*;
use crate::testing::*;
use crate::{Dims, Element};

/// `b b' + shift I` for `count` random matrices b, row-major.
pub(crate) fn definite(seed: u64, count: usize, size: usize, shift: f64) -> Vec<f64> {
    let b = numbers(seed, count * size * size);
    let row = |matrix: usize, i: usize| &b[(matrix * size + i) * size..][..size];
    let element = |e: usize| {
        let (matrix, i, j) = (e / (size * size), e / size % size, e % size);
        let sum: f64 = row(matrix, i).iter().zip(row(matrix, j)).map(|(x, y)| x * y).sum();
        sum + if i == j { shift } else { 0.0 }
    };
    (0..count * size * size).map(element).collect()
}

/// The factor by rows: `l_ij = (a_ij - sum over k < j of l_ik l_jk) / l_jj` (Cholesky-Banachiewicz).
fn by_rows(a: &[f64], size: usize) -> Vec<f64> {
    let mut l = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..=i {
            let rest = a[i * size + j] - (0..j).map(|k| l[i * size + k] * l[j * size + k]).sum::<f64>();
            l[i * size + j] = if i == j { rest.sqrt() } else { rest / l[j * size + j] };
        }
    }
    l
}

fn factor<T: Element + Default>(d: &Device, pivots: Pivots, a: &[T], layout: Layout) -> Result<Vec<T>> {
    let to = Layout::contiguous(layout.shape);
    let a = Guarded::new(a, Edge::End);
    let mut l = Guarded::new(&vec![T::default(); to.count()], Edge::End);
    forward(d, pivots, View::of(&a, layout)?, ViewMut::of(&mut l, to)?)?;
    Ok(l.to_vec())
}

#[test]
fn the_factor_times_its_transpose_is_the_matrix() {
    for (count, size) in [(3, 1), (2, 2), (3, 7), (5, 16), (2, 33), (2, 128), (0, 4), (1, 0)] {
        let a = definite(3, count, size, 0.5);
        let want: Vec<f64> = a.chunks(size.max(1).pow(2)).flat_map(|a| by_rows(a, size)).collect();
        let single: Vec<f32> = a.iter().map(|&x| x as f32).collect();
        let shape = Dims::new(&[count, size, size]).unwrap();
        for layout in [Layout::contiguous(shape), Layout::in_order(shape, &[0, 2, 1])] {
            let mut bits = None;
            for device in devices() {
                let l = factor::<f64>(&device, Pivots::Positive, &a, layout).unwrap();
                // A factor is as well determined as its matrix: eps times the condition, some 4 r^2 for such numbers.
                let allowed = |eps: f64| 16.0 * eps * (size * size).max(4) as f64;
                assert!(l.iter().zip(&want).all(|(l, want)| (l - want).abs() <= allowed(f64::EPSILON)));
                for (matrix, (l, a)) in l.chunks((size * size).max(1)).zip(a.chunks((size * size).max(1))).enumerate() {
                    for (i, j) in (0..size).flat_map(|i| (0..size).map(move |j| (i, j))) {
                        let product: f64 = (0..size).map(|k| l[i * size + k] * l[j * size + k]).sum();
                        assert!((product - a[i * size + j]).abs() <= 1e-13 * size as f64, "{matrix} {i} {j}");
                        assert!(j <= i || l[i * size + j] == 0.0);
                    }
                }
                let l = factor::<f32>(&device, Pivots::Positive, &single, layout).unwrap();
                let near = |(l, want): (&f32, &f64)| (f64::from(*l) - want).abs() <= allowed(f64::from(f32::EPSILON));
                assert!(l.iter().zip(&want).all(near), "{}", name(&device));
                assert_eq!(*bits.get_or_insert(l.clone()), l, "{}: bits", name(&device));
            }
        }
    }
}

#[test]
fn what_is_not_definite_is_an_error_that_names_the_matrix_and_the_pivot() {
    let layout = row_major(&[3, 2, 2]);
    let a = [4.0, 0.0, 0.0, 4.0, 1.0, 9.0, 1.0, 1.0, 1.0, 0.0, 3.0, 1.0];
    for device in devices() {
        let said = factor::<f64>(&device, Pivots::Positive, &a, layout).unwrap_err().to_string();
        assert_eq!(
            said,
            "cholesky: matrix 1 of the batch is not positive definite: pivot 1 is 0e0; add a multiple of the identity"
        );
        let said = factor::<f64>(&device, Pivots::Positive, &[f64::NAN; 12], layout).unwrap_err().to_string();
        assert!(said.contains("matrix 0") && said.contains("pivot 0 is NaN"), "{said}");
    }
}

#[test]
fn a_dependent_column_drops_out() {
    // The Gram matrix of (1, 0), (2, 0), (1, 1).
    let a = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 2.0];
    let l = factor::<f64>(&devices().next().unwrap(), Pivots::Drop(1e-14), &a, row_major(&[3, 3])).unwrap();
    assert_eq!(l, [1.0, 0.0, 0.0, 2.0, f64::INFINITY, 0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn what_is_not_taken_is_said() {
    let device = devices().next().unwrap();
    let said = |shape: &[usize]| {
        let a = vec![1.0f32; shape.iter().product()];
        factor::<f32>(&device, Pivots::Positive, &a, row_major(shape)).unwrap_err().to_string()
    };
    assert!(said(&[2, 3]).contains("2 by 3, expected 2 by 2"));
    assert!(said(&[129, 129]).contains("129 rows; matrices of at most 128"));
    assert!(said(&[4]).contains("expected a matrix"));
}
