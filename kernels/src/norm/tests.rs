//! Oracle: the f64 path, which is the definition. Its own witness: central differences.

use super::*;
use crate::testing::*;
use crate::{Device, Dims, Layout, Real, View, ViewMut};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Group(usize),
    Layer,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    sizes: [usize; 3], // samples, positions, channels
    silu: bool,
    /// Which of weight, bias, scale, shift are there, and have their gradients taken.
    there: [bool; 4],
}

const EPS: f64 = 1e-5;

impl Case {
    fn layout(&self) -> Layout {
        let [n, p, c] = self.sizes;
        match self.kind {
            Kind::Group(_) => Layout::in_order(Dims::new(&[n, c, p, 1]).unwrap(), &[0, 2, 3, 1]),
            Kind::Layer => row_major(&[n, p, c]),
        }
    }

    fn statistics(&self) -> Layout {
        match self.kind {
            Kind::Group(groups) => row_major(&[self.sizes[0], groups]),
            Kind::Layer => row_major(&self.sizes[..2]),
        }
    }

    fn affine(&self) -> [Layout; 4] {
        let [n, _, c] = self.sizes;
        [row_major(&[c]), row_major(&[c]), row_major(&[n, c]), row_major(&[n, c])]
    }

    fn set(&self, index: usize) -> usize {
        let [_, p, c] = self.sizes;
        match self.kind {
            Kind::Group(groups) => index / (p * c) * groups + index % c / (c / groups),
            Kind::Layer => index / c,
        }
    }

    fn set_size(&self) -> f64 {
        let [_, p, c] = self.sizes;
        match self.kind {
            Kind::Group(groups) => (p * c / groups) as f64,
            Kind::Layer => c as f64,
        }
    }
}

/// x, g, then weight, bias, scale, shift.
#[derive(Clone)]
struct Operands<T> {
    x: Vec<T>,
    g: Vec<T>,
    affine: [Vec<T>; 4],
}

fn operands<T: Real>(case: &Case, seed: u64, mean: f64, deviation: f64) -> Operands<T> {
    let count = case.layout().count();
    let draw = |seed, count, mean: f64, deviation: f64| -> Vec<T> {
        numbers(seed, count).iter().map(|x| T::from_f64(f64::from((mean + deviation * x) as f32))).collect()
    };
    let layouts = case.affine();
    Operands {
        x: draw(seed, count, mean, deviation),
        g: draw(seed + 1, count, 0.0, 1.0),
        affine: std::array::from_fn(|i| draw(seed + 2 + i as u64, layouts[i].count(), 0.3, 1.0)),
    }
}

fn widen<T: Real>(data: &[T]) -> Vec<f64> {
    data.iter().map(|x| x.to_f64()).collect()
}

#[derive(Debug, PartialEq)]
struct Results<T> {
    y: Vec<T>,
    mean: Vec<T>,
    rstd: Vec<T>,
    dx: Vec<T>,
    affine: [Vec<T>; 4],
}

