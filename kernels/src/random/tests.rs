//! Streams against their definition, their independence of everything they must not depend on, and their statistics.

use super::*;
use crate::View;
use crate::testing::*;

const STREAM: Stream = Stream { seed: 0x5EED_0000_0001, purpose: 7, step: 3 };

/// Element by element from `words`, as the module comment defines it.
fn definition(stream: &Stream, sample: u32, element: usize, normal: bool) -> f32 {
    let [w0, w1, w2, w3] = words(stream, sample, (element / 4) as u32);
    let uniform = [w0, w1, w2, w3].map(floats::uniform);
    let ([a, b], [c, d]) = (floats::normals(w0, w1), floats::normals(w2, w3));
    if normal { [a, b, c, d][element % 4] } else { uniform[element % 4] }
}

fn draw(d: &Device, stream: &Stream, first: u64, layout: Layout, is_normal: bool) -> Vec<f32> {
    let mut y = vec![f32::NAN; layout.end()];
    let view = ViewMut::of(&mut y, layout).unwrap();
    if is_normal { normal(d, stream, first, view) } else { uniform(d, stream, first, view) }.unwrap();
    y
}

/// The elements of a buffer in row-major order of the shape.
fn in_order(y: &[f32], layout: &Layout) -> Vec<u32> {
    let nest = Nest::new([&Layout::contiguous(layout.shape), layout]);
    let (length, [_, stride]) = nest.row();
    let rows = (0..nest.rows()).map(|row| nest.start(row)[1]);
    rows.flat_map(|at| (0..length).map(move |i| y[at + i * stride].to_bits())).collect()
}

