use super::*;
use crate::testing::{devices, elementwise, row_major, singles};

/// Rounding of K products and sums, in any fusion.
fn close(c: &[f64]) -> impl Fn(f64, f64, &[f64], f64) -> bool {
    move |got, want, x, eps| {
        let scale: f64 = c.iter().zip(x).map(|(c, x)| (c * x).abs()).sum();
        (got - want).abs() <= 4.0 * (c.len() as f64).sqrt() * eps * (scale + want.abs())
    }
}

#[test]
fn few_and_many_terms_over_shapes_and_strides() {
    const C: [f64; TERMS] = [0.5, -1.25, 3.0, 0.1, -0.7, 2.0, 1.0, -1.0];
    for n in [1, 2, 3, TERMS] {
        let exact = C.map(|c| f64::from(c as f32));
        let run = |d: &Device, x: &[View], y: ViewMut| {
            let terms: Vec<(f64, View)> = exact.into_iter().zip(x.iter().copied()).collect();
            forward(d, &terms, y)
        };
        let want = |x: &[f64], _| x.iter().zip(exact).map(|(x, c)| c * x).sum();
        elementwise(n, singles, run, want, close(&exact[..n]));
    }
}

#[test]
fn coefficients_of_a_table_are_those_given() {
    let (table, x) = ([9.0, 0.5, -1.25, 3.0], [1f32, -2.0, 0.3]);
    let view = |layout| View::of(&table, layout).unwrap();
    let inner = Layout { offset: 1, ..row_major(&[3]) };
    let terms = [View::of(&x, row_major(&[3])).unwrap(); 3];
    for device in devices() {
        let (mut by_table, mut given) = ([0f32; 3], [0f32; 3]);
        forward_by(&device, view(inner), &terms, ViewMut::of(&mut by_table, row_major(&[3])).unwrap()).unwrap();
        let of_launch = [(0.5, terms[0]), (-1.25, terms[1]), (3.0, terms[2])];
        forward(&device, &of_launch, ViewMut::of(&mut given, row_major(&[3])).unwrap()).unwrap();
        assert_eq!(by_table, given);
        let short =
            forward_by(&device, view(row_major(&[2])), &terms, ViewMut::of(&mut given, row_major(&[3])).unwrap());
        let said = short.unwrap_err().to_string();
        assert_eq!(said, "combine_by: 3 terms, a table [2]; between 1 and 8 of each");
    }
}

#[test]
fn accumulate_over_shapes_and_strides() {
    let c = f64::from(-0.3f32);
    elementwise(1, singles, |d, x, y| accumulate(d, c, x[0], y), |x, y| y + c * x[0], close(&[c]));
}

#[test]
fn wrong_operands_are_errors() {
    let (data, mut out) = (vec![0f32; 6], vec![0f32; 6]);
    let (two, three) = (row_major(&[2]), row_major(&[3]));
    for device in devices() {
        let x = View::of(&data, three).unwrap();
        let none = forward(&device, &[], ViewMut::of(&mut out, three).unwrap());
        assert_eq!(none.unwrap_err().to_string(), "combine: 0 terms; between 1 and 8 are taken");
        let shape = forward(&device, &[(1.0, x)], ViewMut::of(&mut out, two).unwrap());
        assert_eq!(shape.unwrap_err().to_string(), "combine: an operand of shape [3] for a result of shape [2]");
        let one = row_major(&[1]).broadcast(three.shape).unwrap();
        let repeated = accumulate(&device, 1.0, x, ViewMut::of(&mut out, one).unwrap());
        assert_eq!(repeated.unwrap_err().to_string(), "accumulate: the result must be free of repeated elements");
        let bytes = View::new(bytemuck::cast_slice(&data), DType::U8, three).unwrap();
        assert!(accumulate(&device, 1.0, bytes, ViewMut::of(&mut out, three).unwrap()).is_err());
    }
}