/// Both ways through the entry points, every operand against a guard page. `known`: statistics for the backward other than
/// those of the forward.
fn run<T: Real>(d: &Device, case: &Case, o: &Operands<T>, known: Option<(&[T], &[T])>, edge: Edge) -> Results<T> {
    let nan = T::from_f64(f64::NAN);
    let blank = |layout: &Layout| Guarded::new(&vec![nan; layout.count()], edge);
    let (layout, statistics, layouts) = (case.layout(), case.statistics(), case.affine());
    let (x, g) = (Guarded::new(&o.x, edge), Guarded::new(&o.g, edge));
    let affine: [Guarded<T>; 4] = std::array::from_fn(|i| Guarded::new(&o.affine[i], edge));
    let given = |i: usize| case.there[i].then(|| View::of(&affine[i][..], layouts[i]).unwrap());
    let affine = Affine { weight: given(0), bias: given(1), scale: given(2), shift: given(3) };
    let (mut y, mut mean, mut rstd) = (blank(&layout), blank(&statistics), blank(&statistics));
    let xv = View::of(&x, layout).unwrap();
    {
        let yv = ViewMut::of(&mut y, layout).unwrap();
        let (mv, rv) = (ViewMut::of(&mut mean, statistics).unwrap(), ViewMut::of(&mut rstd, statistics).unwrap());
        match case.kind {
            Kind::Group(groups) => {
                group_forward(d, &GroupNorm { groups, eps: EPS, silu: case.silu }, xv, &affine, yv, mv, rv).unwrap()
            }
            Kind::Layer => layer_forward(d, &LayerNorm { eps: EPS, silu: case.silu }, xv, &affine, yv, mv, rv).unwrap(),
        }
    }
    let (mut dx, mut gradients) = (blank(&layout), layouts.map(|layout| blank(&layout)));
    let (known_mean, known_rstd) = known.unwrap_or((&mean, &rstd));
    let (mv, rv) = (View::of(known_mean, statistics).unwrap(), View::of(known_rstd, statistics).unwrap());
    let gv = View::of(&g, layout).unwrap();
    {
        let dxv = ViewMut::of(&mut dx, layout).unwrap();
        let [weight, bias, scale, shift] = &mut gradients;
        let wanted = |i: usize, to| case.there[i].then(|| ViewMut::of::<T>(to, layouts[i]).unwrap());
        let out = AffineGradients {
            weight: wanted(0, weight),
            bias: wanted(1, bias),
            scale: wanted(2, scale),
            shift: wanted(3, shift),
        };
        match case.kind {
            Kind::Group(groups) => {
                let p = GroupNorm { groups, eps: EPS, silu: case.silu };
                let mut scratch = Guarded::new(&vec![7u8; group_backward_scratch(d, &p, &layout, T::DTYPE)], edge);
                group_backward(d, &p, xv, &affine, mv, rv, gv, dxv, out, (&mut scratch[..]).into()).unwrap();
            }
            Kind::Layer => {
                let p = LayerNorm { eps: EPS, silu: case.silu };
                let per_sample = case.there[2] || case.there[3];
                let bytes = layer_backward_scratch(d, &p, &layout, per_sample, T::DTYPE);
                let mut scratch = Guarded::new(&vec![7u8; bytes], edge);
                layer_backward(d, &p, xv, &affine, mv, rv, gv, dxv, out, (&mut scratch[..]).into()).unwrap();
            }
        }
    }
    let affine = std::array::from_fn(|i| if case.there[i] { gradients[i].to_vec() } else { Vec::new() });
    Results { y: y.to_vec(), mean: mean.to_vec(), rstd: rstd.to_vec(), dx: dx.to_vec(), affine }
}

/// Bounds on the error of every result, from the sizes of what is added up: `4 sqrt(K) eps` times sums of absolute values.
fn bounds(case: &Case, o: &Operands<f64>, want: &Results<f64>, mean: &[f64], rstd: &[f64]) -> Results<f64> {
    let ([_, p, c], eps) = (case.sizes, f64::from(f32::EPSILON));
    let affine = |which: usize, index: usize| if case.there[which] { o.affine[which][index] } else { 0.0 };
    let weight = |index: usize| if case.there[0] { o.affine[0][index] } else { 1.0 };
    let root = |count: f64| 4.0 * count.max(1.0).sqrt() + 4.0;
    let (rule, sums) = (root(case.set_size()) * eps, root((case.sizes[0] * p) as f64) * eps);
    let mut b = Results {
        y: vec![],
        mean: mean.iter().zip(rstd).map(|(mean, rstd)| eps * mean.abs() + rule / rstd).collect(),
        rstd: rstd.iter().map(|rstd| rule * rstd).collect(),
        dx: vec![0.0; o.x.len()],
        affine: std::array::from_fn(|i| vec![0.0; want.affine[i].len()]),
    };
    let (mut level, mut slope) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
    for i in 0..o.x.len() {
        let (set, channel, row) = (case.set(i), i % c, i / (p * c) * c + i % c);
        let widening = 1.0 + affine(2, row);
        let (gain, offset) = (weight(channel) * widening, affine(1, channel) * widening + affine(3, row));
        let xhat = (o.x[i] - mean[set]) * rstd[set];
        let z = (xhat * gain).abs() + (affine(1, channel) * widening).abs() + affine(3, row).abs();
        // The mean is a sum, of deviations about the shift, rounded to f32: xhat is known to b.mean rstd and no better.
        b.y.push(1.1 * (rule * z + b.mean[set] * rstd[set] * gain.abs()) + eps * offset.abs());
        let dz = o.g[i].abs() * if case.silu { 1.1 + z } else { 1.0 };
        level[set] += dz * gain.abs() / case.set_size();
        slope[set] += dz * (gain * xhat).abs() / case.set_size();
        b.dx[i] = dz * gain.abs();
        let shares = [
            dz * (xhat * widening).abs(),
            dz * widening.abs(),
            dz * ((xhat * weight(channel)).abs() + affine(1, channel).abs()),
            dz,
        ];
        for (which, share) in shares.into_iter().enumerate().filter(|&(which, _)| case.there[which]) {
            b.affine[which][if which < 2 { channel } else { row }] += sums * share;
        }
    }
    for i in 0..o.x.len() {
        let set = case.set(i);
        let xhat = (o.x[i] - mean[set]) * rstd[set];
        b.dx[i] = rule * rstd[set] * (b.dx[i] + level[set] + xhat.abs() * slope[set]);
    }
    b
}