#[test]
fn every_path_order_and_thread_count_gives_the_definition() {
    let layouts = [
        row_major(&[3, 5]),
        row_major(&[2, 4099]),
        channels_last(&[3, 5, 7, 11]),
        channels_last(&[2, 3, 40, 41]),
        row_major(&[1]),
        Layout::in_order(dims(&[4, 6, 9]), &[2, 0, 1]),
        // Every second element of every third row.
        Layout { shape: dims(&[3, 50]), strides: dims(&[300, 2]), offset: 5 },
        row_major(&[0, 4]),
        row_major(&[4, 0]),
    ];
    for layout in layouts {
        let row = layout.count() / layout.shape[0].max(1);
        for is_normal in [false, true] {
            let want: Vec<u32> = (0..layout.count())
                .map(|i| definition(&STREAM, 10 + (i / row) as u32, i % row, is_normal).to_bits())
                .collect();
            for d in devices() {
                let y = draw(&d, &STREAM, 10, layout, is_normal);
                assert_eq!(in_order(&y, &layout), want, "{:?} on {}", layout.shape, name(&d));
                let written = y.iter().filter(|x| !x.is_nan()).count();
                assert_eq!(written, layout.count(), "{:?} on {}", layout.shape, name(&d));
            }
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for d in devices() {
        let whole = draw(&d, &STREAM, 0, channels_last(&[8, 3, 9, 13]), true);
        for r in 0..8 {
            let alone = draw(&d, &STREAM, r as u64, channels_last(&[1, 3, 9, 13]), true);
            assert_eq!(alone, whole[r * 351..(r + 1) * 351]);
        }
    }
}

#[test]
fn streams_share_no_numbers() {
    let d = devices().next().unwrap();
    let Stream { seed, purpose, step } = STREAM;
    let others = [
        (Stream { seed: seed + 1, ..STREAM }, 0),
        (Stream { seed: seed + (1 << 32), ..STREAM }, 0),
        (Stream { purpose: purpose + 1, ..STREAM }, 0),
        (Stream { step: step + 1, ..STREAM }, 0),
        (STREAM, 1),
    ];
    let one = draw(&d, &STREAM, 0, row_major(&[1, 4096]), true);
    for (stream, first) in others {
        let other = draw(&d, &stream, first, row_major(&[1, 4096]), true);
        let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count();
        let product: f64 = one.iter().zip(&other).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        assert!(equal < 4 && product.abs() / 4096.0 < 5.0 / 64.0, "{stream:?}: {equal} equal, {product}");
    }
}

#[test]
fn doubles_are_the_singles_widened() {
    for d in devices() {
        let layout = channels_last(&[2, 3, 5, 7]);
        let mut y = vec![0f64; 210];
        normal(&d, &STREAM, 4, ViewMut::of(&mut y, layout).unwrap()).unwrap();
        let single = draw(&d, &STREAM, 4, layout, true);
        assert!(y.iter().zip(&single).all(|(&a, &b)| a == f64::from(b)));
    }
}

#[test]
fn nothing_beyond_the_buffer_is_touched() {
    for (d, edge) in devices().flat_map(|d| [(d.clone(), Edge::Start), (d, Edge::End)]) {
        for layout in [row_major(&[3, 67]), channels_last(&[2, 3, 5, 5]), row_major(&[1, 1]), row_major(&[2, 4096])] {
            let mut y = Guarded::new(&vec![0f32; layout.end()], edge);
            normal(&d, &STREAM, 0, ViewMut::of(&mut y, layout).unwrap()).unwrap();
            uniform(&d, &STREAM, 0, ViewMut::of(&mut y, layout).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_is_refused() {
    let d = devices().next().unwrap();
    let mut y = vec![0f32; 16];
    let shared = View::of(&y, row_major(&[4, 1])).unwrap().layout().broadcast(dims(&[4, 4])).unwrap();
    assert!(matches!(normal(&d, &STREAM, 0, ViewMut::of(&mut y, shared).unwrap()), Err(KernelError::Order { .. })));
    let scalar = ViewMut::of(&mut y, row_major(&[])).unwrap();
    assert!(matches!(uniform(&d, &STREAM, 0, scalar), Err(KernelError::Shape { .. })));
    for (first, fits) in [((1 << 32) - 4, true), ((1 << 32) - 3, false), (u64::MAX, false)] {
        let drawn = normal(&d, &STREAM, first, ViewMut::of(&mut y, row_major(&[4, 4])).unwrap());
        assert!(if fits { drawn.is_ok() } else { matches!(drawn, Err(KernelError::Parameter { .. })) }, "{first}");
    }
    let mut bytes = vec![0u8; 4];
    let view = ViewMut::of(&mut bytes, row_major(&[4])).unwrap();
    assert!(matches!(uniform(&d, &STREAM, 0, view), Err(KernelError::DType { .. })));
}

/// Largest distance between the empirical distribution of `xs` and `cdf`.
fn kolmogorov_smirnov(mut xs: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    xs.sort_by(f64::total_cmp);
    let n = xs.len() as f64;
    let gap = |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs());
    xs.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// The normal distribution function by its power series (Abramowitz and Stegun 26.2.11), good to 1e-12 on [-6, 6].
fn phi(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while term.abs() > 1e-17 {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn a_million_numbers_look_as_they_should() {
    let d = devices().last().unwrap();
    let n = 1e6;
    let wide = |is_normal| -> Vec<f64> {
        draw(&d, &STREAM, 0, row_major(&[250, 4000]), is_normal).into_iter().map(f64::from).collect()
    };
    let x = wide(true);
    let moment = |p: i32| x.iter().map(|x| x.powi(p)).sum::<f64>() / n;
    // Five standard errors of each moment: var(x^p) is 1, 2, 15, 96.
    for (p, want, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0f64)] {
        let got = moment(p);
        assert!((got - want).abs() < 5.0 * (variance / n).sqrt(), "moment {p} is {got}");
    }
    // Neighbours, and the two halves of a Box-Muller pair, in value and in size.
    for lag in [1, 2, 4, 4000] {
        let product: f64 = x.windows(lag + 1).map(|w| w[0] * w[lag]).sum::<f64>() / n;
        let sizes: f64 = x.windows(lag + 1).map(|w| (w[0] * w[0] - 1.0) * (w[lag] * w[lag] - 1.0)).sum::<f64>() / n;
        assert!(product.abs() < 5e-3 && sizes.abs() < 1e-2, "lag {lag}: {product} {sizes}");
    }
    // Tails: expected counts 2700, 63.3, 0.57 beyond 3, 4, 5.
    for (bound, low, high) in [(3.0, 2440, 2960), (4.0, 24, 104), (5.0, 0, 5)] {
        let beyond = x.iter().filter(|x| x.abs() > bound).count();
        assert!((low..=high).contains(&beyond), "{beyond} beyond {bound}");
    }
    // The 99.99 % point of the Kolmogorov distribution is 2.23 / sqrt(n).
    let distance = kolmogorov_smirnov(x, phi);
    assert!(distance < 2.23e-3, "normal: {distance}");
    let u = wide(false);
    assert!(u.iter().all(|u| (0.0..1.0).contains(u)));
    let distance = kolmogorov_smirnov(u, |u| u);
    assert!(distance < 2.23e-3, "uniform: {distance}");
}
