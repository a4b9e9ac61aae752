//! Against the definition by indices: every path, at guard pages, over strides, threads, overlaps and gaps.

use super::*;
use crate::Real;
use crate::testing::*;

fn cases() -> Vec<Patches> {
    let new = |canvas, size, offsets: &[[usize; 2]]| Patches::new(canvas, size, offsets).unwrap();
    vec![
        new([7, 9], [3, 4], &[[0, 0], [2, 3], [4, 5], [2, 3], [1, 1]]),
        new([1, 40], [1, 17], &[[0, 23], [0, 0], [0, 11]]),
        new([5, 3], [5, 3], &[[0, 0]]),
        new([4, 4], [1, 1], &[[3, 3], [0, 2]]),
        new([3, 2], [2, 2], &[]),
        Patches::grid([33, 29], [8, 8], [4, 5]).unwrap(),
    ]
}

/// Places, row-major, of windows, canvas and shares that belong together, windows in ascending order.
fn meetings(p: &Patches, lead: usize, channels: usize) -> Vec<[usize; 3]> {
    let (mut all, [height, width], [h, w]) = (vec![], p.canvas(), p.size());
    let count = p.offsets().len();
    for (n, &[top, left]) in p.offsets().iter().enumerate() {
        for outer in 0..lead * channels {
            let (l, c) = (outer / channels, outer % channels);
            for (i, j) in (0..h).flat_map(|i| (0..w).map(move |j| (i, j))) {
                let window = (((l * count + n) * channels + c) * h + i) * w + j;
                let canvas = (outer * height + top + i) * width + left + j;
                all.push([window, canvas, (n * h + i) * w + j]);
            }
        }
    }
    all
}

type Op = fn(&Device, &Patches, Option<View>, View, ViewMut) -> Result;

fn check<T: Real>(devices: &[Device], p: &Patches, canvas: &Layout, windows: &Layout, meetings: &[[usize; 3]]) {
    let draw =
        |seed, count| -> Vec<T> { numbers(seed, count).into_iter().map(|x| T::from_f64(x as f32 as f64)).collect() };
    let layout = row_major(&[p.offsets().len(), p.size()[0], p.size()[1]]);
    let (canvas_data, window_data, shares) = (draw(1, canvas.end()), draw(2, windows.end()), draw(3, layout.count()));
    let (at_canvas, at_windows) = (places(canvas), places(windows));
    for shared in [false, true] {
        let share = |place: usize| if shared { shares[place] } else { T::from_f64(1.0) };
        let (mut taken, mut sums) = (vec![T::default(); at_windows.len()], vec![T::default(); at_canvas.len()]);
        for &[window, place, at] in meetings {
            taken[window] = canvas_data[at_canvas[place]] * share(at);
            sums[place] += window_data[at_windows[window]] * share(at);
        }
        for (device, edge) in devices.iter().flat_map(|device| [(device, Edge::Start), (device, Edge::End)]) {
            let run = |op: Op, x, from, to: &Layout| {
                let (x, shares) = (Guarded::<T>::new(x, edge), Guarded::new(&shares, edge));
                let mut y = Guarded::new(&vec![T::from_f64(0.5); to.end()], edge);
                let shares = shared.then(|| View::of(&shares, layout).unwrap());
                op(device, p, shares, View::of(&x, from).unwrap(), ViewMut::of(&mut y, *to).unwrap()).unwrap();
                let mut between = vec![true; y.len()];
                places(to).into_iter().for_each(|place| between[place] = false);
                assert!((0..y.len()).all(|i| !between[i] || y[i] == T::from_f64(0.5)), "wrote between");
                y.to_vec()
            };
            let got = run(gather, &canvas_data, *canvas, windows);
            assert!(at_windows.iter().zip(&taken).all(|(&at, want)| got[at] == *want), "gather, {}", name(device));
            let got = run(scatter, &window_data, *windows, canvas);
            let fits = at_canvas.iter().zip(&sums).all(|(&at, want)| got[at] == *want);
            assert!(fits, "scatter in the order of the windows, bit for bit, {}", name(device));
        }
    }
}

#[test]
fn both_ways_are_the_definition_over_paths_strides_threads_and_guard_pages() {
    let devices: Vec<Device> = devices().collect();
    for p in cases() {
        let ([height, width], [h, w], count) = (p.canvas(), p.size(), p.offsets().len());
        for (lead, channels) in [(&[][..], 1), (&[2], 3), (&[2, 3], 2), (&[0], 2), (&[3], 17), (&[1], 0)] {
            let canvas = layouts(&[lead, &[channels, height, width]].concat());
            let windows = layouts(&[lead, &[count, channels, h, w]].concat());
            let meetings = meetings(&p, lead.iter().product(), channels);
            for (round, (canvas, windows)) in canvas.iter().zip(windows.iter().rev()).enumerate() {
                check::<f32>(&devices, &p, canvas, windows, &meetings);
                if round < 2 {
                    check::<f64>(&devices[..2], &p, canvas, windows, &meetings);
                }
            }
            check::<f32>(&devices, &p, &canvas[0], &windows[0], &meetings);
            check::<f32>(&devices, &p, &canvas[1], &windows[1], &meetings);
        }
    }
}