fn near(what: &str, got: &[f32], want: &[f64], bound: &[f64], context: impl Fn() -> String) {
    assert_eq!((got.len(), got.len()), (want.len(), bound.len()), "{what}");
    for i in 0..got.len() {
        let error = (f64::from(got[i]) - want[i]).abs();
        assert!(error <= bound[i], "{} {what}[{i}]: {} {} ({error:e} > {:e})", context(), got[i], want[i], bound[i]);
    }
}

/// Runs a case on a device and holds it to the f64 path.
fn check(d: &Device, case: &Case, mean: f64, deviation: f64) {
    let (o, wide) = (operands::<f32>(case, 1, mean, deviation), operands::<f64>(case, 1, mean, deviation));
    for edge in [Edge::Start, Edge::End] {
        let got = run(d, case, &o, None, edge);
        // The backward is held to the definition at the statistics it was given.
        let statistics = (widen(&got.mean), widen(&got.rstd));
        let want = run(d, case, &wide, Some((&statistics.0, &statistics.1)), edge);
        let forward = bounds(case, &wide, &want, &want.mean, &want.rstd);
        let backward = bounds(case, &wide, &want, &statistics.0, &statistics.1);
        let context = || format!("{} {case:?} mean {mean}:", name(d));
        near("mean", &got.mean, &want.mean, &forward.mean, context);
        near("rstd", &got.rstd, &want.rstd, &forward.rstd, context);
        near("y", &got.y, &want.y, &forward.y, context);
        near("dx", &got.dx, &want.dx, &backward.dx, context);
        for i in 0..4 {
            near(
                ["dweight", "dbias", "dscale", "dshift"][i],
                &got.affine[i],
                &want.affine[i],
                &backward.affine[i],
                context,
            );
        }
    }
}

fn there(mask: usize) -> [bool; 4] {
    std::array::from_fn(|i| mask >> i & 1 == 1)
}

fn cases() -> Vec<Case> {
    let group = [
        ([2, 784, 32], 8),
        ([3, 49, 64], 8),
        ([2, 9, 12], 3),
        ([2, 9, 12], 12),
        ([1, 30, 20], 5),
        ([2, 17, 33], 3),
        ([2, 17, 33], 1),
        ([2, 6, 1], 1),
        ([2, 1, 48], 4),
        ([0, 4, 8], 2),
        ([2, 0, 8], 2),
        ([2, 3, 0], 2),
        ([3, 1, 1], 1),
        ([1, 5, 80], 1),
        ([2, 100, 16], 16),
        ([1, 7, 96], 32),
    ];
    let layer =
        [[2, 49, 64], [3, 40, 12], [1, 33, 33], [2, 3, 1], [5, 1, 20], [0, 4, 8], [2, 0, 8], [2, 3, 0], [1, 70, 192]];
    let group = group.map(|(sizes, groups)| (Kind::Group(groups), sizes));
    let all = group.into_iter().chain(layer.map(|sizes| (Kind::Layer, sizes))).enumerate();
    let masks = [0b1111, 0b0011, 0b0000, 0b1100, 0b0101, 0b1010];
    all.flat_map(|(i, (kind, sizes))| {
        [false, true].map(|silu| Case { kind, sizes, silu, there: there(masks[(i + usize::from(silu)) % 6]) })
    })
    .collect()
}

