//! f32 convolutions and gradients on every path against f64 ones, over shapes, parameters, batches and threads.

use super::*;
use crate::testing::*;

#[derive(Clone, Copy, Debug)]
struct Case {
    p: Conv,
    x: Layout,
    w: Layout,
    y: Layout,
}

fn case(p: Conv, x: [usize; 4], w: [usize; 4]) -> Case {
    let y = p.output_shape(&x, &w).unwrap();
    Case { p, x: channels_last(&x), w: row_major(&w), y: Layout::channels_last(y) }
}

fn cases() -> Vec<Case> {
    let same = Conv::padded(1);
    let (one, free) = (Conv::default(), Conv::default());
    let down = Conv { stride: [2, 2], padding: [[0, 1], [0, 1]], ..one };
    let odd = Conv { stride: [2, 3], padding: [[1, 2], [0, 1]], dilation: [2, 1], groups: 1 };
    let mut cases = vec![
        case(same, [2, 32, 28, 28], [32, 32, 3, 3]),
        case(same, [3, 20, 7, 7], [40, 20, 3, 3]),
        case(same, [2, 1, 9, 11], [32, 1, 3, 3]),
        case(same, [2, 3, 9, 11], [16, 3, 3, 3]),
        case(same, [2, 33, 5, 6], [1, 33, 3, 3]),
        case(same, [1, 18, 5, 6], [3, 18, 3, 3]),
        case(same, [1, 64, 4, 4], [70, 64, 3, 3]),
        case(same, [3, 33, 7, 5], [35, 33, 3, 3]),
        case(one, [2, 32, 6, 9], [48, 32, 3, 3]),
        case(Conv { padding: [[0, 2], [3, 1]], ..one }, [1, 40, 5, 4], [32, 40, 3, 3]),
        case(Conv::padded(4), [1, 32, 1, 2], [32, 32, 3, 3]),
        case(one, [3, 17, 5, 4], [35, 17, 1, 1]),
        case(free, [2, 5, 6, 7], [9, 5, 3, 2]),
        case(Conv { stride: [2, 2], ..one }, [2, 8, 6, 7], [12, 8, 1, 1]),
        case(down, [2, 16, 14, 14], [16, 16, 3, 3]),
        case(Conv { stride: [2, 2], ..same }, [2, 8, 7, 9], [8, 8, 3, 3]),
        case(Conv { dilation: [2, 3], ..Conv::padded(3) }, [2, 6, 9, 8], [6, 6, 3, 3]),
        case(Conv { dilation: [1, 2], ..Conv::padded(2) }, [1, 6, 9, 8], [33, 6, 3, 3]),
        case(odd, [2, 7, 11, 10], [10, 7, 4, 2]),
        case(Conv { groups: 2, ..odd }, [2, 8, 11, 10], [10, 4, 4, 2]),
        case(Conv { stride: [4, 4], ..one }, [2, 3, 9, 8], [24, 3, 4, 4]),
        case(Conv { stride: [3, 3], ..one }, [1, 2, 8, 7], [4, 2, 1, 1]),
        case(Conv { groups: 2, ..same }, [2, 8, 6, 5], [38, 4, 3, 3]),
        case(Conv { groups: 6, ..same }, [2, 6, 6, 5], [6, 1, 3, 3]),
        case(Conv { groups: 3, ..down }, [1, 6, 6, 6], [9, 2, 3, 3]),
        case(Conv::padded(4), [1, 2, 2, 3], [3, 2, 3, 3]),
        case(Conv { padding: [[0, 0], [2, 2]], ..one }, [2, 4, 1, 30], [8, 4, 1, 5]),
        case(same, [40, 3, 6, 6], [5, 3, 3, 3]),
        case(same, [0, 3, 6, 6], [5, 3, 3, 3]),
        case(same, [2, 0, 6, 6], [5, 0, 3, 3]),
        case(same, [2, 3, 6, 6], [0, 3, 3, 3]),
        case(Conv::padded(1), [1, 2, 0, 4], [3, 2, 2, 2]),
    ];
    let last = cases[12];
    cases.push(Case { w: Layout::channels_last(last.w.shape), ..last });
    cases
}

struct Results {
    y: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
}

