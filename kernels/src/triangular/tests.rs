//! Solutions against the product that gives back the right side, on every path, over strides, batches and threads.

use super::*;
use crate::testing::*;
use crate::{Dims, Element};

/// Triangles with a diagonal of 1 to 2; above it NaN, which nobody reads.
pub(crate) fn triangles(count: usize, size: usize) -> Vec<f64> {
    let mut l = numbers(4, count * size * size);
    for (e, x) in l.iter_mut().enumerate() {
        let (i, j) = (e / size % size, e % size);
        *x = match i.cmp(&j) {
            std::cmp::Ordering::Less => f64::NAN,
            std::cmp::Ordering::Equal => 1.5 + 0.5 * *x,
            std::cmp::Ordering::Greater => *x / size as f64,
        };
    }
    l
}

fn run<T: Element + Default>(d: &Device, transposed: bool, l: (&[T], Layout), b: (&[T], Layout), x: Layout) -> Vec<T> {
    let (lower, right) = (Guarded::new(l.0, Edge::End), Guarded::new(b.0, Edge::Start));
    let mut to = Guarded::new(&vec![T::default(); x.end()], Edge::End);
    let (lower, right) = (View::of(&lower, l.1).unwrap(), View::of(&right, b.1).unwrap());
    solve(d, transposed, lower, right, ViewMut::of(&mut to, x).unwrap()).unwrap();
    to.to_vec()
}

#[test]
fn the_triangle_times_the_solution_is_the_right_side() {
    for (count, size, sides) in
        [(1, 1, 1), (2, 3, 1), (3, 7, 5), (2, 33, 17), (1, 128, 40), (0, 3, 2), (2, 0, 3), (1, 4, 0)]
    {
        let l64 = triangles(count, size);
        let (lower, right) = ([count, size, size], [count, size, sides]);
        let b64 = numbers(7, right.iter().product());
        let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
        for (transposed, turned) in [(false, false), (true, false), (false, true), (true, true)] {
            let order = |shape: &[usize; 3]| match turned {
                false => row_major(shape),
                true => Layout::in_order(Dims::new(shape).unwrap(), &[0, 2, 1]),
            };
            let (ll, bl) = (order(&lower), order(&right));
            // The numbers above the diagonal lie elsewhere when turned: those that are read are those of `at`.
            let lp = places(&ll);
            let mut l = vec![f64::NAN; ll.end()];
            lp.iter().enumerate().for_each(|(e, &place)| l[place] = l64[e]);
            let mut b = vec![f64::NAN; bl.end()];
            places(&bl).iter().enumerate().for_each(|(e, &place)| b[place] = b64[e]);
            let mut bits = None;
            for device in devices() {
                let at = |x: &[f64]| places(&bl).iter().map(|&place| x[place]).collect::<Vec<_>>();
                let x = at(&run::<f64>(&device, transposed, (&l, ll), (&b, bl), bl));
                let x32 = run::<f32>(&device, transposed, (&narrow(&l), ll), (&narrow(&b), bl), bl);
                let single = at(&x32.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
                for (e, want) in b64.iter().enumerate() {
                    let (matrix, i, j) = (e / (size * sides), e / sides % size, e % sides);
                    let own = |k: usize| {
                        if transposed {
                            l64[(matrix * size + k) * size + i]
                        } else {
                            l64[(matrix * size + i) * size + k]
                        }
                    };
                    let range = if transposed { i..size } else { 0..i + 1 };
                    let product: f64 = range.map(|k| own(k) * x[(matrix * size + k) * sides + j]).sum();
                    assert!((product - want).abs() <= 1e-13, "{}: {product}, {want}", name(&device));
                    let allowed = 4.0 * (size as f64).sqrt() * f64::from(f32::EPSILON) * 8.0;
                    assert!((single[e] - x[e]).abs() <= allowed, "{}: {}, {}", name(&device), single[e], x[e]);
                }
                assert_eq!(*bits.get_or_insert(x32.clone()), x32, "{}: bits", name(&device));
            }
        }
    }
}

#[test]
fn one_triangle_serves_a_batch_and_a_right_side_does_not_know_the_others() {
    let (device, l) = (devices().last().unwrap(), triangles(1, 9));
    let b = numbers(8, 4 * 9 * 21);
    let all =
        run::<f64>(&device, false, (&l, row_major(&[9, 9])), (&b, row_major(&[4, 9, 21])), row_major(&[4, 9, 21]));
    for (matrix, column) in [(0, 0), (1, 15), (3, 20)] {
        let one = Layout {
            offset: matrix * 9 * 21 + column,
            ..Layout { shape: Dims::new(&[9, 1]).unwrap(), strides: Dims::new(&[21, 1]).unwrap(), offset: 0 }
        };
        let x = run::<f64>(&device, false, (&l, row_major(&[9, 9])), (&b, one), row_major(&[9, 1]));
        assert!((0..9).all(|i| x[i] == all[(matrix * 9 + i) * 21 + column]));
    }
}

#[test]
fn the_lower_triangle() {
    let device = devices().next().unwrap();
    let x: Vec<f32> = (1..=12).map(|x| x as f32).collect();
    for (layout, want) in [
        (row_major(&[2, 2, 3]), [0.5, 0.0, 0.0, 4.0, 2.5, 0.0, 3.5, 0.0, 0.0, 10.0, 5.5, 0.0]),
        (
            Layout::in_order(Dims::new(&[2, 2, 3]).unwrap(), &[0, 2, 1]),
            [0.5, 0.0, 0.0, 2.0, 2.0, 0.0, 3.5, 0.0, 0.0, 8.0, 5.0, 0.0],
        ),
    ] {
        let mut y = [f32::NAN; 12];
        lower(&device, 0.5, View::of(&x, layout).unwrap(), ViewMut::of(&mut y, row_major(&[2, 2, 3])).unwrap())
            .unwrap();
        assert_eq!(y, want);
    }
}

#[test]
fn what_is_not_taken_is_said() {
    let device = devices().next().unwrap();
    let (l, b, mut x) = ([1.0f32; 64], [0.0f32; 64], [0.0f32; 64]);
    let mut said = |lower: &[usize], right: &[usize], to: &[usize]| {
        let (l, b) = (View::of(&l, row_major(lower)).unwrap(), View::of(&b, row_major(right)).unwrap());
        solve(&device, false, l, b, ViewMut::of(&mut x, row_major(to)).unwrap()).unwrap_err().to_string()
    };
    assert!(said(&[2, 3], &[2, 1], &[2, 1]).contains("2 by 3, expected 2 by 2"));
    assert!(said(&[3, 3], &[2, 1], &[2, 1]).contains("b is 2 by 1, expected 3 by 1"));
    assert!(said(&[3, 3], &[3, 2], &[3, 1]).contains("x is 3 by 1, expected 3 by 2"));
    assert!(said(&[2, 3, 3], &[3, 2], &[3, 2]).contains("does not repeat"));
}
