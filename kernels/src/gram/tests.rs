//! Tall products against sums in f64, on every path, at guard pages, over strides, batches and threads.

use super::*;
use crate::Dims;
use crate::testing::*;

/// `[.., n, r]`, with some numbers between two rows.
fn tall(shape: &[usize], gap: usize) -> Layout {
    let (mut layout, rank) = (row_major(shape), shape.len());
    for axis in 0..rank - 1 {
        layout.strides[axis] =
            layout.strides[axis + 1] * shape[axis + 1].max(1) + if axis == rank - 2 { gap } else { 0 };
    }
    layout
}

fn run<T: Real>(d: &Device, a: &[T], al: Layout, b: &[T], bl: Layout, shape: &[usize], edge: Edge) -> Vec<T> {
    let cl = row_major(shape);
    let (a, b) = (Guarded::new(a, edge), Guarded::new(b, edge));
    let mut c = Guarded::new(&vec![T::from_f64(f64::NAN); cl.count()], edge);
    let mut space = vec![0u8; forward_scratch(d, &al, &cl, T::DTYPE)];
    let (a, b) = (View::of(&a[..], al).unwrap(), View::of(&b[..], bl).unwrap());
    forward(d, a, b, ViewMut::of(&mut c[..], cl).unwrap(), space[..].as_mut().into()).unwrap();
    c.to_vec()
}

#[test]
fn tall_products_on_every_path_over_gaps_batches_and_threads() {
    let cases: [(&[usize], usize, usize, usize); 8] = [
        (&[], 1, 1, 1),
        (&[2, 3], 5, 4, 3),
        (&[3], 512, 7, 17),
        (&[2], 513, 16, 16),
        (&[], 2100, 33, 40),
        (&[2], 0, 3, 4),
        (&[1], 4, 0, 3),
        (&[0], 4, 2, 3),
    ];
    for (batch, n, r, m) in cases {
        for gap in [0, 5] {
            let (al, bl) = (tall(&[batch, &[n, r]].concat(), gap), tall(&[batch, &[n, m]].concat(), 2 * gap));
            let shape = [batch, &[r, m]].concat();
            let (a, b) = (singles(1, al.end()), singles(2, bl.end()));
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (a64, b64, ap, bp) = (wide(&a), wide(&b), places(&al), places(&bl));
            let mut want = Vec::new();
            for matrix in 0..batch.iter().product() {
                for (i, j) in (0..r).flat_map(|i| (0..m).map(move |j| (i, j))) {
                    let terms = (0..n).map(|k| a64[ap[(matrix * n + k) * r + i]] * b64[bp[(matrix * n + k) * m + j]]);
                    want.push(terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs())));
                }
            }
            let mut bits: Option<(crate::cpu::Isa, Vec<f32>)> = None;
            for device in devices() {
                for edge in [Edge::Start, Edge::End] {
                    let got = run::<f32>(&device, &a, al, &b, bl, &shape, edge);
                    for (got, (want, size)) in got.iter().zip(&want) {
                        let allowed = 4.0 * (n as f64).sqrt() * f64::from(f32::EPSILON) * size;
                        assert!((f64::from(*got) - want).abs() <= allowed, "{}: {got}, {want}", name(&device));
                    }
                    let got64 = run::<f64>(&device, &a64, al, &b64, bl, &shape, edge);
                    assert!(got64.iter().zip(&want).all(|(x, (y, size))| (x - y).abs() <= 1e-13 * size));
                    let Device::Cpu(cpu) = &device else { unreachable!() };
                    match &bits {
                        Some((isa, first)) if *isa == cpu.isa => assert!(*first == got, "{}: bits", name(&device)),
                        _ => bits = Some((cpu.isa, got)),
                    }
                }
            }
        }
    }
}

#[test]
fn a_gram_matrix_is_symmetric_bit_for_bit() {
    for device in devices() {
        let (layout, r) = (row_major(&[1300, 37]), 37);
        let p = singles(5, layout.end());
        let g = run::<f32>(&device, &p, layout, &p, layout, &[r, r], Edge::End);
        assert!((0..r * r).all(|e| g[e] == g[e % r * r + e / r]), "{}", name(&device));
    }
}

#[test]
fn a_million_rows_are_few_chunks_and_a_short_tree() {
    assert_eq!([1, 512, 513, 1 << 17, 1_000_000].map(|n: usize| n.div_ceil(chunk(n))), [1, 1, 2, 256, 253]);
    let device = devices().last().unwrap();
    let (n, layout) = (200_000, row_major(&[200_000, 2]));
    let p: Vec<f32> = (0..2 * n).map(|i| if i % 2 == 0 { 1.0 } else { 0.1 }).collect();
    let g = run::<f32>(&device, &p, layout, &p, layout, &[2, 2], Edge::End);
    assert_eq!(g[0], n as f32);
    assert!((f64::from(g[3]) / (0.01 * n as f64) - 1.0).abs() < 1e-6, "{}", g[3]);
}

#[test]
fn what_is_not_taken_is_said() {
    let device = devices().next().unwrap();
    let (x, mut y) = ([0.0f32; 24], [0.0f32; 24]);
    let mut said = |a: Layout, b: &[usize], c: &[usize]| {
        let (a, b) = (View::of(&x, a).unwrap(), View::of(&x, row_major(b)).unwrap());
        let c = ViewMut::of(&mut y, row_major(c)).unwrap();
        forward(&device, a, b, c, (&mut [][..]).into()).unwrap_err().to_string()
    };
    assert!(said(row_major(&[4, 2]), &[3, 2], &[2, 2]).contains("3 by 2, expected 4 by 2"));
    assert!(said(row_major(&[4, 2]), &[4, 3], &[2, 2]).contains("2 by 2, expected 2 by 3"));
    assert!(said(row_major(&[4]), &[4, 3], &[2, 2]).contains("expected a matrix"));
    let columns = Layout::in_order(Dims::new(&[4, 2]).unwrap(), &[1, 0]);
    assert!(said(columns, &[4, 2], &[2, 2]).contains("unit stride"));
    assert!(said(row_major(&[2, 4, 2]), &[3, 4, 2], &[2, 2, 2]).contains("does not repeat"));
}
