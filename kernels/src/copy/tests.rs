use super::*;
use crate::testing::*;

#[test]
fn copies_over_shapes_and_strides() {
    elementwise(1, singles, |d, x, y| copy(d, x[0], y), |x, _| x[0], |got, want, _, _| got == want);
}

#[test]
fn fills_over_shapes_and_strides() {
    elementwise(0, singles, |d, _, y| fill(d, -0.75, y), |_, _| -0.75, |got, want, _, _| got == want);
}

#[test]
fn transposes_are_exact_at_every_size() {
    for device in devices() {
        for (height, width) in [(4, 4), (5, 7), (16, 8), (17, 33), (64, 100), (300, 301)] {
            for batch in [1, 3] {
                let sizes = [batch, height, width];
                let x: Vec<i64> = (0..batch * height * width).map(|i| i as i64).collect();
                let (from, to) = (row_major(&sizes), Layout::in_order(from_sizes(&sizes), &[0, 2, 1]));
                for edge in [Edge::Start, Edge::End] {
                    let (guarded, mut y) = (Guarded::new(&x, edge), Guarded::new(&vec![-1i64; x.len()], edge));
                    copy(&device, View::of(&guarded, from).unwrap(), ViewMut::of(&mut y, to).unwrap()).unwrap();
                    let want = places(&from).into_iter().zip(places(&to));
                    assert!(want.clone().all(|(from, to)| y[to] == x[from]), "{} {sizes:?}", name(&device));
                }
            }
        }
    }
}

fn from_sizes(sizes: &[usize]) -> crate::Dims {
    crate::Dims::new(sizes).unwrap()
}

fn casted<X: Element, Y: Element>(x: &[X]) -> Vec<Y> {
    let layout = row_major(&[x.len()]);
    let mut all = devices().map(|device| {
        let mut y = vec![Y::zeroed(); x.len()];
        cast(&device, View::of(x, layout).unwrap(), ViewMut::of(&mut y, layout).unwrap()).unwrap();
        y
    });
    let first = all.next().unwrap();
    assert!(all.all(|other| bytemuck::cast_slice::<Y, u8>(&other) == bytemuck::cast_slice::<Y, u8>(&first)));
    first
}

#[test]
fn floats_to_integers_truncate_and_saturate() {
    let x = [-1e30f32, -1.5, -0.9, 0.9, 1.5, 254.9, 255.0, 300.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    assert_eq!(casted::<f32, u8>(&x), [0, 0, 0, 0, 1, 254, 255, 255, 255, 0, 0]);
    let wide: Vec<i64> = casted(&x);
    assert_eq!(wide, [i64::MIN, -1, 0, 0, 1, 254, 255, 300, i64::MAX, i64::MIN, 0]);
    assert_eq!(casted::<bf16, i64>(&[bf16::from_f32(-3.75)]), [-3]);
    assert_eq!(casted::<i64, u8>(&[-1, 0, 255, 256, i64::MAX]), [0, 0, 255, 255, 255]);
    assert_eq!(casted::<i64, i64>(&[i64::MAX, i64::MIN + 1]), [i64::MAX, i64::MIN + 1]);
}

/// Every bf16 and f16, the midpoints between neighbours, and a hair to each side of them, from f64 and f32.
#[test]
fn floats_to_halves_round_once_to_nearest_even() {
    for bits in 0..0x7c00u16 {
        check_between(f16::from_bits(bits).to_f64(), f16::from_bits(bits + 1).to_f64(), bits, |x| {
            f16::round(x).to_bits()
        });
    }
    for bits in 0..0x7f80u16 {
        check_between(bf16::from_bits(bits).to_f64(), bf16::from_bits(bits + 1).to_f64(), bits, |x| {
            bf16::round(x).to_bits()
        });
    }
}

fn check_between(low: f64, high: f64, bits: u16, to: impl Fn(f64) -> u16) {
    assert_eq!(to(low), bits);
    if high.is_finite() {
        let middle = (low + high) / 2.0;
        let even = bits + bits % 2;
        let hair = f64::from_bits(1 << 52).max(middle * f64::EPSILON);
        assert_eq!([to(middle), to(middle - hair), to(middle + hair)], [even, bits, bits + 1], "{low} {high}");
        assert_eq!(to(-middle), even | 0x8000);
    }
}

#[test]
fn integers_to_floats_round_once() {
    let x: Vec<i64> =
        (0..62).flat_map(|bit| [-3, -1, 0, 1, 3].map(|step| (1i64 << bit) + (1i64 << bit >> 24) + step)).collect();
    let x: Vec<i64> = x.iter().flat_map(|&x| [x, -x]).collect();
    let want: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    assert_eq!(casted::<i64, f32>(&x), want);
    assert_eq!(casted::<i64, f64>(&x), x.iter().map(|&x| x as f64).collect::<Vec<_>>());
    // Just above the middle of two bf16: 2^60 (1 + 2^-8) + 1 goes up, where a detour through f64 would find a tie.
    assert_eq!(
        casted::<i64, bf16>(&[(1 << 60) + (1 << 52) + 1]),
        [bf16::from_f64((1u64 << 60) as f64 * (1.0 + 1.0 / 128.0))]
    );
}

/// Between guard pages, whatever the strides; what lies between the elements of the result stays as it was.
fn check_strides<X: Element, Y: Element>(x: impl Fn(usize) -> X, want: impl Fn(X) -> Y, other: Y) {
    for sizes in SHAPES {
        for (from, to) in input_layouts(sizes).into_iter().zip(layouts(sizes).into_iter().cycle()) {
            let x: Vec<X> = (0..from.end()).map(&x).collect();
            let mut expected = vec![other; to.end()];
            places(&from).into_iter().zip(places(&to)).for_each(|(from, to)| expected[to] = want(x[from]));
            for (device, edge) in devices().flat_map(|device| [(device.clone(), Edge::Start), (device, Edge::End)]) {
                let (x, mut y) = (Guarded::new(&x, edge), Guarded::new(&vec![other; to.end()], edge));
                cast(&device, View::of(&x, from).unwrap(), ViewMut::of(&mut y, to).unwrap()).unwrap();
                assert!(y[..] == expected[..], "{:?} to {:?}, {}", X::DTYPE, Y::DTYPE, name(&device));
            }
        }
    }
}

#[test]
fn casts_take_any_strides() {
    check_strides(|i| (i * 7) as u8, f32::from, -1.0);
    check_strides(|i| i as i64 - 9, |x| x as f32, 0.5);
    check_strides(|i| bf16::from_f32(i as f32 / 3.0), f32::from, -1.0);
    check_strides(|i| f16::from_f32(i as f32 / 3.0), f32::from, -1.0);
    check_strides(|i| i as f32 / 3.0 - 5.0, bf16::from_f32, bf16::NEG_INFINITY);
    check_strides(|i| i as f32 / 7.0 - 5.0, f16::from_f32, f16::NEG_INFINITY);
    check_strides(|i| i as f64 / 3.0 - 5.0, |x| x as f32, 99.0);
    check_strides(|i| i as f32 / 3.0 - 5.0, f64::from, 99.0);
}

#[test]
fn a_copy_does_not_convert() {
    let (x, mut y) = ([1f32], [1f64]);
    let layout = row_major(&[1]);
    let result = copy(
        &Device::Cpu(std::sync::Arc::new(CpuContext::new(1, crate::cpu::Isa::Portable))),
        View::of(&x, layout).unwrap(),
        ViewMut::of(&mut y, layout).unwrap(),
    );
    assert_eq!(result.unwrap_err().to_string(), "copy: got f32, expected f64");
}
