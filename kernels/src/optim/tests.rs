//! Updates against the formulas of the papers in f64, on every path; bits over paths and threads; guard pages.

use super::*;
use crate::testing::*;
use crate::{Device, Element, Layout, Real, View, ViewMut};

const SIZES: [usize; 7] = [0, 1, 15, 33, 1000, CHUNK, 2 * CHUNK + 7];
const ADAM: Adam = Adam { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 };
const LR: f64 = 0.03;
const SCALE: f64 = 0.37;

fn flat(count: usize) -> Layout {
    row_major(&[count])
}

fn view<T: Element>(x: &[T]) -> View<'_> {
    View::of(x, flat(x.len())).unwrap()
}

fn view_mut<T: Element>(x: &mut [T]) -> ViewMut<'_> {
    let layout = flat(x.len());
    ViewMut::of(x, layout).unwrap()
}

/// No scratch.
fn none<'a>() -> crate::Scratch<'a> {
    crate::Scratch::Host(&mut [])
}

fn to<T: Real>(xs: &[f64]) -> Vec<T> {
    xs.iter().map(|&x| T::from_f64(x)).collect()
}

/// Step `k` as Kingma and Ba write it, with m-hat and v-hat.
fn textbook(k: i32, param: &mut [f64], grad: &[f64], m: &mut [f64], v: &mut [f64]) {
    for i in 0..param.len() {
        let g = grad[i] * SCALE;
        m[i] = ADAM.beta1 * m[i] + (1.0 - ADAM.beta1) * g;
        v[i] = ADAM.beta2 * v[i] + (1.0 - ADAM.beta2) * g * g;
        let m_hat = m[i] / (1.0 - ADAM.beta1.powi(k));
        let v_hat = v[i] / (1.0 - ADAM.beta2.powi(k));
        param[i] -= LR * (m_hat / (v_hat.sqrt() + ADAM.eps) + ADAM.weight_decay * param[i]);
    }
}

/// One step of one parameter.
fn step<T: Element>(d: &Device, step: &AdamStep, [param, m, v]: [&mut [T]; 3], grad: &[T]) {
    let slot = Slot { param: view_mut(param), grad: view(grad), m: view_mut(m), v: view_mut(v) };
    adam(d, Numbers::Given(step), &mut [slot]).unwrap();
}

/// One update of one average.
fn average<'a>(d: &Device, decay: f64, ema: ViewMut<'a>, param: View<'a>) -> crate::Result {
    super::ema(d, Rate::Given(1.0 - decay), &mut [(ema, param)])
}

/// Five steps of the kernel and of the textbook from one start; the largest distance of the parameters, and their bits.
fn five_steps<T: Real>(d: &Device, count: usize) -> (f64, Vec<T>) {
    let (mut param, mut m, mut v) = (numbers(1, count), vec![0.0; count], vec![0.0; count]);
    let (mut p, mut pm, mut pv) = (to::<T>(&param), to::<T>(&m), to::<T>(&v));
    for k in 1..=5 {
        let grad = numbers(10 + k as u64, count);
        let g = to::<T>(&grad);
        step(d, &AdamStep::new(&ADAM, LR, k as u64, SCALE), [&mut p, &mut pm, &mut pv], &g);
        textbook(k, &mut param, &grad, &mut m, &mut v);
    }
    let worst = p.iter().zip(&param).map(|(a, b)| (a.to_f64() - b).abs()).fold(0.0, f64::max);
    (worst, p)
}

#[test]
fn adam_is_the_textbook() {
    for count in SIZES {
        let (_, want) = five_steps::<f32>(&devices().next().unwrap(), count);
        for d in devices() {
            // A step moves a parameter of at most 1 by about lr: a few roundings of 1 and of lr, five times.
            let (single, bits) = five_steps::<f32>(&d, count);
            assert!(single <= 5.0 * 2.0 * f64::from(f32::EPSILON), "{count} on {}: {single}", name(&d));
            assert_eq!(bits, want, "{count} on {}", name(&d));
            let (double, _) = five_steps::<f64>(&d, count);
            assert!(double <= 1e-14, "{count} on {}: {double}", name(&d));
        }
    }
}

#[test]
fn average_follows_its_definition_and_rests_when_it_arrives() {
    for (d, count) in devices().flat_map(|d| SIZES.map(|count| (d.clone(), count))) {
        let (start, param) = (numbers(3, count), numbers(4, count));
        let (mut single, singles) = (to::<f32>(&start), to::<f32>(&param));
        let mut double = start.clone();
        average(&d, 0.99, view_mut(&mut single), view(&singles)).unwrap();
        average(&d, 0.99, view_mut(&mut double), view(&param)).unwrap();
        for i in 0..count {
            let want = 0.99 * start[i] + 0.01 * param[i];
            assert!((double[i] - want).abs() <= 1e-15, "{count} on {}", name(&d));
            assert!((f64::from(single[i]) - want).abs() <= 2.0 * f64::from(f32::EPSILON), "{count} on {}", name(&d));
        }
        let mut arrived = singles.clone();
        average(&d, 0.99, view_mut(&mut arrived), view(&singles)).unwrap();
        assert_eq!(arrived, singles);
    }
}

