//! Oracle: the f64 path, which is the definition. Its own witness: central differences.

use super::*;
use crate::testing::*;
use crate::{Dims, Real};

/// `[b, h, s, t, e, f]`
type Shape = [usize; 6];

const SHAPES: [Shape; 12] = [
    [1, 1, 1, 1, 1, 1],
    [2, 3, 49, 49, 8, 8],
    [1, 2, 100, 130, 32, 32],
    [2, 1, 33, 7, 20, 5],
    [1, 2, 5, 77, 3, 40],
    [1, 1, 31, 57, 65, 70],
    [0, 2, 3, 4, 5, 6],
    [2, 2, 0, 4, 5, 6],
    [2, 2, 3, 0, 5, 6],
    [2, 2, 3, 4, 0, 6],
    [2, 2, 3, 4, 5, 0],
    [3, 2, 16, 56, 16, 16],
];

/// How `[b, h, s, e]` lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    RowMajor,
    /// A view of `[b, s, h e]`.
    HeadsInside,
}

fn layout(order: Order, sizes: [usize; 4]) -> Layout {
    match order {
        Order::RowMajor => row_major(&sizes),
        Order::HeadsInside => Layout::in_order(Dims::new(&sizes).unwrap(), &[0, 2, 1, 3]),
    }
}

/// The layouts of q, k, v, out and lse.
fn layouts(order: Order, [b, h, s, t, e, f]: Shape) -> [Layout; 5] {
    let of = |positions, width| layout(order, [b, h, positions, width]);
    [of(s, e), of(t, e), of(t, f), of(s, f), row_major(&[b, h, s])]
}

/// q, k, v and the cotangent of out.
fn operands<T: Real>(order: Order, shape: Shape, spread: f64) -> [Vec<T>; 4] {
    let all = layouts(order, shape);
    std::array::from_fn(|i| {
        let spread = if i == 0 { spread } else { 1.0 };
        numbers(i as u64 + 1, all[i].count()).iter().map(|x| T::from_f64(f64::from((spread * x) as f32))).collect()
    })
}

#[derive(Debug, PartialEq)]
struct Results<T> {
    out: Vec<T>,
    lse: Vec<T>,
    gradients: [Vec<T>; 3],
}

const ATTENTION: Attention = Attention { scale: 0.7 };

/// Both ways, all operands against guard pages. `known`: out and lse for the backward other than those of the forward.
fn run<T: Real>(
    d: &Device,
    order: Order,
    shape: Shape,
    data: &[Vec<T>; 4],
    known: Option<(&[T], &[T])>,
    edge: Edge,
) -> Results<T> {
    let all @ [ql, kl, vl, ol, ll] = layouts(order, shape);
    let blank = |layout: &Layout| Guarded::new(&vec![T::from_f64(f64::NAN); layout.count()], edge);
    let guarded: [Guarded<T>; 4] = std::array::from_fn(|i| Guarded::new(&data[i], edge));
    let [q, k, v, g] = std::array::from_fn(|i| View::of(&guarded[i], all[i]).unwrap());
    let (mut out, mut lse) = (blank(&ol), blank(&ll));
    let mut scratch = Guarded::new(&vec![255u8; forward_scratch(d, false, &ql, &kl, &vl, T::DTYPE)], edge);
    let (ov, lv) = (ViewMut::of(&mut out, ol).unwrap(), ViewMut::of(&mut lse, ll).unwrap());
    forward(d, &ATTENTION, None, q, k, v, ov, lv, (&mut scratch[..]).into()).unwrap();
    let (known_out, known_lse) = known.unwrap_or((&out, &lse));
    let (mut dq, mut dk, mut dv) = (blank(&ql), blank(&kl), blank(&vl));
    let mut scratch = Guarded::new(&vec![255u8; backward_scratch(d, false, &ql, &kl, &vl, T::DTYPE)], edge);
    backward(
        d,
        &ATTENTION,
        None,
        q,
        k,
        v,
        View::of(known_out, ol).unwrap(),
        View::of(known_lse, ll).unwrap(),
        g,
        ViewMut::of(&mut dq, ql).unwrap(),
        ViewMut::of(&mut dk, kl).unwrap(),
        ViewMut::of(&mut dv, vl).unwrap(),
        (&mut scratch[..]).into(),
    )
    .unwrap();
    Results { out: out.to_vec(), lse: lse.to_vec(), gradients: [dq.to_vec(), dk.to_vec(), dv.to_vec()] }
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Bounds for every result: `4 sqrt(K) eps` times the same sums of absolute values. Scores of error d give weights of
/// relative error d. Row-major operands.
fn bounds([b, h, s, t, e, f]: Shape, [q, k, v, g]: &[Vec<f64>; 4], want: &Results<f64>) -> Results<f64> {
    let root = |count: usize| (4.0 * (count.max(1) as f64).sqrt() + 4.0) * f64::from(f32::EPSILON);
    let mut out: Results<f64> = Results {
        out: vec![0.0; want.out.len()],
        lse: vec![0.0; want.lse.len()],
        gradients: std::array::from_fn(|i| vec![0.0; want.gradients[i].len()]),
    };
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum() };
    for (i, pair) in (0..b * h * s).map(|i| (i, i / s)) {
        let (q_row, g_row, out_row) = (&q[i * e..][..e], &g[i * f..][..f], &want.out[i * f..][..f]);
        let row = |j: usize, width: usize| (pair * t + j) * width..(pair * t + j + 1) * width;
        let inner = dot(g_row, out_row);
        for j in 0..t {
            let (k_row, v_row) = (&k[row(j, e)], &v[row(j, f)]);
            let score = ATTENTION.scale * q_row.iter().zip(k_row).map(|(a, b)| a * b).sum::<f64>();
            let weight = (score - want.lse[i]).exp();
            let relative = root(e) * ATTENTION.scale * dot(q_row, k_row) + root(t) + 90.0 * f64::from(f32::EPSILON);
            out.lse[i] = out.lse[i].max(relative + f64::from(f32::EPSILON) * want.lse[i].abs());
            let slope = ATTENTION.scale * weight * (dot(g_row, v_row) + inner) * (relative + root(f) + root(s));
            for i2 in 0..f {
                out.out[i * f + i2] += 2.0 * weight * relative * v_row[i2].abs();
                out.gradients[2][(pair * t + j) * f + i2] += weight * (relative + root(s)) * g_row[i2].abs();
            }
            for i2 in 0..e {
                out.gradients[0][i * e + i2] += slope * k_row[i2].abs();
                out.gradients[1][(pair * t + j) * e + i2] += slope * q_row[i2].abs();
            }
        }
    }
    out
}