#[test]
fn the_windows_of_a_canvas_average_to_it() {
    // Of half the size, one, two and four windows meet, and parts of powers of two have no error.
    for (size, stride, exact) in [([8, 8], [4, 4], true), ([8, 6], [3, 2], false), ([16, 16], [16, 16], true)] {
        let p = Patches::grid([16, 16], size, stride).unwrap();
        let taper: Vec<f64> = (0..size[0] * size[1]).map(|i| 1.0 + (i % size[1]).min(3) as f64).collect();
        for (weights, exact) in [(None, exact), (Some(&taper[..]), false)] {
            let shares: Vec<f32> = p.shares(weights).unwrap().into_iter().map(|share| share as f32).collect();
            let count = p.offsets().len();
            let (canvas, windows) = (row_major(&[2, 3, 16, 16]), row_major(&[2, count, 3, size[0], size[1]]));
            let x = singles(5, canvas.count());
            for device in devices() {
                let (mut seen, mut mean) = (vec![0.0f32; windows.count()], vec![0.0f32; canvas.count()]);
                gather(&device, &p, None, View::of(&x, canvas).unwrap(), ViewMut::of(&mut seen, windows).unwrap())
                    .unwrap();
                let shares = View::of(&shares, row_major(&[count, size[0], size[1]])).unwrap();
                let (from, to) = (View::of(&seen, windows).unwrap(), ViewMut::of(&mut mean, canvas).unwrap());
                scatter(&device, &p, Some(shares), from, to).unwrap();
                for (mean, x) in mean.iter().zip(&x) {
                    // Of a part, a product and a sum for each of at most 12 windows.
                    let allowed = if exact { 0.0 } else { 0.5 * f32::EPSILON * 3.0 * 12.0 * x.abs() };
                    assert!((mean - x).abs() <= allowed, "{size:?} {stride:?}: {mean}, {x}");
                }
            }
        }
    }
}

#[test]
fn a_grid_ends_with_the_canvas() {
    let p = Patches::grid([10, 7], [4, 4], [3, 2]).unwrap();
    let rows: Vec<usize> = p.offsets().iter().map(|at| at[0]).step_by(3).collect();
    assert_eq!((rows, p.offsets()[..3].to_vec()), (vec![0, 3, 6], vec![[0, 0], [0, 2], [0, 3]]));
    assert_eq!(Patches::grid([4, 5], [4, 5], [1, 1]).unwrap().offsets(), [[0, 0]]);
}

#[test]
fn what_is_not_taken_is_said() {
    let said = |p: Result<Patches>| p.unwrap_err().to_string();
    let leaves = said(Patches::new([8, 9], [4, 4], &[[0, 0], [4, 6]]));
    assert_eq!(leaves, "patches: window 1 of [4, 4] pixels at [4, 6] leaves the canvas of [8, 9]");
    assert!(said(Patches::new([8, 9], [4, 4], &[[usize::MAX, 0]])).contains("window 0"));
    assert!(said(Patches::new([8, 9], [0, 4], &[])).contains("[0, 4] have no pixels"));
    assert!(said(Patches::grid([8, 9], [4, 4], [0, 1])).contains("[0, 1] apart"));
    assert!(said(Patches::grid([8, 9], [4, 10], [1, 1])).contains("[4, 10]"));

    let p = Patches::new([4, 4], [2, 2], &[[0, 0], [2, 1]]).unwrap();
    let error = |weights: Option<&[f64]>| p.shares(weights).unwrap_err().to_string();
    assert_eq!(error(None), "patches: pixel [0, 2] of the canvas is in none of the 2 windows");
    assert!(error(Some(&[1.0])).contains("1 weights for windows of 2 x 2"));
    let p = Patches::new([2, 2], [2, 2], &[[0, 0]]).unwrap();
    let error = p.shares(Some(&[1.0, 1.0, 0.0, 1.0])).unwrap_err().to_string();
    assert_eq!(error, "patches: the weights of pixel [1, 0] of the canvas sum to 0");

    let (x, mut y, device) = (vec![0.0f32; 64], vec![0.0f32; 64], devices().next().unwrap());
    let mut said = |canvas: &[usize], windows: &[usize], shares: Option<&[usize]>| {
        let shares = shares.map(|shape| View::of(&x, row_major(shape)).unwrap());
        let (canvas, windows) =
            (View::of(&x, row_major(canvas)).unwrap(), ViewMut::of(&mut y, row_major(windows)).unwrap());
        gather(&device, &p, shares, canvas, windows).unwrap_err().to_string()
    };
    assert!(said(&[3, 2, 3], &[1, 3, 2, 2], None).contains("[.., channels, 2, 2]"));
    assert!(said(&[2, 2], &[1, 2, 2], None).contains("a canvas of [2, 2]"));
    assert!(said(&[3, 2, 2], &[2, 3, 2, 2], None).contains("expected [1, 3, 2, 2]"));
    assert!(said(&[3, 2, 2], &[1, 3, 2, 2], Some(&[2, 2])).contains("the shares"));
}