#[test]
fn both_ways_are_the_reference_to_rounding() {
    for (d, case) in devices().flat_map(|d| cases().into_iter().map(move |case| (d.clone(), case))) {
        check(&d, &case, 0.2, 1.0);
    }
}

#[test]
fn every_set_of_optional_operands() {
    for (d, mask) in devices().flat_map(|d| (0..16).map(move |mask| (d.clone(), mask))) {
        for (kind, silu) in [(Kind::Group(4), false), (Kind::Group(4), true), (Kind::Layer, false), (Kind::Layer, true)]
        {
            check(&d, &Case { kind, sizes: [3, 35, 20], silu, there: there(mask) }, 0.2, 1.0);
        }
    }
}

#[test]
fn statistics_hold_when_the_mean_dwarfs_the_deviation() {
    for (d, kind) in devices().flat_map(|d| [Kind::Group(8), Kind::Group(1), Kind::Layer].map(|kind| (d.clone(), kind)))
    {
        for (mean, deviation) in [(1000.0, 1.0), (-1e6, 3.0), (1000.0, 1e-3)] {
            check(&d, &Case { kind, sizes: [2, 196, 32], silu: false, there: there(3) }, mean, deviation);
        }
    }
}

#[test]
fn a_constant_is_normalised_to_exactly_the_offset() {
    for (d, kind) in devices().flat_map(|d| [Kind::Group(8), Kind::Layer].map(|kind| (d.clone(), kind))) {
        let case = Case { kind, sizes: [1, 49, 32], silu: false, there: there(2) };
        let mut o = operands::<f32>(&case, 1, 0.0, 1.0);
        o.x.fill(1234.567);
        let got = run(&d, &case, &o, None, Edge::End);
        assert!(got.y.chunks(32).all(|y| *y == o.affine[1][..]), "{} {kind:?}", name(&d));
    }
}

#[test]
fn backward_is_the_derivative_of_forward() {
    let (d, step) = (devices().next().unwrap(), 1e-5);
    for (kind, silu) in [(Kind::Group(2), false), (Kind::Group(2), true), (Kind::Layer, false), (Kind::Layer, true)] {
        let case = Case { kind, sizes: [2, 3, 6], silu, there: [true; 4] };
        let o = operands::<f64>(&case, 5, 0.2, 1.0);
        let got = run(&d, &case, &o, None, Edge::End);
        let value = |o: &Operands<f64>| -> f64 {
            run(&d, &case, o, None, Edge::End).y.iter().zip(&o.g).map(|(y, g)| y * g).sum()
        };
        for operand in 0..5 {
            let analytic = if operand == 0 { &got.dx } else { &got.affine[operand - 1] };
            for i in 0..analytic.len() {
                let at = |delta: f64| {
                    let mut o = o.clone();
                    let data = if operand == 0 { &mut o.x } else { &mut o.affine[operand - 1] };
                    data[i] += delta;
                    value(&o)
                };
                let want = (at(step) - at(-step)) / (2.0 * step);
                assert!((analytic[i] - want).abs() < 1e-7, "{case:?} operand {operand} [{i}]: {} {want}", analytic[i]);
            }
        }
    }
}

#[test]
fn threads_and_batch_do_not_change_bits() {
    for kind in [Kind::Group(8), Kind::Group(5), Kind::Layer] {
        let case = Case { kind, sizes: [5, 100, 40], silu: true, there: [true; 4] };
        let o = operands::<f32>(&case, 9, 0.2, 1.0);
        let results: Vec<_> = devices().map(|d| (run(&d, &case, &o, None, Edge::End), d)).collect();
        for pair in results.chunks(2) {
            assert!(pair[0].0 == pair[1].0, "{}", name(&pair[1].1));
            let (all, one) = (&pair[0].0, 3 * 4000..4 * 4000);
            let row = 3 * 40..4 * 40;
            let alone = Operands {
                x: o.x[one.clone()].to_vec(),
                g: o.g[one.clone()].to_vec(),
                affine: [
                    o.affine[0].clone(),
                    o.affine[1].clone(),
                    o.affine[2][row.clone()].to_vec(),
                    o.affine[3][row.clone()].to_vec(),
                ],
            };
            let alone = run(&pair[0].1, &Case { sizes: [1, 100, 40], ..case }, &alone, None, Edge::End);
            assert_eq!((&alone.y[..], &alone.dx[..]), (&all.y[one.clone()], &all.dx[one]));
            assert_eq!(
                (&alone.affine[2][..], &alone.affine[3][..]),
                (&all.affine[2][row.clone()], &all.affine[3][row])
            );
        }
    }
}

