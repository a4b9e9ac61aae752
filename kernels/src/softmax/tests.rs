use super::*;
use crate::testing::*;

const SHAPES: [&[usize]; 9] = [&[1], &[5], &[0, 4], &[3, 0], &[7, 10], &[2, 3, 16], &[33, 49], &[5, 1000], &[700, 17]];

/// Logits of a wide range, so that rows have both dominant and vanishing entries.
fn logits(seed: u64, count: usize) -> Vec<f32> {
    singles(seed, count).iter().map(|x| 20.0 * x).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn run_forward(d: &Device, x: &[f32], layout: Layout, edge: Edge) -> Vec<f32> {
    let x = Guarded::new(x, edge);
    let mut y = Guarded::new(&vec![f32::NAN; x.len()], edge);
    forward(d, View::of(&x, layout).unwrap(), ViewMut::of(&mut y, layout).unwrap()).unwrap();
    y.to_vec()
}

#[test]
fn forward_is_the_reference_to_rounding() {
    for (d, shape) in devices().flat_map(|d| SHAPES.map(|shape| (d.clone(), shape))) {
        let (layout, width) = (row_major(shape), shape[shape.len() - 1].max(1));
        let x = logits(1, layout.count());
        let mut want = vec![0.0; x.len()];
        reference::forward(width, &wide(&x), &mut want);
        for edge in [Edge::Start, Edge::End] {
            let y = run_forward(&d, &x, layout, edge);
            for (i, (&y, &want)) in y.iter().zip(&want).enumerate() {
                // x - max is exact to eps |x - max| <= 40 eps, exp to 2 ulp, the sum of k to sqrt(k).
                let bound = (24.0 + 4.0 * (width as f64).sqrt()) * f64::from(f32::EPSILON) * want + 1e-37;
                assert!((f64::from(y) - want).abs() <= bound, "{} {shape:?} [{i}]: {y} {want}", name(&d));
            }
        }
    }
}

#[test]
fn backward_is_the_reference_to_rounding() {
    for (d, shape) in devices().flat_map(|d| SHAPES.map(|shape| (d.clone(), shape))) {
        let (layout, width) = (row_major(shape), shape[shape.len() - 1].max(1));
        let y = run_forward(&d, &logits(2, layout.count()), layout, Edge::End);
        let g = singles(3, y.len());
        let mut want = vec![0.0; y.len()];
        reference::backward(width, &wide(&y), &wide(&g), &mut want);
        for edge in [Edge::Start, Edge::End] {
            let (y, g) = (Guarded::new(&y, edge), Guarded::new(&g, edge));
            let mut dx = Guarded::new(&vec![f32::NAN; y.len()], edge);
            let (yv, gv) = (View::of(&y, layout).unwrap(), View::of(&g, layout).unwrap());
            backward(&d, yv, gv, ViewMut::of(&mut dx, layout).unwrap()).unwrap();
            for i in 0..y.len() {
                // |g| <= 1 and the row of y sums to 1, so |g| + sum |g y| <= 2.
                let bound = 4.0 * (width as f64).sqrt() * f64::from(f32::EPSILON) * 2.0 * f64::from(y[i]) + 1e-37;
                assert!((f64::from(dx[i]) - want[i]).abs() <= bound, "{} {shape:?} [{i}]", name(&d));
            }
        }
    }
}

#[test]
fn backward_is_the_derivative_of_forward() {
    let (width, x, g, step) = (7, numbers(4, 21), numbers(5, 21), 1e-6);
    let (mut y, mut dx) = (vec![0.0; 21], vec![0.0; 21]);
    reference::forward(width, &x, &mut y);
    reference::backward(width, &y, &g, &mut dx);
    for i in 0..21 {
        let at = |delta: f64| {
            let (mut x, mut y) = (x.clone(), vec![0.0; 21]);
            x[i] += delta;
            reference::forward(width, &x, &mut y);
            y.iter().zip(&g).map(|(y, g)| y * g).sum::<f64>()
        };
        let want = (at(step) - at(-step)) / (2.0 * step);
        assert!((dx[i] - want).abs() < 1e-9, "[{i}]: {} {want}", dx[i]);
    }
}

#[test]
fn threads_and_batch_do_not_change_bits() {
    let (rows, width) = (900, 49);
    let (layout, x) = (row_major(&[rows, width]), logits(6, rows * width));
    let results: Vec<_> = devices().map(|d| (run_forward(&d, &x, layout, Edge::End), d)).collect();
    for pair in results.chunks(2) {
        assert_eq!(pair[0].0, pair[1].0, "{}", name(&pair[1].1));
        let row = 5 * width..6 * width;
        let alone = run_forward(&pair[0].1, &x[row.clone()], row_major(&[1, width]), Edge::End);
        assert_eq!(alone, pair[0].0[row]);
    }
}

#[test]
fn f64_runs_the_reference_and_bad_operands_are_named() {
    let d = devices().next().unwrap();
    let (x, layout) = (numbers(7, 12), row_major(&[3, 4]));
    let (mut y, mut want) = (vec![0.0; 12], vec![0.0; 12]);
    forward(&d, View::of(&x, layout).unwrap(), ViewMut::of(&mut y, layout).unwrap()).unwrap();
    reference::forward(4, &x, &mut want);
    assert_eq!(y, want);
    let (columns, xv) = (Layout::in_order(layout.shape, &[1, 0]), View::of(&x, layout).unwrap());
    let order = forward(&d, xv, ViewMut::of(&mut y, columns).unwrap()).unwrap_err();
    assert_eq!(order.to_string(), "softmax: y must be row-major");
    let shape = forward(&d, xv, ViewMut::of(&mut y, row_major(&[4, 3])).unwrap()).unwrap_err();
    assert_eq!(shape.to_string(), "softmax: y has shape [4, 3], expected [3, 4]");
}

#[test]
fn masked_and_extreme_logits() {
    const NONE: f32 = f32::NEG_INFINITY;
    for d in devices() {
        let x = [NONE, 0.0, NONE, 0.0, 3e38, -3e38, 3e38, NONE, -1e30, -1e30, -1e30, -1e30];
        let y = run_forward(&d, &x, row_major(&[3, 4]), Edge::End);
        assert_eq!(y, [0.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 0.0, 0.25, 0.25, 0.25, 0.25], "{}", name(&d));
        assert!(run_forward(&d, &[NONE; 20], row_major(&[1, 20]), Edge::End).iter().all(|y| y.is_nan()));
    }
}