fn run(d: &Device, case: &Case, x: &[f32], w: &[f32], g: &[f32], bias: &[f32]) -> Results {
    let Case { p, x: xl, w: wl, y: yl } = *case;
    let (mut y, mut dx, mut dw) = (vec![f32::NAN; g.len()], vec![f32::NAN; x.len()], vec![f32::NAN; w.len()]);
    let (xv, wv, gv) = (View::of(x, xl).unwrap(), View::of(w, wl).unwrap(), View::of(g, yl).unwrap());
    let bias = View::of(bias, row_major(&[bias.len()])).unwrap();
    let dirty = |len| vec![0xFFu8; len];
    let mut scratch = dirty(forward_scratch(d, &p, &xl, &wl, DType::F32));
    forward(d, &p, xv, wv, Epilogue::bias(Some(bias)), ViewMut::of(&mut y, yl).unwrap(), (&mut scratch[..]).into())
        .unwrap();
    let mut scratch = dirty(input_gradient_scratch(d, &p, &xl, &wl, DType::F32));
    input_gradient(d, &p, gv, wv, ViewMut::of(&mut dx, xl).unwrap(), (&mut scratch[..]).into()).unwrap();
    let mut scratch = dirty(weight_gradient_scratch(d, &p, &xl, &wl, DType::F32));
    weight_gradient(d, &p, xv, gv, ViewMut::of(&mut dw, wl).unwrap(), (&mut scratch[..]).into()).unwrap();
    Results { y, dx, dw }
}

/// The same in f64, of the numbers or of their sizes.
fn reference(case: &Case, f: fn(f32) -> f64, x: &[f32], w: &[f32], g: &[f32], bias: &[f32]) -> [Vec<f64>; 3] {
    let Case { p, x: xl, w: wl, y: yl } = *case;
    let [x, w, g, bias] = [x, w, g, bias].map(|from| from.iter().map(|&v| f(v)).collect::<Vec<f64>>());
    let (mut y, mut dx, mut dw) = (g.clone(), x.clone(), w.clone());
    let (xv, wv, gv) = (View::of(&x, xl).unwrap(), View::of(&w, wl).unwrap(), View::of(&g, yl).unwrap());
    let bias = View::of(&bias, row_major(&[bias.len()])).unwrap();
    super::reference::forward::<f64>(&p, xv, wv, Some(bias), ViewMut::of(&mut y, yl).unwrap()).unwrap();
    super::reference::input_gradient::<f64>(&p, gv, wv, ViewMut::of(&mut dx, xl).unwrap()).unwrap();
    super::reference::weight_gradient::<f64>(&p, xv, gv, ViewMut::of(&mut dw, wl).unwrap()).unwrap();
    [y, dx, dw]
}

fn operands(case: &Case) -> [Vec<f32>; 4] {
    let lens = [case.x.count(), case.w.count(), case.y.count(), case.w.shape[0]];
    [0, 1, 2, 3].map(|i| singles(i as u64 + 1, lens[i]))
}

#[test]
fn every_path_meets_the_bound_and_threads_change_nothing() {
    for case in cases() {
        let [x, w, g, bias] = operands(&case);
        let want = reference(&case, f64::from, &x, &w, &g, &bias);
        let size = reference(&case, |v| f64::from(v.abs()), &x, &w, &g, &bias);
        let taps = case.w.shape[2] * case.w.shape[3];
        let pixels = case.y.shape[0] * case.y.shape[2] * case.y.shape[3];
        let products = [taps * case.w.shape[1] + 1, taps * case.w.shape[0] / case.p.groups, pixels];
        let mut before: Option<Results> = None;
        for (index, d) in devices().enumerate() {
            let got = run(&d, &case, &x, &w, &g, &bias);
            for (which, got) in [&got.y, &got.dx, &got.dw].into_iter().enumerate() {
                let allowed = 4.0 * (products[which].max(1) as f64).sqrt() * f64::from(f32::EPSILON);
                for (i, &value) in got.iter().enumerate() {
                    let (want, bound) = (want[which][i], allowed * size[which][i] + 1e-300);
                    let error = (f64::from(value) - want).abs();
                    assert!(error <= bound, "{}: {case:?}: result {which}[{i}] = {value}, {want}", name(&d));
                }
            }
            if let Some(before) = before.as_ref().filter(|_| index % 2 == 1) {
                assert!(before.y == got.y && before.dx == got.dx && before.dw == got.dw, "{}: {case:?}", name(&d));
            }
            before = Some(got);
        }
    }
}