#[test]
fn scale_and_shift_may_be_halves_of_one_operand() {
    for (d, kind) in devices().flat_map(|d| [Kind::Group(4), Kind::Layer].map(|kind| (d.clone(), kind))) {
        let case = Case { kind, sizes: [3, 10, 20], silu: false, there: [false, false, true, true] };
        let o = operands::<f32>(&case, 1, 0.2, 1.0);
        let both: Vec<f32> =
            o.affine[2].chunks(20).zip(o.affine[3].chunks(20)).flat_map(|(a, b)| [a, b].concat()).collect();
        let both = Guarded::new(&both, Edge::End);
        let half = |offset| Layout { strides: Dims::new(&[40, 1]).unwrap(), offset, ..row_major(&[3, 20]) };
        let view = |offset| Some(View::of(&both, half(offset)).unwrap());
        let affine = Affine { scale: view(0), shift: view(20), ..Default::default() };
        let (layout, statistics) = (case.layout(), case.statistics());
        let (mut y, mut mean, mut rstd) =
            (o.x.clone(), vec![0.0f32; statistics.count()], vec![0.0f32; statistics.count()]);
        let x = View::of(&o.x, layout).unwrap();
        let yv = ViewMut::of(&mut y, layout).unwrap();
        let (mv, rv) = (ViewMut::of(&mut mean, statistics).unwrap(), ViewMut::of(&mut rstd, statistics).unwrap());
        match kind {
            Kind::Group(groups) => {
                group_forward(&d, &GroupNorm { groups, eps: EPS, silu: false }, x, &affine, yv, mv, rv).unwrap()
            }
            Kind::Layer => layer_forward(&d, &LayerNorm { eps: EPS, silu: false }, x, &affine, yv, mv, rv).unwrap(),
        }
        assert_eq!(y, run(&d, &case, &o, None, Edge::End).y, "{} {kind:?}", name(&d));
    }
}

#[test]
fn bad_operands_are_named() {
    let d = devices().next().unwrap();
    let forward = |groups: usize, x: &Layout, statistics: &[usize], weight: usize| {
        let data = vec![1.0f32; x.count()];
        let (mut y, mut mean, mut rstd, w) = (data.clone(), data.clone(), data.clone(), data.clone());
        let statistics = row_major(statistics);
        let affine = Affine { weight: Some(View::of(&w, row_major(&[weight])).unwrap()), ..Default::default() };
        let (mv, rv) = (ViewMut::of(&mut mean, statistics).unwrap(), ViewMut::of(&mut rstd, statistics).unwrap());
        let (xv, yv) = (View::of(&data, *x).unwrap(), ViewMut::of(&mut y, *x).unwrap());
        group_forward(&d, &GroupNorm { groups, eps: EPS, silu: false }, xv, &affine, yv, mv, rv)
            .unwrap_err()
            .to_string()
    };
    let x = channels_last(&[2, 6, 2, 2]);
    assert_eq!(forward(4, &x, &[2, 4], 6), "group_norm: 4 groups do not divide 6 channels");
    assert_eq!(forward(0, &x, &[2, 0], 6), "group_norm: 0 groups do not divide 6 channels");
    assert_eq!(forward(3, &x, &[2, 2], 6), "group_norm: mean has shape [2, 2], expected [2, 3]");
    assert_eq!(forward(3, &x, &[2, 3], 5), "group_norm: weight has shape [5], expected [6]");
    let planes = forward(3, &row_major(&[2, 6, 2, 2]), &[2, 3], 6);
    assert_eq!(planes, "group_norm: x must be dense, with the channels last in storage");
}
