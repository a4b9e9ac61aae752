use super::*;
use crate::Dims;
use crate::cpu::Isa;
use crate::testing::*;

const SIZES: [&[usize]; 9] =
    [&[], &[0], &[3, 0, 2], &[1], &[700], &[33, 17], &[2, 3, 40, 11], &[300, 3, 5], &[2, 517, 19]];

/// Every subset of axes, as the shape they leave.
fn reduced_shapes(sizes: &[usize]) -> impl Iterator<Item = Dims> {
    (0..1usize << sizes.len()).map(|subset| {
        let mut shape = Dims::new(sizes).unwrap();
        (0..sizes.len()).filter(|axis| subset >> axis & 1 == 1).for_each(|axis| shape[axis] = 1);
        shape
    })
}

fn run_sum(device: &Device, x: View, y: ViewMut) -> Result {
    let mut scratch = vec![0xffu8; sum_scratch(device, x.layout(), y.layout(), x.dtype())];
    sum(device, x, y, (&mut scratch[..]).into())
}

/// What is wanted of every element of `y`, with the sum of sizes and the number of terms.
fn wanted(x: &[f64], from: &Layout, to: &Layout, f: impl Fn(f64, f64) -> f64, start: f64) -> Vec<(f64, f64, usize)> {
    let (shape, mut all) = (to.shape, vec![(start, 0.0, 0); to.count()]);
    for (i, place) in places(from).into_iter().enumerate() {
        let (mut rest, mut at, mut step) = (i, 0, 1);
        for axis in (0..shape.len()).rev() {
            at += rest % from.shape[axis] % shape[axis] * step;
            rest /= from.shape[axis];
            step *= shape[axis];
        }
        let (value, size, terms) = &mut all[at];
        *value = f(*value, x[place]);
        *size += x[place].abs();
        *terms += 1;
    }
    all
}

fn check<T: crate::Real>(devices: &[Device], from: &Layout, to: &Layout) {
    let x: Vec<T> = singles(7, from.end()).into_iter().map(|x| T::from_f64(f64::from(x))).collect();
    let wide: Vec<f64> = x.iter().map(|x| x.to_f64()).collect();
    let sums = wanted(&wide, from, to, |a, b| a + b, 0.0);
    let maxima = wanted(&wide, from, to, f64::max, f64::NEG_INFINITY);
    let eps = if T::DTYPE == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let mut bits: Option<(Isa, Vec<T>)> = None;
    for (device, edge) in devices.iter().flat_map(|device| [(device, Edge::Start), (device, Edge::End)]) {
        let x = Guarded::new(&x, edge);
        let mut y = Guarded::new(&vec![T::from_f64(0.5); to.end()], edge);
        run_sum(device, View::of(&x, *from).unwrap(), ViewMut::of(&mut y, *to).unwrap()).unwrap();
        for (place, (want, size, terms)) in places(to).into_iter().zip(&sums) {
            let (got, allowed) = (y[place].to_f64(), 4.0 * (*terms as f64).sqrt() * eps * size);
            assert!((got - want).abs() <= allowed, "{}: {from:?} to {to:?}: {got}, {want}", name(device));
        }
        let Device::Cpu(cpu) = device else { unreachable!() };
        match &bits {
            Some((isa, first)) if *isa == cpu.isa => assert!(first[..] == y[..], "{}: bits", name(device)),
            _ => bits = Some((cpu.isa, y.to_vec())),
        }
        max(device, View::of(&x, *from).unwrap(), ViewMut::of(&mut y, *to).unwrap()).unwrap();
        for (place, (want, ..)) in places(to).into_iter().zip(&maxima) {
            assert_eq!(y[place].to_f64(), *want, "{}: max of {from:?} to {to:?}", name(device));
        }
    }
}

#[test]
fn every_subset_of_axes_over_shapes_and_strides() {
    let devices: Vec<Device> = devices().collect();
    for sizes in SIZES {
        for (round, from) in input_layouts(sizes).into_iter().enumerate() {
            for shape in reduced_shapes(sizes) {
                let to = layouts(&shape);
                let to = to[round % to.len()];
                check::<f32>(&devices, &from, &to);
                check::<f64>(&devices[..1], &from, &to);
            }
        }
    }
}