#[test]
fn packed_weights_and_a_batch_give_the_same_bits() {
    for case in cases() {
        let [x, w, g, bias] = operands(&case);
        let Case { p, x: xl, w: wl, y: yl } = case;
        let Some(last) = xl.shape[0].checked_sub(1) else { continue };
        let one = |layout: &Layout| {
            let mut shape = layout.shape;
            shape[0] = 1;
            Layout::channels_last(shape)
        };
        let alone = Case { x: one(&xl), y: one(&yl), ..case };
        let (x1, g1) = (&x[last * alone.x.count()..], &g[last * alone.y.count()..]);
        for d in devices() {
            let all = run(&d, &case, &x, &w, &g, &bias);
            let single = run(&d, &alone, x1, &w, g1, &bias);
            assert_eq!(single.y, all.y[last * alone.y.count()..], "{}: {case:?}", name(&d));
            assert_eq!(single.dx, all.dx[last * alone.x.count()..], "{}: {case:?}", name(&d));

            let shape = [wl.shape[0], wl.shape[1], wl.shape[2], wl.shape[3]];
            let packed = |role| {
                let mut data = vec![f32::NAN; packed_len(&p, role, &wl)];
                pack(&d, &p, role, View::of(&w, wl).unwrap(), &mut data).unwrap();
                data
            };
            let (mut y, mut dx) = (vec![f32::NAN; g.len()], vec![f32::NAN; x.len()]);
            let row = View::of(&bias, row_major(&[bias.len()])).unwrap();
            let data = packed(Role::Forward);
            let mut scratch = vec![0xFF; packed_scratch(&d, &p, Role::Forward, &xl, &wl)];
            let (from, to) = (View::of(&x, xl).unwrap(), ViewMut::of(&mut y, yl).unwrap());
            forward_packed(
                &d,
                &p,
                from,
                Packed { data: &data, shape },
                Epilogue::bias(Some(row)),
                to,
                (&mut scratch[..]).into(),
            )
            .unwrap();
            assert_eq!(y, all.y, "{}: {case:?}", name(&d));
            let data = packed(Role::InputGradient);
            let mut scratch = vec![0xFF; packed_scratch(&d, &p, Role::InputGradient, &xl, &wl)];
            let (from, to) = (View::of(&g, yl).unwrap(), ViewMut::of(&mut dx, xl).unwrap());
            input_gradient_packed(&d, &p, from, Packed { data: &data, shape }, to, (&mut scratch[..]).into()).unwrap();
            assert_eq!(dx, all.dx, "{}: {case:?}", name(&d));
        }
    }
}

/// However results share products: a number that is none reaches those that see it, and no others.
#[test]
fn a_result_depends_on_what_it_sees_alone() {
    let case = case(Conv::padded(1), [1, 32, 9, 8], [32, 32, 3, 3]);
    let [x, w, g, bias] = operands(&case);
    for d in devices() {
        let whole = run(&d, &case, &x, &w, &g, &bias).y;
        for [row, column] in [[0, 0], [3, 4], [4, 3], [8, 7]] {
            let mut x = x.clone();
            x[(row * 8 + column) * 32 + 5] = f32::NAN;
            let got = run(&d, &case, &x, &w, &g, &bias).y;
            for (i, (&got, &whole)) in got.iter().zip(&whole).enumerate() {
                let sees = (i / 256).abs_diff(row) <= 1 && (i / 32 % 8).abs_diff(column) <= 1;
                assert!(if sees { got.is_nan() } else { got == whole }, "{}: {row}, {column}: {i}", name(&d));
            }
        }
    }
}

/// 10^5 products of one sign, whose sum grows all the way: positions of a weight gradient, of large images and of many.
#[test]
fn a_long_sum_is_more_accurate_than_a_chain() {
    for (images, size) in [(1, 320), (2000, 7)] {
        let case = case(Conv::default(), [images, 3, size, size], [5, 3, 1, 1]);
        let [x, w, g, bias] = operands(&case).map(|data| data.into_iter().map(f32::abs).collect::<Vec<f32>>());
        let want = reference(&case, f64::from, &x, &w, &g, &bias)[2].clone();
        let worst = |got: &[f32]| {
            let errors = got.iter().zip(&want).map(|(&got, want)| (f64::from(got) - want).abs() / want);
            errors.fold(0.0, f64::max)
        };
        let chain: Vec<f32> = (0..15)
            .map(|at| x.chunks(3).zip(g.chunks(5)).fold(0.0, |sum, (x, g)| f32::mul_add(x[at % 3], g[at / 3], sum)))
            .collect();
        for d in devices() {
            let got = worst(&run(&d, &case, &x, &w, &g, &bias).dw);
            assert!(got < worst(&chain) / 8.0, "{}: {got:.1e}, a chain {:.1e}", name(&d), worst(&chain));
        }
    }
}

