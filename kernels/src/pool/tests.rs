use super::*;
use crate::testing::*;

#[test]
fn average_and_its_adjoint_over_windows_and_strides() {
    let cases = [
        ([2, 2], [2, 2], [6, 8]),
        ([2, 2], [2, 2], [5, 7]),
        ([3, 2], [1, 1], [5, 7]),
        ([3, 3], [2, 2], [8, 9]),
        ([2, 1], [3, 4], [9, 9]),
        ([4, 4], [4, 4], [4, 4]),
        ([2, 2], [2, 2], [56, 60]),
    ];
    for (kernel, stride, input) in cases {
        let pool = Pool { kernel, stride };
        let output = pool.size(input).unwrap();
        let inside = |to: [usize; 2], from: [usize; 2], axis: usize| {
            (to[axis] * stride[axis]..to[axis] * stride[axis] + kernel[axis]).contains(&from[axis])
        };
        let matrix = |to, from| f64::from(u8::from(inside(to, from, 0) && inside(to, from, 1))) * pool.scale();
        windows(input, output, |d, x, y| average(d, &pool, x, y), matrix);
        windows(output, input, |d, g, dx| average_adjoint(d, &pool, g, dx), |to, from| matrix(from, to));
    }
}

#[test]
fn windows_that_do_not_fit_are_errors() {
    let pool = |kernel, stride| Pool { kernel, stride };
    let error = pool([3, 3], [1, 1]).size([2, 5]).unwrap_err();
    assert_eq!(error.to_string(), "average_pool: a window of [3, 3] does not fit into [2, 5]");
    assert!(pool([3, 0], [1, 1]).size([4, 5]).is_err() && pool([1, 1], [0, 1]).size([4, 5]).is_err());
    let (device, x, mut y) = (devices().next().unwrap(), [0f32; 16], [0f32; 16]);
    let (from, to) = (View::of(&x, row_major(&[4, 4])).unwrap(), ViewMut::of(&mut y, row_major(&[4, 4])).unwrap());
    let error = average(&device, &pool([2, 2], [2, 2]), from, to).unwrap_err();
    assert_eq!(error.to_string(), "average_pool: the result has [4, 4] pixels, expected [2, 2]");
}
