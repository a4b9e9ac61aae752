use super::*;
use crate::testing::*;

/// Row-major position of the element of the whole that element `i` of the picked comes from.
fn source(i: usize, axis: usize, whole: &[usize], index: &[i64]) -> usize {
    let inner: usize = whole[axis + 1..].iter().product();
    let (outer, j, rest) = (i / inner / index.len(), i / inner % index.len(), i % inner);
    (outer * whole[axis] + index[j] as usize) * inner + rest
}

fn check<T: Real>(devices: &[Device], axis: usize, whole: Layout, index: &[i64], picked: Layout) {
    let numbers = |seed, layout: &Layout| -> Vec<T> {
        singles(seed, layout.end()).into_iter().map(|x| T::from_f64(f64::from(x))).collect()
    };
    let (x, g) = (numbers(1, &whole), numbers(2, &picked));
    let (wholes, pickeds) = (places(&whole), places(&picked));
    // Every second element of a longer buffer, to see that the stride of the indices counts.
    let wide: Vec<i64> = index.iter().flat_map(|&v| [v, -1]).collect();
    let mut spread = row_major(&[index.len()]);
    spread.strides[0] = 2;
    let mut sums = vec![T::default(); whole.count()];
    for (i, &place) in pickeds.iter().enumerate() {
        sums[source(i, axis, &whole.shape, index)] += g[place];
    }
    for (device, edge) in devices.iter().flat_map(|device| [(device, Edge::Start), (device, Edge::End)]) {
        let (x, g) = (Guarded::new(&x, edge), Guarded::new(&g, edge));
        let index_view = View::of(&wide, spread).unwrap();
        let mut y = Guarded::new(&vec![T::from_f64(0.5); picked.end()], edge);
        forward(device, axis, View::of(&x, whole).unwrap(), index_view, ViewMut::of(&mut y, picked).unwrap()).unwrap();
        for (i, &place) in pickeds.iter().enumerate() {
            assert_eq!(y[place], x[wholes[source(i, axis, &whole.shape, index)]], "{}", name(device));
        }
        let mut dx = Guarded::new(&vec![T::from_f64(0.5); whole.end()], edge);
        let into = ViewMut::of(&mut dx, whole).unwrap();
        scatter_add(device, axis, View::of(&g, picked).unwrap(), index_view, into).unwrap();
        for (sum, &place) in sums.iter().zip(&wholes) {
            assert_eq!(dx[place], *sum, "{}: in ascending order, bit for bit", name(device));
        }
    }
}

#[test]
fn every_axis_over_shapes_and_strides() {
    let devices: Vec<Device> = devices().collect();
    let shapes: [&[usize]; 6] = [&[5], &[7, 3], &[3, 4, 5], &[2, 5, 3, 4], &[40, 65], &[10, 3000]];
    for sizes in shapes {
        for axis in 0..sizes.len() {
            for count in [0, 1, 4, 33] {
                let index: Vec<i64> = (0..count).map(|j| (j * j + 3 * j) % sizes[axis] as i64).collect();
                let mut shape = sizes.to_vec();
                shape[axis] = index.len();
                for (whole, picked) in layouts(sizes).into_iter().zip(layouts(&shape).into_iter().rev()) {
                    check::<f32>(&devices, axis, whole, &index, picked);
                    check::<f64>(&devices[..2], axis, whole, &index, picked);
                }
            }
        }
    }
}

#[test]
fn an_index_outside_is_named_and_nothing_is_written() {
    let (x, mut y) = ([1f32; 6], [7f32; 4]);
    for device in devices() {
        for bad in [3, -1, i64::MAX] {
            let index = [0i64, bad];
            let (x, index) = (View::of(&x, row_major(&[3, 2])).unwrap(), View::of(&index, row_major(&[2])).unwrap());
            let error = forward(&device, 0, x, index, ViewMut::of(&mut y, row_major(&[2, 2])).unwrap()).unwrap_err();
            assert_eq!(error.to_string(), format!("gather: index {bad} at position 1 is outside 0..3"));
        }
        let index = View::of(&[0i64], row_major(&[1])).unwrap();
        let (x, y) = (View::of(&x, row_major(&[3, 2])).unwrap(), ViewMut::of(&mut y, row_major(&[2, 2])).unwrap());
        let error = forward(&device, 0, x, index, y).unwrap_err();
        assert_eq!(error.to_string(), "gather: [1] indices along axis 0 of [3, 2] do not give [2, 2]");
    }
    assert_eq!(y, [7.0; 4]);
}