fn near(what: &str, got: &[f32], want: &[f64], bound: &[f64], context: &str) {
    for i in 0..want.len() {
        let error = (f64::from(got[i]) - want[i]).abs();
        let fits = error <= bound[i] + 1e-37 || f64::from(got[i]) == want[i];
        assert!(fits, "{context} {what}[{i}]: {} {} ({error:e} > {:e})", got[i], want[i], bound[i]);
    }
}

#[test]
fn both_ways_are_the_reference_to_rounding() {
    for (d, shape) in devices().flat_map(|d| SHAPES.map(|shape| (d.clone(), shape))) {
        for (edge, spread) in [(Edge::Start, 1.0), (Edge::End, 1.0), (Edge::End, 30.0)] {
            let got = run::<f32>(&d, Order::RowMajor, shape, &operands(Order::RowMajor, shape, spread), None, edge);
            let wide = operands::<f64>(Order::RowMajor, shape, spread);
            // The backward is held to the definition at the out and lse it was given.
            let known = (widen(&got.out), widen(&got.lse));
            let want = run(&d, Order::RowMajor, shape, &wide, Some((&known.0, &known.1)), edge);
            let bound = bounds(shape, &wide, &want);
            let context = format!("{} {shape:?} spread {spread}:", name(&d));
            near("out", &got.out, &want.out, &bound.out, &context);
            near("lse", &got.lse, &want.lse, &bound.lse, &context);
            for i in 0..3 {
                let what = ["dq", "dk", "dv"][i];
                near(what, &got.gradients[i], &want.gradients[i], &bound.gradients[i], &context);
            }
        }
    }
}

/// The elements in row-major order.
fn in_order<T: Copy>(layout: &Layout, data: &[T]) -> Vec<T> {
    let nest = |index: usize| {
        let (mut rest, mut at) = (index, layout.offset);
        for axis in (0..4).rev() {
            at += rest % layout.shape[axis] * layout.strides[axis];
            rest /= layout.shape[axis];
        }
        at
    };
    (0..layout.count()).map(|index| data[nest(index)]).collect()
}