#[test]
fn squares_sum_the_same_on_every_path() {
    for count in SIZES.into_iter().chain([64 * 4096 + 1, 1_000_003]) {
        let x = singles(5, count);
        // Squares of f32 are exact in f64; the largest first would lose most, any order loses at most n eps.
        let want: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        let mut first = None;
        for d in devices() {
            let (mut double, mut single, mut wide) = ([0f64], [0f32], [0f64]);
            sum_of_squares(&d, view(&x), view_mut(&mut double), none()).unwrap();
            sum_of_squares(&d, view(&x), view_mut(&mut single), none()).unwrap();
            let widened: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            sum_of_squares(&d, view(&widened), view_mut(&mut wide), none()).unwrap();
            assert!((double[0] - want).abs() <= count as f64 * f64::EPSILON * want, "{count} on {}", name(&d));
            assert_eq!((single[0], wide[0]), (double[0] as f32, double[0]));
            assert_eq!(*first.get_or_insert(double[0]), double[0], "{count} on {}", name(&d));
        }
    }
}

#[test]
fn nothing_beyond_the_operands_is_touched() {
    for (d, edge) in devices().flat_map(|d| [(d.clone(), Edge::Start), (d, Edge::End)]) {
        for count in [1, 17, CHUNK + 5] {
            let (mut param, grad) = (Guarded::new(&singles(1, count), edge), Guarded::new(&singles(2, count), edge));
            let (mut m, mut v) = (Guarded::new(&vec![0f32; count], edge), Guarded::new(&vec![0f32; count], edge));
            step(&d, &AdamStep::new(&ADAM, LR, 1, 1.0), [&mut param, &mut m, &mut v], &grad);
            average(&d, 0.9, view_mut(&mut param), view(&grad)).unwrap();
            sum_of_squares(&d, view(&grad), view_mut(&mut [0f64]), none()).unwrap();
        }
    }
}

#[test]
fn operands_that_lie_differently_are_refused() {
    let d = devices().next().unwrap();
    let (x, mut y) = (singles(1, 24), singles(2, 24));
    let image = View::of(&x, channels_last(&[1, 2, 3, 4])).unwrap();
    let sentence = |y: ViewMut| average(&d, 0.9, y, image).unwrap_err().to_string();
    let other = sentence(ViewMut::of(&mut y, row_major(&[1, 2, 3, 4])).unwrap());
    assert_eq!(other, "ema: the average must be in the storage order of the parameter");
    let other = sentence(ViewMut::of(&mut y, row_major(&[24])).unwrap());
    assert_eq!(other, "ema: the average [24] for a parameter [1, 2, 3, 4]");
    let (bytes, mut more) = ([0u8; 3], [0u8; 3]);
    assert_eq!(
        average(&d, 0.9, view_mut(&mut more), view(&bytes)).unwrap_err().to_string(),
        "ema: got u8, expected f32 or f64"
    );
}

#[test]
fn numbers_of_a_table_are_those_given_and_none_stop_a_step() {
    let d = devices().next().unwrap();
    let given = AdamStep::new(&ADAM, LR, 3, SCALE);
    let run = |numbers: Numbers| {
        let (mut param, mut m, mut v, grad) = (singles(1, 33), singles(2, 33), vec![0.5f32; 33], singles(3, 33));
        let slot = Slot { param: view_mut(&mut param), grad: view(&grad), m: view_mut(&mut m), v: view_mut(&mut v) };
        adam(&d, numbers, &mut [slot]).map(|()| [param, m, v].concat())
    };
    let (mut table, updated) = (given.array(), run(Numbers::Given(&given)).unwrap());
    assert_eq!(run(Numbers::Table(view(&table))).unwrap(), updated);
    table[0] = f64::NAN;
    assert_eq!(run(Numbers::Table(view(&table))).unwrap(), [singles(1, 33), singles(2, 33), vec![0.5; 33]].concat());
    let said = run(Numbers::Table(view(&table[1..]))).unwrap_err().to_string();
    assert_eq!(said, "adam: a table of [7] numbers in f64; [8] of f64 are a step's");
}

#[test]
fn clipping_brings_a_norm_down_and_names_what_is_not_finite() {
    let d = devices().next().unwrap();
    let clipped = |squares: &[f64], most: f64| -> (f64, f64) {
        let (mut factor, mut norm) = ([0f64], [0f64]);
        clip(&d, view(squares), most, 1e-6, view_mut(&mut factor), view_mut(&mut norm)).unwrap();
        (factor[0], norm[0])
    };
    assert_eq!(clipped(&[9.0, 16.0], 10.0), (1.0, 5.0));
    assert_eq!(clipped(&[9.0, 16.0], 1.0), (1.0 / 5.000001, 5.0));
    assert_eq!(clipped(&[9.0, 16.0], f64::INFINITY), (1.0, 5.0));
    assert!(clipped(&[9.0, f64::INFINITY], 1.0).0.is_nan() && clipped(&[f64::NAN], 1.0).0.is_nan());
    let (x, y) = (singles(1, 40), singles(2, 7));
    let mut sums = [0.0; 2];
    squares(&d, &[view(&x), view(&y)], view_mut(&mut sums), none()).unwrap();
    for (sum, x) in sums.iter().zip([&x, &y]) {
        let want: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum - want).abs() <= 40.0 * f64::EPSILON * want);
    }
}
