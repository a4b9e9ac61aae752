//! f32 products on every path against f64 ones, over shapes, strides, batches and threads.

use super::*;
use crate::Dims;
use crate::testing::*;

/// Strides of `[.., rows, columns]`: as it lies, transposed, with gaps, one row for all.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Plain,
    Transposed,
    Gaps,
    OneForAll,
}
use Order::*;

fn layout(shape: &[usize], order: Order) -> Layout {
    let rank = shape.len();
    let mut axes: Vec<usize> = (0..rank).collect();
    let mut layout = row_major(shape);
    match order {
        Plain => {}
        Transposed => {
            axes.swap(rank - 1, rank - 2);
            layout = Layout::in_order(layout.shape, &axes);
        }
        Gaps => {
            layout.strides.iter_mut().for_each(|stride| *stride *= 3);
            layout.offset = 5;
        }
        OneForAll => layout.strides[..rank - 2].fill(0),
    }
    layout
}

struct Case {
    a: Layout,
    b: Layout,
    bias: bool,
}

fn case(a: (&[usize], Order), b: (&[usize], Order), bias: bool) -> Case {
    Case { a: layout(a.0, a.1), b: layout(b.0, b.1), bias }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (m, k, n) in [(1, 1, 1), (1, 300, 40), (7, 3, 5), (15, 16, 17), (33, 70, 31), (29, 257, 97), (3, 600, 130)] {
        for a in [Plain, Transposed, Gaps] {
            for b in [Plain, Transposed, Gaps] {
                cases.push(case((&[m, k], a), (&[k, n], b), a == b));
            }
        }
    }
    for (m, k, n) in [(0, 3, 4), (3, 0, 40), (3, 4, 0), (20, 0, 100)] {
        cases.push(case((&[m, k], Plain), (&[k, n], Plain), true));
        cases.push(case((&[2, m, k], Gaps), (&[2, k, n], Transposed), false));
    }
    cases.push(case((&[2, 3, 9, 8], Plain), (&[3, 8, 10], Transposed), true));
    cases.push(case((&[3, 17, 20], OneForAll), (&[3, 20, 33], Plain), false));
    cases.push(case((&[3, 17, 20], Transposed), (&[3, 20, 33], OneForAll), true));
    cases.push(case((&[4, 1, 17, 20], Gaps), (&[1, 5, 20, 3], Plain), true));
    cases.push(case((&[5, 2, 1, 30], Plain), (&[30, 50], Transposed), true));
    cases.push(case((&[2, 128, 128], Plain), (&[2, 128, 160], Transposed), false));
    cases.push(case((&[130, 1024], Plain), (&[1024, 40], Plain), false));
    cases
}

/// The error allowed and made, at worst over the elements, in units of the allowance.
fn worst(case: &Case, got: &[f32], a: &[f32], b: &[f32], bias: Option<&[f32]>) -> f64 {
    let product = |f: fn(f32) -> f64| {
        let wide = |x: &[f32]| x.iter().map(|&x| f(x)).collect::<Vec<f64>>();
        let (a, b, bias) = (wide(a), wide(b), bias.map(wide));
        let c = Layout::contiguous(output_shape(&case.a, &case.b).unwrap());
        let mut out = vec![0.0; c.count()];
        let row = bias.as_ref().map(|bias| View::of(bias, row_major(&[bias.len()])).unwrap());
        let (a, b) = (View::of(&a, case.a).unwrap(), View::of(&b, case.b).unwrap());
        reference::forward::<f64>(a, b, row, ViewMut::of(&mut out, c).unwrap()).unwrap();
        out
    };
    let (want, size) = (product(f64::from), product(|x| f64::from(x.abs())));
    let k = case.a.shape[case.a.rank() - 1] + 1;
    let allowed = 4.0 * (k as f64).sqrt() * f64::from(f32::EPSILON);
    let errors = got.iter().zip(&want).zip(&size);
    errors.map(|((&y, want), size)| (f64::from(y) - want).abs() / (allowed * size + 1e-300)).fold(0.0, f64::max)
}

fn run(d: &Device, case: &Case, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let c = Layout::contiguous(output_shape(&case.a, &case.b).unwrap());
    let mut out = vec![f32::NAN; c.count()];
    let row = bias.map(|bias| View::of(bias, row_major(&[bias.len()])).unwrap());
    let mut scratch = vec![0xFF; forward_scratch(d, &case.a, &case.b, DType::F32)];
    let (a, b) = (View::of(a, case.a).unwrap(), View::of(b, case.b).unwrap());
    forward(d, a, b, Epilogue::bias(row), ViewMut::of(&mut out, c).unwrap(), (&mut scratch[..]).into()).unwrap();
    out
}