#[test]
fn heads_inside_the_width_are_only_another_view() {
    for (d, shape) in devices().flat_map(|d| SHAPES.map(|shape| (d.clone(), shape))) {
        let (inside, all) = (operands::<f32>(Order::HeadsInside, shape, 1.0), layouts(Order::HeadsInside, shape));
        let outside: [Vec<f32>; 4] = std::array::from_fn(|i| in_order(&all[i], &inside[i]));
        let got = run(&d, Order::HeadsInside, shape, &inside, None, Edge::End);
        let want = run(&d, Order::RowMajor, shape, &outside, None, Edge::End);
        assert_eq!((in_order(&all[3], &got.out), &got.lse), (want.out, &want.lse), "{} {shape:?}", name(&d));
        for i in 0..3 {
            assert_eq!(in_order(&all[i], &got.gradients[i]), want.gradients[i], "{} {shape:?}", name(&d));
        }
    }
}

#[test]
fn backward_is_the_derivative_of_forward() {
    let (d, shape, order, step) = (devices().next().unwrap(), [2, 2, 3, 4, 5, 2], Order::HeadsInside, 1e-5);
    let data = operands::<f64>(order, shape, 1.0);
    let got = run(&d, order, shape, &data, None, Edge::End);
    let value = |data: &[Vec<f64>; 4]| -> f64 {
        run(&d, order, shape, data, None, Edge::End).out.iter().zip(&data[3]).map(|(out, g)| out * g).sum()
    };
    for (operand, analytic) in got.gradients.iter().enumerate() {
        for i in 0..analytic.len() {
            let at = |delta: f64| {
                let mut data = data.clone();
                data[operand][i] += delta;
                value(&data)
            };
            let want = (at(step) - at(-step)) / (2.0 * step);
            assert!((analytic[i] - want).abs() < 1e-8, "operand {operand} [{i}]: {} {want}", analytic[i]);
        }
    }
}

#[test]
fn threads_and_batch_do_not_change_bits() {
    let shape @ [_, h, s, t, e, f] = [4, 2, 70, 90, 24, 12];
    let data = operands::<f32>(Order::RowMajor, shape, 3.0);
    let results: Vec<_> = devices().map(|d| (run(&d, Order::RowMajor, shape, &data, None, Edge::End), d)).collect();
    for pair in results.chunks(2) {
        let (all, d) = (&pair[0].0, &pair[1].1);
        assert!(*all == pair[1].0, "{}", name(d));
        let each = [h * s * e, h * t * e, h * t * f, h * s * f];
        let of = |data: &[f32], each: usize| data[2 * each..3 * each].to_vec();
        let alone = std::array::from_fn(|i| of(&data[i], each[i]));
        let got = run(d, Order::RowMajor, [1, h, s, t, e, f], &alone, None, Edge::End);
        assert_eq!((got.out, got.lse), (of(&all.out, each[3]), of(&all.lse, h * s)), "{}", name(d));
        for i in 0..3 {
            assert_eq!(got.gradients[i], of(&all.gradients[i], each[i]), "{} gradient {i}", name(d));
        }
    }
}

#[test]
fn bad_operands_are_named() {
    let d = devices().next().unwrap();
    let data = vec![0.0f32; 1000];
    let attempt = |ql: Layout, kl: Layout, ol: Layout| {
        let (mut out, mut lse, mut scratch) = (data.clone(), data.clone(), vec![0; 1 << 16]);
        let (q, k) = (View::of(&data, ql).unwrap(), View::of(&data, kl).unwrap());
        let (ov, lv) = (ViewMut::of(&mut out, ol).unwrap(), ViewMut::of(&mut lse, row_major(&[2, 2, 3])).unwrap());
        forward(&d, &ATTENTION, None, q, k, k, ov, lv, (&mut scratch[..]).into()).unwrap_err().to_string()
    };
    let (q, k) = (row_major(&[2, 2, 3, 4]), row_major(&[2, 2, 5, 4]));
    assert_eq!(
        attempt(q, row_major(&[2, 1, 5, 4]), q),
        "attention: q [2, 2, 3, 4], k [2, 1, 5, 4] and v [2, 1, 5, 4] are not [b, h, s, e], [b, h, t, e] and [b, h, t, f]"
    );
    assert_eq!(attempt(q, k, k), "attention: out has shape [2, 2, 5, 4], expected [2, 2, 3, 4]");
    let across = Layout::in_order(q.shape, &[0, 1, 3, 2]);
    assert_eq!(attempt(across, k, q), "attention: q must be of unit stride along its last axis");
    let repeated = Layout { strides: Dims::new(&[0, 12, 4, 1]).unwrap(), ..q };
    assert_eq!(attempt(q, k, repeated), "attention: out must be free of repeated elements");
}
