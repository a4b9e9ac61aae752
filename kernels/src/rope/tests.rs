//! Turning against complex multiplication, on every path, at guard pages, over strides and threads.

use super::*;
use crate::testing::*;

const SHAPES: [(&[usize], usize); 5] =
    [(&[2, 3, 5, 8], 1), (&[7, 12], 2), (&[3, 4, 36], 3), (&[1, 1, 2], 1), (&[2, 0, 4], 1)];

fn table(positions: usize, pairs: usize) -> (Vec<f64>, Vec<f32>) {
    let angle = |i: usize| 0.37 * i as f64 + 0.1;
    let count = positions * pairs;
    let table: Vec<f64> = (0..count).map(|i| angle(i).cos()).chain((0..count).map(|i| angle(i).sin())).collect();
    (table.clone(), table.iter().map(|&x| x as f32).collect())
}

/// y as complex products: token after token, pair after pair.
fn want(p: &Rope, back: bool, x: &[f64], shape: &[usize], table: &[f64]) -> Vec<f64> {
    let [.., positions, width] = *shape else { panic!() };
    let (mut y, pairs) = (vec![0.0; x.len()], width / 2);
    for (token, row) in x.chunks(width.max(1)).enumerate().filter(|_| width > 0) {
        for pair in 0..pairs {
            let block = width / p.axes;
            let (a, b) = match p.interleaved {
                true => (2 * pair, 2 * pair + 1),
                false => {
                    let (own, i) = (pair / (block / 2), pair % (block / 2));
                    (own * block + i, own * block + block / 2 + i)
                }
            };
            let at = token % positions * pairs + pair;
            let (re, im) = (table[at], if back { -1.0 } else { 1.0 } * table[positions * pairs + at]);
            y[token * width + a] = row[a] * re - row[b] * im;
            y[token * width + b] = row[a] * im + row[b] * re;
        }
    }
    y
}

#[test]
fn turning_is_complex_multiplication_over_paths_strides_and_guard_pages() {
    for (shape, axes) in SHAPES {
        for (interleaved, back) in [(false, false), (true, false), (false, true), (true, true)] {
            let p = Rope { axes, interleaved };
            let count: usize = shape.iter().product();
            let (t64, t32) = table(shape[shape.len() - 2], shape[shape.len() - 1] / 2);
            let tl = row_major(&[2, shape[shape.len() - 2], shape[shape.len() - 1] / 2]);
            let x: Vec<f32> = singles(3, count);
            let exact: Vec<f64> = t32.iter().map(|&x| f64::from(x)).collect();
            let want = want(&p, back, &x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), shape, &exact);
            for device in devices() {
                for edge in [Edge::Start, Edge::End] {
                    let (xs, ts) = (Guarded::new(&x, edge), Guarded::new(&t32, edge));
                    let mut y = Guarded::new(&vec![f32::NAN; count], edge);
                    let (xv, tv) = (View::of(&xs, row_major(shape)).unwrap(), View::of(&ts, tl).unwrap());
                    rotate(&device, &p, back, xv, tv, ViewMut::of(&mut y, row_major(shape)).unwrap()).unwrap();
                    for (got, want) in y.iter().zip(&want) {
                        assert!((f64::from(*got) - want).abs() < 4e-7, "{}: {got}, {want}", name(&device));
                    }
                    // Tokens outside heads, as projections give them, into row-major.
                    if let &[b, h, s, e] = shape {
                        let mut turned = vec![f32::NAN; count];
                        let from = Layout::in_order(Dims::new(&[b, h, s, e]).unwrap(), &[0, 2, 1, 3]);
                        let mut apart = vec![0.0f32; count];
                        for (i, x) in x.iter().enumerate() {
                            let (sample, head, token, n) = (i / (h * s * e), i / (s * e) % h, i / e % s, i % e);
                            apart[((sample * s + token) * h + head) * e + n] = *x;
                        }
                        let (xv, yv) =
                            (View::of(&apart, from).unwrap(), ViewMut::of(&mut turned, row_major(shape)).unwrap());
                        rotate(&device, &p, back, xv, tv, yv).unwrap();
                        assert_eq!(turned[..], y[..], "{}", name(&device));
                    }
                }
            }
            let (x64, mut y64) = (x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), vec![f64::NAN; count]);
            let (xv, tv) = (View::of(&x64, row_major(shape)).unwrap(), View::of(&t64, tl).unwrap());
            let device = devices().next().unwrap();
            rotate(&device, &p, back, xv, tv, ViewMut::of(&mut y64, row_major(shape)).unwrap()).unwrap();
            assert!(y64.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}

#[test]
fn what_is_not_taken_is_said() {
    let device = devices().next().unwrap();
    let (x, mut y, table) = ([0.0f32; 24], [0.0f32; 24], [0.0f32; 24]);
    let mut said = |p: Rope, shape: &[usize], table_shape: &[usize]| {
        let (x, t) = (View::of(&x, row_major(shape)).unwrap(), View::of(&table, row_major(table_shape)).unwrap());
        rotate(&device, &p, false, x, t, ViewMut::of(&mut y, row_major(shape)).unwrap()).unwrap_err().to_string()
    };
    assert!(said(Rope::default(), &[8, 3], &[2, 8, 1]).contains("3 numbers"));
    assert!(said(Rope { axes: 2, interleaved: false }, &[4, 6], &[2, 4, 3]).contains("2 blocks"));
    assert!(said(Rope::default(), &[3, 8], &[2, 3, 3]).contains("expected [2, 3, 4]"));
    assert!(said(Rope::default(), &[8], &[2, 1, 4]).contains("no axes"));
}