#[test]
fn large_sums_run_in_parallel_with_the_same_bits() {
    let devices: Vec<Device> = devices().collect();
    for (sizes, shape) in
        [(&[300_001][..], &[1][..]), (&[3, 70_000], &[3, 1]), (&[4000, 70], &[1, 70]), (&[2, 150_000], &[1, 150_000])]
    {
        check::<f32>(&devices, &row_major(sizes), &row_major(shape));
    }
}

#[test]
fn a_million_terms_lose_a_few_bits_only() {
    let x: Vec<f32> = singles(3, 1 << 20).into_iter().map(|x| 1.0 + 0.5 * x).collect();
    let want: f64 = x.iter().map(|&x| f64::from(x)).sum();
    for device in devices() {
        let mut y = [0f32];
        let (from, to) = (row_major(&[1 << 20]), row_major(&[1]));
        run_sum(&device, View::of(&x, from).unwrap(), ViewMut::of(&mut y, to).unwrap()).unwrap();
        let error = (f64::from(y[0]) - want).abs() / want;
        assert!(error <= 2.0 * f64::from(f32::EPSILON), "{}: {error:e}", name(&device));
    }
}

/// The terms alone decide the bits: not the storage order of the other axes, nor how many there are.
#[test]
fn a_result_does_not_depend_on_its_neighbours() {
    for terms in [1, 3, 16, 37, 255, 256, 257, 1000, 3000] {
        for batch in [1, 2, 5, 16, 19, 40] {
            let x = singles(5, terms * batch);
            let rows = row_major(&[batch, terms]);
            let columns = Layout::in_order(rows.shape, &[1, 0]);
            let mut turned = x.clone();
            places(&rows).into_iter().zip(places(&columns)).for_each(|(from, to)| turned[to] = x[from]);
            for device in devices() {
                let reduce = |x: &[f32], from: Layout| {
                    let mut y = vec![0f32; from.shape[0]];
                    let to = row_major(&[from.shape[0], 1]);
                    run_sum(&device, View::of(x, from).unwrap(), ViewMut::of(&mut y, to).unwrap()).unwrap();
                    y
                };
                let (along, across) = (reduce(&x, rows), reduce(&turned, columns));
                let alone: Vec<f32> = x.chunks(terms).map(|row| reduce(row, row_major(&[1, terms]))[0]).collect();
                assert_eq!(along, across, "{} {terms} {batch}", name(&device));
                assert_eq!(along, alone, "{} {terms} {batch}", name(&device));
            }
        }
    }
}

#[test]
fn nan_stays_in_a_maximum_wherever_it_is() {
    for device in devices() {
        for at in 0..300 {
            let mut x = singles(1, 600);
            x[at] = f32::NAN;
            for (sizes, shape) in [([600, 1], [1, 1]), ([300, 2], [1, 2])] {
                let mut y = [0f32; 2];
                let (from, to) = (row_major(&sizes), row_major(&shape));
                max(&device, View::of(&x, from).unwrap(), ViewMut::of(&mut y, to).unwrap()).unwrap();
                assert!(y[at % sizes[1]].is_nan() && !y[1].is_nan() | (at % 2 == 1), "{} {at}", name(&device));
            }
        }
    }
}

#[test]
fn shapes_that_do_not_reduce_are_errors() {
    let (x, mut y) = ([0f32; 6], [0f32; 6]);
    let device = devices().next().unwrap();
    let result =
        run_sum(&device, View::of(&x, row_major(&[2, 3])).unwrap(), ViewMut::of(&mut y, row_major(&[2, 2])).unwrap());
    assert_eq!(
        result.unwrap_err().to_string(),
        "sum: [2, 3] does not reduce to [2, 2]: every size must stay or become 1"
    );
    let (x, layout) = (vec![0f32; 1000], row_major(&[1000]));
    let result = sum(
        &device,
        View::of(&x, layout).unwrap(),
        ViewMut::of(&mut y, row_major(&[1])).unwrap(),
        (&mut [][..]).into(),
    );
    assert!(matches!(result, Err(KernelError::Buffer { .. })));
}
