//! The identity against elimination with the dense matrix, on every path, over gaps, batches and threads.

use super::*;
use crate::testing::*;
use crate::{Dims, Element};

/// `count` matrices of `rank` orthonormal columns of `rows` numbers, row-major: Gram-Schmidt, twice.
fn orthonormal(count: usize, rows: usize, rank: usize) -> Vec<f64> {
    let mut p = numbers(6, count * rows * rank);
    for p in p.chunks_mut((rows * rank).max(1)) {
        for (column, _) in (0..rank).flat_map(|column| [(column, 0), (column, 1)]) {
            for other in 0..column {
                let inner: f64 = (0..rows).map(|i| p[i * rank + column] * p[i * rank + other]).sum();
                (0..rows).for_each(|i| p[i * rank + column] -= inner * p[i * rank + other]);
            }
            let length = (0..rows).map(|i| p[i * rank + column].powi(2)).sum::<f64>().sqrt();
            (0..rows).for_each(|i| p[i * rank + column] /= length);
        }
    }
    p
}

/// `b b'` for `count` random `size` by `rank` matrices: semidefinite where that is less.
fn semidefinite(count: usize, size: usize, rank: usize) -> Vec<f64> {
    let b = numbers(9, count * size * rank);
    let row = |matrix: usize, i: usize| &b[(matrix * size + i) * rank..][..rank];
    let element = |e: usize| {
        let (matrix, i, j) = (e / (size * size), e / size % size, e % size);
        row(matrix, i).iter().zip(row(matrix, j)).map(|(x, y)| x * y).sum()
    };
    (0..count * size * size).map(element).collect()
}

/// p, c, alpha and v, as they lie.
type Given<'a, T> = [(&'a [T], Layout); 4];

fn run<T: Element + Default>(d: &Device, [p, c, alpha, v]: Given<T>, shape: &[usize]) -> Result<Vec<T>> {
    let layout = row_major(shape);
    let mut space = vec![0u8; apply_scratch(d, &p.1, &layout, T::DTYPE)];
    let (guarded, mut y) = (
        [p.0, c.0, alpha.0, v.0].map(|x| Guarded::new(x, Edge::End)),
        Guarded::new(&vec![T::default(); layout.count()], Edge::End),
    );
    let operands = Operands {
        p: View::of(&guarded[0], p.1)?,
        c: View::of(&guarded[1], c.1)?,
        alpha: View::of(&guarded[2], alpha.1)?,
        v: View::of(&guarded[3], v.1)?,
    };
    apply(d, &operands, ViewMut::of(&mut y, layout)?, space[..].as_mut().into())?;
    Ok(y.to_vec())
}

#[test]
fn the_dense_matrix_times_the_result_is_the_operand() {
    for (count, n, r, m) in [
        (1, 1, 1, 1),
        (2, 9, 3, 1),
        (3, 40, 7, 4),
        (2, 70, 33, 17),
        (1, 140, 128, 2),
        (1, 600, 4, 1),
        (2, 5, 0, 1),
        (0, 4, 2, 1),
    ] {
        let p = orthonormal(count, n, r);
        // Of rank less than r: (alpha I + C) needs alpha.
        let c = semidefinite(count, r, r.div_ceil(2));
        let (alpha, v) = ((0..count).map(|i| 0.3 + i as f64).collect::<Vec<_>>(), numbers(2, count * n * m));
        let layouts = [&[count, n, r][..], &[count, r, r], &[count], &[count, n, m]].map(row_major);
        let given = [(&p[..], layouts[0]), (&c[..], layouts[1]), (&alpha[..], layouts[2]), (&v[..], layouts[3])];
        let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let (p32, c32, alpha32, v32) = (narrow(&p), narrow(&c), narrow(&alpha), narrow(&v));
        let given32 =
            [(&p32[..], layouts[0]), (&c32[..], layouts[1]), (&alpha32[..], layouts[2]), (&v32[..], layouts[3])];
        let mut bits: Option<(crate::cpu::Isa, Vec<f32>)> = None;
        for device in devices() {
            let y = run::<f64>(&device, given, &[count, n, m]).unwrap();
            for matrix in 0..count {
                let part = |x: &[f64], size: usize| x[matrix * size..(matrix + 1) * size].to_vec();
                let (p, c, v) = (part(&p, n * r), part(&c, r * r), part(&v, n * m));
                let want = reference::dense([n, r, m], &p, &c, alpha[matrix], &v);
                for (got, want) in part(&y, n * m).iter().zip(&want) {
                    assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{}: {got}, {want}", name(&device));
                }
            }
            let y32 = run::<f32>(&device, given32, &[count, n, m]).unwrap();
            for (got, want) in y32.iter().zip(&y) {
                let allowed = 64.0 * f64::from(f32::EPSILON) * (r.max(1) as f64).sqrt() / 0.3;
                assert!((f64::from(*got) - want).abs() <= allowed, "{}: {got}, {want}", name(&device));
            }
            let Device::Cpu(cpu) = &device else { unreachable!() };
            match &bits {
                Some((isa, first)) if *isa == cpu.isa => assert!(*first == y32, "{}: bits", name(&device)),
                _ => bits = Some((cpu.isa, y32)),
            }
        }
    }
}

#[test]
fn one_basis_serves_a_batch_and_no_curvature_divides_by_alpha() {
    let device = devices().last().unwrap();
    let (p, c, v) = (orthonormal(1, 30, 4), [0.0; 16], numbers(5, 3 * 30 * 2));
    let given = [
        (&p[..], row_major(&[30, 4])),
        (&c[..], row_major(&[4, 4])),
        (&[2.0][..], row_major(&[])),
        (&v[..], row_major(&[3, 30, 2])),
    ];
    let y = run::<f64>(&device, given, &[3, 30, 2]).unwrap();
    assert!(y.iter().zip(&v).all(|(y, v)| (y - v / 2.0).abs() <= 4.0 * f64::EPSILON));
}

#[test]
fn what_is_not_taken_is_said() {
    let device = devices().next().unwrap();
    let (p, v) = (orthonormal(1, 6, 2), numbers(5, 6));
    let said = |c: &[f64], side: &[usize], alpha: f64| {
        let given = [
            (&p[..], row_major(&[6, 2])),
            (c, row_major(side)),
            (&[alpha][..], row_major(&[])),
            (&v[..], row_major(&[6, 1])),
        ];
        run::<f64>(&device, given, &[6, 1]).unwrap_err().to_string()
    };
    assert!(
        said(&[1.0, 0.0, 0.0, 1.0], &[2, 2], 0.0).contains("matrix 0 of the batch: alpha is 0; it must be positive")
    );
    assert!(said(&[1.0, 0.0, 0.0, -3.0], &[2, 2], 1.0).contains("pivot 1 is -2e0"));
    assert!(said(&[1.0; 9], &[3, 3], 1.0).contains("C is 3 by 3, expected 2 by 2"));
    let columns = Layout::in_order(Dims::new(&[6, 2]).unwrap(), &[1, 0]);
    let given = [
        (&p[..], columns),
        (&[0.0; 4][..], row_major(&[2, 2])),
        (&[1.0][..], row_major(&[])),
        (&v[..], row_major(&[6, 1])),
    ];
    assert!(run::<f64>(&device, given, &[6, 1]).unwrap_err().to_string().contains("unit stride"));
}
