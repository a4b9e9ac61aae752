use super::*;
use crate::testing::*;

const SHAPES: [(usize, usize); 6] = [(1, 1), (0, 4), (7, 10), (33, 17), (5, 1000), (900, 16)];

fn logits(seed: u64, count: usize) -> Vec<f32> {
    singles(seed, count).iter().map(|x| 20.0 * x).collect()
}

fn labels(rows: usize, classes: usize) -> Vec<i64> {
    (0..rows).map(|row| (row * 7 % classes) as i64).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Loss and dlogits of the entry points, between guard pages.
fn run(d: &Device, k: usize, x: &[f32], labels: &[i64], g: &[f32], edge: Edge) -> (Vec<f32>, Vec<f32>) {
    let (full, rows) = (row_major(&[labels.len(), k]), row_major(&[labels.len()]));
    let (x, labels, g) = (Guarded::new(x, edge), Guarded::new(labels, edge), Guarded::new(g, edge));
    let (mut loss, mut dx) = (Guarded::new(&g, edge), Guarded::new(&x, edge));
    let (xv, lv) = (View::of(&x, full).unwrap(), View::of(&labels, rows).unwrap());
    forward(d, xv, lv, ViewMut::of(&mut loss, rows).unwrap()).unwrap();
    backward(d, xv, lv, View::of(&g, rows).unwrap(), ViewMut::of(&mut dx, full).unwrap()).unwrap();
    (loss.to_vec(), dx.to_vec())
}

#[test]
fn both_ways_are_the_reference_to_rounding() {
    for (d, (rows, k)) in devices().flat_map(|d| SHAPES.map(|shape| (d.clone(), shape))) {
        let (x, labels, g) = (logits(1, rows * k), labels(rows, k), singles(2, rows));
        let (mut loss, mut dx) = (vec![0.0; rows], vec![0.0; rows * k]);
        reference::forward(k, &wide(&x), &labels, &mut loss);
        reference::backward(k, &wide(&x), &labels, &wide(&g), &mut dx);
        for edge in [Edge::Start, Edge::End] {
            let (got_loss, got_dx) = run(&d, k, &x, &labels, &g, edge);
            // |x - max| <= 40; the sum of k exponentials has relative error 24 + 4 sqrt(k) eps, as in softmax.
            let relative = (24.0 + 4.0 * (k as f64).sqrt()) * f64::from(f32::EPSILON);
            for row in 0..rows {
                let bound = relative + 2.0 * f64::from(f32::EPSILON) * loss[row];
                let error = (f64::from(got_loss[row]) - loss[row]).abs();
                assert!(error <= bound, "{} {rows}x{k} loss [{row}]: {error:e}", name(&d));
            }
            for i in 0..rows * k {
                let bound = relative * f64::from(g[i / k]).abs() + 1e-37;
                let error = (f64::from(got_dx[i]) - dx[i]).abs();
                assert!(error <= bound, "{} {rows}x{k} dlogits [{i}]: {error:e}", name(&d));
            }
        }
    }
}

#[test]
fn backward_is_the_derivative_of_forward() {
    let (rows, k, step) = (3, 7, 1e-6);
    let (x, labels, g) = (numbers(3, rows * k), labels(rows, k), numbers(4, rows));
    let mut dx = vec![0.0; rows * k];
    reference::backward(k, &x, &labels, &g, &mut dx);
    for i in 0..rows * k {
        let at = |delta: f64| {
            let (mut x, mut loss) = (x.clone(), vec![0.0; rows]);
            x[i] += delta;
            reference::forward(k, &x, &labels, &mut loss);
            loss.iter().zip(&g).map(|(loss, g)| loss * g).sum::<f64>()
        };
        let want = (at(step) - at(-step)) / (2.0 * step);
        assert!((dx[i] - want).abs() < 1e-9, "[{i}]: {} {want}", dx[i]);
    }
}

#[test]
fn threads_and_batch_do_not_change_bits() {
    let (rows, k) = (900, 33);
    let (x, labels, g) = (logits(5, rows * k), labels(rows, k), singles(6, rows));
    let results: Vec<_> = devices().map(|d| (run(&d, k, &x, &labels, &g, Edge::End), d)).collect();
    for pair in results.chunks(2) {
        assert_eq!(pair[0].0, pair[1].0, "{}", name(&pair[1].1));
        let (loss, dx) = run(&pair[0].1, k, &x[5 * k..6 * k], &labels[5..6], &g[5..6], Edge::End);
        assert_eq!((&loss[..], &dx[..]), (&pair[0].0.0[5..6], &pair[0].0.1[5 * k..6 * k]));
    }
}

#[test]
fn a_label_out_of_range_is_named_with_its_row() {
    let d = devices().next().unwrap();
    let (x, mut loss) = (singles(7, 8), [0.0f32; 2]);
    for (bad, k) in [(-1i64, 4), (4, 4), (0, 0)] {
        let (labels, full) = (if k == 0 { [bad; 2] } else { [3, bad] }, row_major(&[2, k]));
        let lv = View::of(&labels, row_major(&[2])).unwrap();
        let out = ViewMut::of(&mut loss, row_major(&[2])).unwrap();
        let error = forward(&d, View::of(&x, full).unwrap(), lv, out).unwrap_err();
        let row = if k == 0 { 0 } else { 1 };
        let want = format!("cross_entropy: label {bad} of row {row} is not a class: the logits have {k} (0..{k})");
        assert_eq!(error.to_string(), want);
    }
}