#[test]
fn nothing_is_touched_beyond_the_operands() {
    for case in cases() {
        let [x, w, g, bias] = operands(&case);
        let Case { p, x: xl, w: wl, y: yl } = case;
        for edge in [Edge::Start, Edge::End] {
            let guard = |data: &[f32]| Guarded::new(data, edge);
            let dirty = |len| Guarded::new(&vec![0xFFu8; len], edge);
            let (xg, wg, gg, bg) = (guard(&x), guard(&w), guard(&g), guard(&bias));
            let (xv, wv, gv) = (View::of(&xg, xl).unwrap(), View::of(&wg, wl).unwrap(), View::of(&gg, yl).unwrap());
            let bias = View::of(&bg, row_major(&[bias.len()])).unwrap();
            for d in devices() {
                let (mut y, mut dx, mut dw) = (guard(&g), guard(&x), guard(&w));
                let mut scratch = dirty(forward_scratch(&d, &p, &xl, &wl, DType::F32));
                forward(
                    &d,
                    &p,
                    xv,
                    wv,
                    Epilogue::bias(Some(bias)),
                    ViewMut::of(&mut y, yl).unwrap(),
                    (&mut scratch[..]).into(),
                )
                .unwrap();
                let mut scratch = dirty(input_gradient_scratch(&d, &p, &xl, &wl, DType::F32));
                input_gradient(&d, &p, gv, wv, ViewMut::of(&mut dx, xl).unwrap(), (&mut scratch[..]).into()).unwrap();
                let mut scratch = dirty(weight_gradient_scratch(&d, &p, &xl, &wl, DType::F32));
                weight_gradient(&d, &p, xv, gv, ViewMut::of(&mut dw, wl).unwrap(), (&mut scratch[..]).into()).unwrap();
                assert!(y.iter().chain(dx.iter()).chain(dw.iter()).all(|v| v.is_finite()));

                let (mut y, mut dx) = (guard(&vec![f32::NAN; g.len()]), guard(&vec![f32::NAN; x.len()]));
                let pack = |role| {
                    let mut data = guard(&vec![f32::NAN; packed_len(&p, role, &wl)]);
                    pack(&d, &p, role, wv, &mut data).unwrap();
                    (data, dirty(packed_scratch(&d, &p, role, &xl, &wl)))
                };
                let shape = [wl.shape[0], wl.shape[1], wl.shape[2], wl.shape[3]];
                let (data, mut scratch) = pack(Role::Forward);
                let (w, to) = (Packed { data: &data, shape }, ViewMut::of(&mut y, yl).unwrap());
                forward_packed(&d, &p, xv, w, Epilogue::bias(Some(bias)), to, (&mut scratch[..]).into()).unwrap();
                let (data, mut scratch) = pack(Role::InputGradient);
                let (w, to) = (Packed { data: &data, shape }, ViewMut::of(&mut dx, xl).unwrap());
                input_gradient_packed(&d, &p, gv, w, to, (&mut scratch[..]).into()).unwrap();
                assert!(y.iter().chain(dx.iter()).all(|v| v.is_finite()));
            }
        }
    }
}

#[test]
fn what_is_not_taken_is_said() {
    let d = devices().next().unwrap();
    let (x, w, mut y) = ([0.0f32; 64], [0.0f32; 36], [0.0f32; 64]);
    let p = Conv::padded(1);
    let mut said = |xl: Layout, wl: Layout, yl: Layout, scratch: usize| {
        let (x, w, y) = (View::of(&x, xl).unwrap(), View::of(&w, wl).unwrap(), ViewMut::of(&mut y, yl).unwrap());
        forward(&d, &p, x, w, Epilogue::default(), y, (&mut vec![0; scratch][..]).into()).unwrap_err().to_string()
    };
    let (image, kernel) = (channels_last(&[1, 2, 4, 4]), row_major(&[2, 2, 3, 3]));
    assert!(
        said(row_major(&[1, 2, 4, 4]), kernel, image, 1 << 20).contains("the input must be dense and channels last")
    );
    assert!(said(image, kernel, channels_last(&[1, 2, 4, 3]), 1 << 20).contains("not [1, 2, 4, 3]"));
    assert!(said(image, kernel, image, 100).contains("too small"));
    let repeated = Layout { strides: crate::Dims::new(&[0, 9, 3, 1]).unwrap(), ..kernel };
    let dw = ViewMut::of(&mut y, repeated).unwrap();
    let views = (View::of(&x, image).unwrap(), View::of(&x, image).unwrap());
    let said = weight_gradient(&d, &p, views.0, views.1, dw, (&mut [][..]).into()).unwrap_err().to_string();
    assert!(said.contains("free of repeats"));
}
