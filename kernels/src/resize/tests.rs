use super::*;
use crate::testing::*;

#[test]
fn the_pixels_that_show_a_pixel_are_those_that_it_is_shown_by() {
    for (from, to) in (1..20).flat_map(|from| (1..20).map(move |to| (from, to))) {
        for i in 0..from {
            let (shown, showing) = (Window::Shown { from, to }, Window::Showing { from, to });
            let want: Vec<usize> = (0..to).filter(|&j| shown.range(j) == (i..i + 1)).collect();
            assert_eq!(showing.range(i).collect::<Vec<_>>(), want, "{i} of {from} in {to}");
        }
    }
}

#[test]
fn nearest_and_its_adjoint_over_sizes_and_strides() {
    for (x, y) in [([2, 2], [4, 4]), ([5, 3], [7, 11]), ([7, 8], [3, 8]), ([1, 1], [3, 2]), ([28, 30], [56, 61])] {
        let matrix = |to: [usize; 2], from: [usize; 2]| {
            f64::from(u8::from(to[0] * x[0] / y[0] == from[0] && to[1] * x[1] / y[1] == from[1]))
        };
        windows(x, y, nearest, matrix);
        windows(y, x, nearest_adjoint, |to, from| matrix(from, to));
    }
}

#[test]
fn nothing_cannot_be_shown() {
    let device = devices().next().unwrap();
    let mut y = [0f32; 4];
    let x = View::of::<f32>(&[], row_major(&[0, 2])).unwrap();
    let error = nearest(&device, x, ViewMut::of(&mut y, row_major(&[2, 2])).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "nearest: [0, 2] has no pixel to show in [2, 2]");
}
