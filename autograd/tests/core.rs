//! The promises of the core: second derivatives, errors that say what happened, graphs of any depth.

use autograd::ops::pointwise::Function;
use autograd::{DType, Device, Error, Grad, Kind, Tensor, Var, grad, jvp, linearize, nan_guard};

fn vector(data: &[f64]) -> Var {
    Var::leaf(Tensor::from_slice(&Device::cpu(1), &[data.len()], data).unwrap())
}

fn numbers(x: &Var) -> Vec<f64> {
    x.value().to_f64().unwrap()
}

/// sum of x^3 sin x', with x' the vector turned round: a Hessian that is not diagonal.
fn mixed(x: &Var) -> Result<Var, Error> {
    let n = x.shape()[0];
    let turned = Var::concat(&[&x.narrow(0, 1, n - 1)?, &x.narrow(0, 0, 1)?], 0)?;
    x.mul(&x.square()?)?.mul(&turned.map(Function::Sin)?)?.sum()
}

#[test]
fn hessian_vector_products_agree_with_differences_and_with_each_other() {
    let x = vector(&[0.3, -0.7, 1.1, 0.2]);
    let v = Tensor::from_slice(x.device(), &[4], &[1.0, 0.5, -2.0, 0.25]).unwrap();
    let gradient = |x: &Var, create_graph: bool| {
        let how = Grad { create_graph, ..Grad::default() };
        grad(&mixed(x)?, &[x], how)?.get(0).cloned()
    };
    let forward_over_reverse =
        jvp(&[(&x, v.clone())], |x| Ok(gradient(&x[0], false)?.tangent().cloned())).unwrap().unwrap();
    let pulled = gradient(&x, true).unwrap().mul(&Var::constant(v.clone())).unwrap().sum().unwrap();
    let reverse_over_reverse = grad(&pulled, &[&x], Grad::default()).unwrap().get(0).unwrap().clone();
    let h = 1e-5;
    let at =
        |h: f64| numbers(&gradient(&Var::leaf(Tensor::combine(&[(1.0, x.value()), (h, &v)]).unwrap()), false).unwrap());
    let differences: Vec<f64> = at(h).iter().zip(at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect();
    for i in 0..4 {
        let (a, b, c) = (numbers(&forward_over_reverse)[i], numbers(&reverse_over_reverse)[i], differences[i]);
        assert!((a - c).abs() < 1e-8 && (b - c).abs() < 1e-8, "{a} {b} {c}");
    }
}

#[test]
fn reverse_over_forward_gives_the_same_product() {
    let x = vector(&[0.3, -0.7, 1.1]);
    let v = Tensor::from_slice(x.device(), &[3], &[1.0, 0.5, -2.0]).unwrap();
    let slope = jvp(&[(&x, v.clone())], |x| Ok(mixed(&x[0])?.tangent().cloned())).unwrap().unwrap();
    let product = numbers(grad(&slope, &[&x], Grad::default()).unwrap().get(0).unwrap());
    let first = grad(&mixed(&x).unwrap(), &[&x], Grad { create_graph: true, ..Grad::default() }).unwrap();
    let pulled = first.get(0).unwrap().mul(&Var::constant(v)).unwrap().sum().unwrap();
    let want = numbers(grad(&pulled, &[&x], Grad::default()).unwrap().get(0).unwrap());
    assert!(product.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{product:?} {want:?}");
}

#[test]
fn a_gradient_inside_a_function_is_differentiated_through() {
    // d/dx of |d/dz z^4 at z = 2x|^2 = d/dx (4 (2x)^3)^2 = 12288 x^5 / 2 ... checked against its closed form.
    let x = vector(&[0.5]);
    let z = x.scale(2.0).unwrap();
    let fourth = z.square().unwrap().square().unwrap().sum().unwrap();
    let inner = grad(&fourth, &[&z], Grad { create_graph: true, ..Grad::default() }).unwrap();
    let outer = inner.get(0).unwrap().square().unwrap().sum().unwrap();
    let got = numbers(grad(&outer, &[&x], Grad::default()).unwrap().get(0).unwrap())[0];
    let want = 6.0 * 1024.0 * 0.5f64.powi(5);
    assert!((got - want).abs() < 1e-9, "{got} {want}");
}

#[test]
fn a_third_derivative_says_what_it_does_not_offer() {
    let x = vector(&[0.5]);
    let how = || Grad { create_graph: true, ..Grad::default() };
    let first = grad(&x.silu().unwrap().sum().unwrap(), &[&x], how()).unwrap().get(0).unwrap().clone();
    let second = grad(&first.sum().unwrap(), &[&x], how()).unwrap().get(0).unwrap().clone();
    let error = grad(&second.sum().unwrap(), &[&x], how()).unwrap_err().to_string();
    assert!(error.starts_with("silu: its third derivative is not offered"), "{error}");
}

#[test]
fn a_chain_of_a_million_ops_differentiates_and_drops() {
    // About 250 MB of nodes; on a recursive walk or drop this would overflow the stack.
    let x = vector(&[1.0]);
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.scale(1.000_001).unwrap();
    }
    let gradient = numbers(grad(&y, &[&x], Grad::default()).unwrap().get(0).unwrap())[0];
    assert!((gradient - 1.000_001f64.powi(1_000_000)).abs() < 1e-6, "{gradient}");
    drop(y);
}

#[test]
fn a_second_backward_pass_over_a_freed_graph_is_an_error_that_says_so() {
    let x = vector(&[1.0, 2.0]);
    let y = x.square().unwrap().sum().unwrap();
    grad(&y, &[&x], Grad { retain: true, ..Grad::default() }).unwrap();
    grad(&y, &[&x], Grad::default()).unwrap();
    let error = grad(&y, &[&x], Grad::default()).unwrap_err();
    assert!(matches!(error.kind(), Kind::Freed { op: "sum" | "square", .. }), "{error}");
    assert!(error.to_string().contains("retain: true"), "{error}");
}

#[test]
fn a_saved_value_that_was_updated_in_place_is_an_error() {
    let x = vector(&[1.0, 2.0]);
    let y = x.square().unwrap().sum().unwrap();
    let mut parameter = x.value().clone();
    parameter.accumulate(-0.1, &Tensor::full(x.device(), DType::F64, &[2], 1.0).unwrap()).unwrap();
    let error = grad(&y, &[&x], Grad::default()).unwrap_err();
    assert!(matches!(error.kind(), Kind::Stale { op: "square", .. }), "{error}");
}

#[test]
fn so_is_a_saved_result() {
    let x = vector(&[1.0, 2.0]);
    let y = x.softmax().unwrap();
    let mut result = y.value().clone();
    result.accumulate(-0.1, &Tensor::full(x.device(), DType::F64, &[2], 1.0).unwrap()).unwrap();
    let cotangent = Some(vector(&[1.0, 0.0]).detach());
    let error = grad(&y, &[&x], Grad { cotangent, ..Grad::default() }).unwrap_err();
    assert!(matches!(error.kind(), Kind::Stale { op: "softmax", .. }), "{error}");
}

#[test]
fn the_guard_names_the_first_op_that_left_the_numbers() {
    let x = vector(&[1.0, -2.0]);
    let root = |x: &Var| x.square()?.scale(-1.0)?.sqrt()?.exp()?.sum();
    assert!(numbers(&root(&x).unwrap())[0].is_nan());
    let error = nan_guard(|| root(&x)).unwrap_err();
    assert!(matches!(error.kind(), Kind::NonFinite { op: "sqrt", .. }), "{error}");
    assert!(error.to_string().contains("core.rs"), "{error}");
    assert!(root(&x).is_ok(), "and it ends with what it guards");
    assert!(nan_guard(|| x.exp()?.sum()).is_ok());
}

#[test]
fn a_missing_gradient_is_an_error_that_asks_the_right_question() {
    let (x, unused) = (vector(&[1.0]), vector(&[2.0]));
    let y = x.detach().mul(&x).unwrap().sum().unwrap();
    let gradients = grad(&y, &[&x, &unused], Grad::default()).unwrap();
    assert_eq!(numbers(gradients.get(0).unwrap()), [1.0]);
    let error = gradients.get(1).unwrap_err().to_string();
    assert!(error.contains("is it detached, frozen, or unused?"), "{error}");
}

#[test]
fn a_result_of_many_numbers_wants_a_cotangent_of_its_shape() {
    let x = vector(&[1.0, 2.0]);
    let y = x.square().unwrap();
    assert!(grad(&y, &[&x], Grad::default()).unwrap_err().to_string().contains("needs a cotangent"));
    let wrong = Grad { cotangent: Some(vector(&[1.0, 2.0, 3.0]).detach()), ..Grad::default() };
    assert!(grad(&y, &[&x], wrong).unwrap_err().to_string().contains("[3] does not belong to a value of shape [2]"));
}

#[test]
fn forward_over_forward_is_refused() {
    let x = vector(&[1.0]);
    let one = || Tensor::full(x.device(), DType::F64, &[1], 1.0).unwrap();
    let error = jvp(&[(&x, one())], |x| jvp(&[(&x[0], one())], |x| x[0].square())).unwrap_err().to_string();
    assert!(error.contains("forward over forward is not offered"), "{error}");
}

#[test]
fn a_linear_map_is_the_jacobian_both_ways_and_for_many_directions() {
    let x = Tensor::from_slice(&Device::cpu(1), &[3], &[0.2, -0.4, 0.9]).unwrap();
    let f = |x: &Var| -> Result<Var, Error> {
        let turned = Var::concat(&[&x.narrow(0, 1, 2)?, &x.narrow(0, 0, 1)?], 0)?;
        x.silu()?.mul(&turned.exp()?)?.reshape(&[1, 3])?.softmax()
    };
    let map = linearize(f, &x).unwrap();
    let eye = |n: usize| {
        let data: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i % (n + 1) == 0))).collect();
        Tensor::from_slice(x.device(), &[n, n], &data).unwrap()
    };
    let columns = map.jvp(&eye(3)).unwrap().to_f64().unwrap();
    let rows = map.vjp(&eye(3).reshape(&[3, 1, 3]).unwrap()).unwrap().to_f64().unwrap();
    for i in 0..3 {
        for j in 0..3 {
            assert!((columns[3 * j + i] - rows[3 * i + j]).abs() < 1e-14);
            let moved = |h: f64| {
                let mut data = x.to_f64().unwrap();
                data[j] += h;
                numbers(&f(&Var::constant(Tensor::from_slice(x.device(), &[3], &data).unwrap())).unwrap())[i]
            };
            assert!((rows[3 * i + j] - (moved(1e-5) - moved(-1e-5)) / 2e-5).abs() < 1e-9);
        }
    }
    let nothing = linearize(|x| Ok(x.detach()), &x).unwrap();
    assert_eq!(nothing.vjp(&x).unwrap().to_f64().unwrap(), [0.0; 3]);
}