#[test]
fn every_path_meets_the_bound_and_threads_change_nothing() {
    for case in cases() {
        let (a, b) = (singles(1, case.a.end()), singles(2, case.b.end()));
        let bias = case.bias.then(|| singles(3, case.b.shape[case.b.rank() - 1]));
        let mut before: Option<Vec<f32>> = None;
        for (index, d) in devices().enumerate() {
            let got = run(&d, &case, &a, &b, bias.as_deref());
            let worst = worst(&case, &got, &a, &b, bias.as_deref());
            assert!(worst <= 1.0, "{}: {:?} x {:?}: {worst} of the error allowed", name(&d), case.a, case.b);
            if index % 2 == 1 {
                assert_eq!(before.as_ref(), Some(&got), "{}: {:?} x {:?}", name(&d), case.a, case.b);
            }
            before = Some(got);
        }
    }
}

#[test]
fn nothing_is_touched_beyond_the_operands() {
    for case in cases() {
        let bias: Vec<f32> = singles(3, case.b.shape[case.b.rank() - 1]);
        for edge in [Edge::Start, Edge::End] {
            let a = Guarded::new(&singles(1, case.a.end()), edge);
            let b = Guarded::new(&singles(2, case.b.end()), edge);
            let bias = Guarded::new(&bias, edge);
            let c = Layout::contiguous(output_shape(&case.a, &case.b).unwrap());
            for d in devices() {
                let mut out = Guarded::new(&vec![f32::NAN; c.count()], edge);
                let mut scratch = Guarded::new(&vec![0xFFu8; forward_scratch(&d, &case.a, &case.b, DType::F32)], edge);
                let row = Some(View::of(&bias, row_major(&[bias.len()])).unwrap());
                let (a, b) = (View::of(&a, case.a).unwrap(), View::of(&b, case.b).unwrap());
                forward(&d, a, b, Epilogue::bias(row), ViewMut::of(&mut out, c).unwrap(), (&mut scratch[..]).into())
                    .unwrap();
                assert!(out.iter().all(|y| y.is_finite()));
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    for d in devices() {
        for (k, n) in [(70, 33), (600, 8)] {
            let (a, b) = (singles(1, 40 * k), singles(2, k * n));
            let all = run(&d, &case((&[40, k], Plain), (&[k, n], Plain), false), &a, &b, None);
            for m in [1, 2, 5, 15] {
                let some = run(&d, &case((&[m, k], Plain), (&[k, n], Plain), false), &a[3 * k..], &b, None);
                assert_eq!(some, all[3 * n..(3 + m) * n], "{}: {m} of 40 rows", name(&d));
            }
        }
    }
}

#[test]
fn packed_gives_the_same_bits() {
    for d in devices() {
        for (order, shape) in [(Plain, [2usize, 9, 40]), (Transposed, [2, 30, 40]), (Gaps, [3, 1, 300])] {
            let (k, n) = (shape[2], 37);
            let case = Case { a: layout(&shape, order), b: layout(&[k, n], Transposed), bias: true };
            let (a, b, bias) = (singles(1, case.a.end()), singles(2, case.b.end()), singles(3, n));
            let want = run(&d, &case, &a, &b, Some(&bias));
            let mut packed = vec![f32::NAN; packed_len(k, n)];
            pack(&d, View::of(&b, case.b).unwrap(), &mut packed).unwrap();
            let mut got = vec![f32::NAN; want.len()];
            let c = ViewMut::of(&mut got, row_major(&[shape[0], shape[1], n])).unwrap();
            let bias = View::of(&bias, row_major(&[n])).unwrap();
            forward_packed(&d, View::of(&a, case.a).unwrap(), &packed, n, Epilogue::bias(Some(bias)), c).unwrap();
            assert_eq!(got, want, "{}: {order:?}", name(&d));
        }
    }
}

#[test]
fn nothing_is_touched_beyond_packed_operands() {
    for (order, shape) in [(Plain, [2usize, 9, 40]), (Transposed, [2, 30, 40]), (Gaps, [3, 1, 300]), (Plain, [1, 5, 3])]
    {
        for (n, edge) in [1, 8, 37].into_iter().flat_map(|n| [(n, Edge::Start), (n, Edge::End)]) {
            let k = shape[2];
            let (al, bl) = (layout(&shape, order), layout(&[k, n], Transposed));
            let guard = |data: &[f32]| Guarded::new(data, edge);
            let (a, b, bias) = (guard(&singles(1, al.end())), guard(&singles(2, bl.end())), guard(&singles(3, n)));
            for d in devices() {
                let (mut packed, mut c) =
                    (guard(&vec![f32::NAN; packed_len(k, n)]), guard(&vec![f32::NAN; shape[0] * shape[1] * n]));
                pack(&d, View::of(&b, bl).unwrap(), &mut packed).unwrap();
                let to = ViewMut::of(&mut c, row_major(&[shape[0], shape[1], n])).unwrap();
                let row = Some(View::of(&bias, row_major(&[n])).unwrap());
                forward_packed(&d, View::of(&a, al).unwrap(), &packed, n, Epilogue::bias(row), to).unwrap();
                assert!(c.iter().all(|y| y.is_finite()), "{}: {order:?}", name(&d));
            }
        }
    }
}

/// 10^5 products of one sign, whose sum grows all the way.
#[test]
fn a_long_sum_is_more_accurate_than_a_chain() {
    let (m, k, n) = (5, 100_000, 20);
    let positive = |seed, count| singles(seed, count).into_iter().map(f32::abs).collect::<Vec<f32>>();
    let (a, b) = (positive(1, m * k), positive(2, k * n));
    for order in [Plain, Transposed] {
        let case = case((&[m, k], order), (&[k, n], Plain), false);
        let mut chain = vec![0.0f32; m * n];
        for (p, i, j) in (0..k).flat_map(|p| (0..m * n).map(move |at| (p, at / n, at % n))) {
            let x = &mut chain[i * n + j];
            *x = f32::mul_add(a[i * case.a.strides[0] + p * case.a.strides[1]], b[p * n + j], *x);
        }
        let error = worst(&case, &chain, &a, &b, None);
        for d in devices() {
            let got = worst(&case, &run(&d, &case, &a, &b, None), &a, &b, None);
            assert!(got < error / 8.0, "{}, {order:?}: {got:.1e}, a chain {error:.1e}", name(&d));
        }
    }
}

#[test]
fn agrees_with_the_gemm_crate() {
    let (m, k, n) = (150, 333, 70);
    let (a, b) = (singles(1, m * k), singles(2, k * n));
    let mut want = vec![0.0f32; m * n];
    let (sa, sb, sc) = (k as isize, n as isize, n as isize);
    // SAFETY: three dense row-major matrices.
    unsafe {
        let (c, a, b) = (want.as_mut_ptr(), a.as_ptr(), b.as_ptr());
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            sc,
            false,
            a,
            1,
            sa,
            b,
            1,
            sb,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    for d in devices() {
        let got = run(&d, &case((&[m, k], Plain), (&[k, n], Plain), false), &a, &b, None);
        assert!(got.iter().zip(&want).all(|(x, y)| (x - y).abs() < 1e-4), "{}", name(&d));
    }
}

#[test]
fn a_result_with_gaps_between_its_matrices_is_left_alone_there() {
    let (a, b) = (singles(1, 2 * 5 * 4), singles(2, 4 * 3));
    let gaps = Layout { shape: Dims::new(&[2, 5, 3]).unwrap(), strides: Dims::new(&[40, 3, 1]).unwrap(), offset: 2 };
    for d in devices() {
        let want = run(&d, &case((&[2, 5, 4], Plain), (&[4, 3], Plain), false), &a, &b, None);
        let mut out = vec![7.0; gaps.end() + 3];
        let mut scratch = vec![0; forward_scratch(&d, &row_major(&[2, 5, 4]), &row_major(&[4, 3]), DType::F32)];
        let (a, b) = (View::of(&a, row_major(&[2, 5, 4])).unwrap(), View::of(&b, row_major(&[4, 3])).unwrap());
        forward(&d, a, b, Epilogue::default(), ViewMut::of(&mut out, gaps).unwrap(), (&mut scratch[..]).into())
            .unwrap();
        assert_eq!((&out[2..17], &out[42..57]), (&want[..15], &want[15..]));
        assert!(out[..2].iter().chain(&out[17..42]).chain(&out[57..]).all(|&x| x == 7.0));
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let d = devices().next().unwrap();
    let data = [0.0f32; 64];
    let mut out = [0.0f32; 64];
    let view = |shape: &[usize]| View::of(&data, row_major(shape)).unwrap();
    let mut said = |a: &[usize], b: &[usize], bias: Option<&[usize]>, c: Layout| {
        let c = ViewMut::of(&mut out, c).unwrap();
        forward(&d, view(a), view(b), Epilogue::bias(bias.map(view)), c, (&mut [][..]).into()).unwrap_err().to_string()
    };
    assert!(said(&[2, 3], &[4, 5], None, row_major(&[2, 5])).contains("[2, 3] does not multiply [4, 5]"));
    assert!(said(&[3], &[3, 5], None, row_major(&[5])).contains("does not multiply"));
    assert!(said(&[2, 3], &[3, 5], None, row_major(&[5, 2])).contains("is [2, 5], not [5, 2]"));
    let huge = Layout { strides: Dims::filled(2, 0), ..row_major(&[1 << 40, 1 << 30]) };
    let (a, b) = (Layout { shape: Dims::new(&[1, 1 << 40]).unwrap(), ..huge }, huge);
    assert_eq!(forward_scratch(&d, &a, &b, DType::F32), 0);
    assert!(said(&[2, 3], &[3, 5], Some(&[4]), row_major(&[2, 5])).contains("the bias is [4], expected [5]"));
    assert!(said(&[2, 3], &[3, 5], None, layout(&[2, 5], Transposed)).contains("row-major"));
    assert!(said(&[2, 3], &[3, 5], None, row_major(&[2, 5])).contains("too small"));
}
