use super::Function::*;
use super::*;
use crate::testing::{devices, elementwise, name, row_major, singles};

const ALL: [Function; 18] = [
    Exp,
    Ln,
    Sqrt,
    Rsqrt,
    Reciprocal,
    Square,
    Abs,
    Sigmoid,
    Silu,
    Tanh,
    Gelu,
    GeluTanh,
    Relu,
    Softplus,
    Sin,
    Cos,
    Charbonnier { eps: 0.25 },
    Clamp { min: -0.5, max: 1.5 },
];

fn positive_only(f: Function) -> bool {
    matches!(f, Ln | Sqrt | Rsqrt | Reciprocal)
}

/// The bound on |got - want|, in units of 2^-23, given the value wanted: the table of `vector`.
fn bound(f: Function, order: u8, want: f64) -> f64 {
    let (size, order) = (want.abs(), usize::from(order));
    match f {
        Sigmoid | Tanh => [4.0 * size, 6.0 * size, 4.0][order],
        Silu => [4.0 * size, 4.0 * size.max(1.0), 4.0][order],
        Gelu | GeluTanh => [4.0 * size.max(1.0), 4.0 * size.max(1.0), 4.0][order],
        Ln | Softplus | Sin | Cos => size,
        _ => [2.0 * size, 3.0 * size, 4.0 * size][order],
    }
}

#[test]
fn every_function_is_within_its_bound_on_every_path() {
    let dense = (-6000..=6000).map(|i| i as f32 / 500.0);
    let wide = (-120..120).flat_map(|i| [1.0f32, -1.0].map(|sign| sign * (i as f32 / 3.0).exp2()));
    let xs: Vec<f32> = dense.chain(wide).chain([-90.0, -95.0, 80.0, 90.0, 1e18, -1e18]).collect();
    for (f, order) in ALL.into_iter().flat_map(|f| [0u8, 1, 2].map(|order| (f, order))) {
        let x: Vec<f32> = xs.iter().copied().filter(|&x| x > 0.0 || !positive_only(f)).collect();
        let (layout, mut y) = (row_major(&[x.len()]), vec![0f32; x.len()]);
        let mut worst = (0.0, 0.0);
        for device in devices() {
            apply(&device, f, order, View::of(&x, layout).unwrap(), ViewMut::of(&mut y, layout).unwrap()).unwrap();
            for (&x, &got) in x.iter().zip(&y) {
                let (want, got) = (f.value(order, f64::from(x)), f64::from(got));
                let allowed = bound(f, order, want) * f64::from(f32::EPSILON) + 1e-36;
                let fits = (got - want).abs() <= allowed || got == f64::from(want as f32);
                assert!(fits, "{}: {f:?} {order} at {x}: {got:e}, {want:e}, of {allowed:e}", name(&device));
                let error = (got - want).abs() / allowed;
                if error > worst.0 && error.is_finite() {
                    worst = (error, x);
                }
            }
        }
        println!("{f:?} order {order}: {:.2} of the bound, at {}", worst.0, worst.1);
    }
}

#[test]
fn the_table_is_its_own_derivative() {
    for f in ALL {
        for i in -400..400 {
            let x = f64::from(i) * 0.013 + 0.004_7;
            if positive_only(f) && x < 0.1 {
                continue;
            }
            for order in [1, 2] {
                let h = 1e-5;
                let difference = (f.value(order - 1, x + h) - f.value(order - 1, x - h)) / (2.0 * h);
                let value = f.value(order, x);
                let allowed = 1e-7 * (1.0 + value.abs() / x.abs().min(1.0).powi(2));
                assert!((value - difference).abs() < allowed, "{f:?} {order} at {x}: {value}, {difference}");
            }
        }
    }
}

#[test]
fn kinks_and_constants_are_those_of_the_table_and_nan_stays() {
    let x = [0.0f32, -0.0, -0.5, 1.5, 2.0, f32::NAN, 1.0];
    let want = [
        (Abs, 1, [0.0, 0.0, -1.0, 1.0, 1.0]),
        (Relu, 1, [0.0, 0.0, 0.0, 1.0, 1.0]),
        (Clamp { min: -0.5, max: 1.5 }, 1, [1.0, 1.0, 1.0, 1.0, 0.0]),
        (Square, 2, [2.0; 5]),
    ];
    let layout = row_major(&[7]);
    for device in devices() {
        let run = |f, order| {
            let mut y = [0f32; 7];
            apply(&device, f, order, View::of(&x, layout).unwrap(), ViewMut::of(&mut y, layout).unwrap()).unwrap();
            y
        };
        for (f, order, want) in want {
            assert_eq!(run(f, order)[..5], want, "{f:?}");
        }
        for (f, order) in ALL.into_iter().flat_map(|f| [0u8, 1, 2].map(|order| (f, order))) {
            let y = run(f, order);
            assert!(y[5].is_nan() && !y[6].is_nan(), "{}: {f:?} {order}: {y:?}", name(&device));
        }
    }
}

#[test]
fn a_third_derivative_is_refused_by_name() {
    let (x, mut y, layout) = ([1f32], [1f32], row_major(&[1]));
    let device = devices().next().unwrap();
    let result = apply(&device, Silu, 3, View::of(&x, layout).unwrap(), ViewMut::of(&mut y, layout).unwrap());
    assert_eq!(result.unwrap_err().to_string(), "silu: derivative 3 is not offered, only up to the second");
}

#[test]
fn apply_over_shapes_and_strides() {
    let close = |got: f64, want: f64, _: &[f64], eps: f64| (got - want).abs() <= 8.0 * eps * want.abs().max(1.0);
    elementwise(1, singles, |d, x, y| apply(d, Silu, 0, x[0], y), |x, _| Silu.value(0, x[0]), close);
    elementwise(1, singles, |d, x, y| apply(d, Sin, 1, x[0], y), |x, _| Sin.value(1, x[0]), close);
}

#[test]
fn scaled_over_shapes_and_strides() {
    let close = |got: f64, want: f64, _: &[f64], eps: f64| (got - want).abs() <= 8.0 * eps * want.abs().max(1.0);
    elementwise(2, singles, |d, x, y| scaled(d, Silu, 1, x[0], x[1], y), |x, _| x[1] * Silu.value(1, x[0]), close);
}
