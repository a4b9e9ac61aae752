//! The one helper that tests an op: [`check_op`] takes a row of data and checks every promise.
//!
//! Value: f32 against f64 (whose kernels are the plain reference loops), within `factor eps (|y| + f(|x|))`. Derivatives, in
//! f64: `jvp` against central differences, `vjp` against `jvp`, second derivatives by reverse over reverse and forward over
//! reverse against differences of the first; in f32: gradients against the f64 ones. Bits, in f32, of value and gradients:
//! two threads, `k` directions against `k` single ones, a row of a batch against the row alone. All of it on row-major,
//! channels-last and strided operands. A new op is new rows.

mod device;
mod measure;

pub use device::check_op_on;

use crate::backward::{Grad, grad};
use crate::error::{Error, Result};
use crate::var::{Var, jvp};
use measure::{Measured, agree, bits, differences, inner};
use std::sync::Arc;
use tensor::{DType, Device, Tensor};

type Function = Arc<dyn Fn(&[Var]) -> Result<Var> + Send + Sync>;

/// One row: a function of `Var`s and the shapes to try it on.
#[derive(Clone)]
pub struct Case {
    f: Function,
    shapes: Vec<Vec<usize>>,
    range: (f64, f64),
    factor: f64,
    cancels: bool,
    second: bool,
    batched: Vec<usize>,
    single: Vec<usize>,
}

/// A row for `f`, which makes constants it needs in the dtype and on the device of its inputs.
pub fn case(f: impl Fn(&[Var]) -> Result<Var> + Send + Sync + 'static) -> Case {
    Case {
        f: Arc::new(f),
        shapes: vec![],
        range: (-1.0, 1.0),
        factor: 16.0,
        cancels: false,
        second: true,
        batched: vec![],
        single: vec![],
    }
}

impl Case {
    /// Shapes of the inputs.
    pub fn inputs(mut self, shapes: &[&[usize]]) -> Case {
        self.shapes = shapes.iter().map(|shape| shape.to_vec()).collect();
        self
    }
    /// Where the inputs are drawn from.
    pub fn range(mut self, low: f64, high: f64) -> Case {
        self.range = (low, high);
        self
    }
    /// A sum of `k` products: the bound is `4 sqrt(k) eps`.
    pub fn products(mut self, k: usize) -> Case {
        self.factor = 4.0 * (k.max(4) as f64).sqrt();
        self
    }
    /// The bound in units of `eps`, for what is not a sum of products.
    pub fn ulps(mut self, ulps: f64) -> Case {
        self.factor = ulps;
        self
    }
    /// Terms cancel whatever the signs of the inputs: the bound is relative to the largest result.
    pub fn cancelling(mut self) -> Case {
        self.cancels = true;
        self
    }
    /// No second derivatives: kinks, or refused.
    pub fn first_order(mut self) -> Case {
        self.second = false;
        self
    }
    /// The leading axis of these inputs is a batch whose rows do not know each other.
    pub fn batched(mut self, inputs: &[usize]) -> Case {
        self.batched = inputs.to_vec();
        self
    }
    /// Inputs whose gradient takes one cotangent at a time.
    pub fn single(mut self, inputs: &[usize]) -> Case {
        self.single = inputs.to_vec();
        self
    }
}

#[cfg(test)]
impl Case {
    pub(crate) fn has_batch(&self) -> bool {
        !self.batched.is_empty()
    }
}

/// How an operand lies in memory.
#[derive(Clone, Copy, Debug)]
enum Order {
    RowMajor,
    ChannelsLast,
    /// Every other element of a larger tensor, axes reversed.
    Strided,
}

/// Checks `case` on the CPU; panics with the op's name and the figures where a promise is broken.
pub fn check_op(name: &str, case: &Case) {
    let device = Device::cpu(1);
    for order in [Order::RowMajor, Order::ChannelsLast, Order::Strided] {
        let what = format!("{name} {:?} {order:?}", case.shapes);
        check_on(case, &device, order).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    check_batches_of(case, &device, 64, &[1, 3, 8])
        .unwrap_or_else(|error| panic!("{name} {:?} batches: {error}", case.shapes));
}

/// What errors of the values are relative to: the same of the inputs without their signs, where nothing cancels.
fn magnitude(case: &Case, x64: &[Tensor]) -> Result<Tensor> {
    let inputs: Vec<Var> = x64.iter().map(|x| Ok(Var::constant(measure::absolute(x)?))).collect::<Result<_>>()?;
    let y = (case.f)(&inputs)?;
    if case.cancels { measure::filled_with_largest(&y.value) } else { Ok(y.value.clone()) }
}

fn check_on(case: &Case, device: &Device, order: Order) -> Measured {
    let x64 = points(case, device, order, DType::F64)?;
    let x32 = points(case, device, order, DType::F32)?;
    let leaves = |x: &[Tensor]| x.iter().cloned().map(Var::leaf).collect::<Vec<_>>();
    let (v64, v32) = (leaves(&x64), leaves(&x32));
    let (y64, y32) = ((case.f)(&v64)?, (case.f)(&v32)?);

    let magnitude = magnitude(case, &x64)?;
    let bound = case.factor * f64::from(f32::EPSILON);
    if y32.dtype() == DType::F32 {
        agree("value in f32", &y32.value, &y64.value, &magnitude, bound)?;
    }
    bits("a second run", &(case.f)(&v32)?.value, &y32.value)?;
    let moved = leaves(&points(case, &Device::cpu(2), order, DType::F32)?);
    bits("two threads", &(case.f)(&moved)?.value, &y32.value)?;
    for (i, (two, one)) in gradients(case, &moved)?.iter().zip(&gradients(case, &v32)?).enumerate() {
        if let Some((two, one)) = both(&format!("two threads, gradient of input {i}"), two, one)? {
            bits(&format!("two threads, gradient of input {i}"), two, one)?;
        }
    }

    check_first(case, &v64, &y64)?;
    if case.second {
        check_second(case, &v64)?;
    }
    check_gradient_f32(case, &v32, &v64)?;
    check_directions(case, &v32)
}

/// `jvp` against central differences, and `<g, J v> = <J' g, v>`.
fn check_first(case: &Case, x: &[Var], y: &Var) -> Measured {
    let v: Vec<Tensor> =
        x.iter().enumerate().map(|(i, x)| measure::draw(&x.value, 40 + i as u64)).collect::<Result<_>>()?;
    let g = measure::draw(&y.value, 50)?;
    let pairs: Vec<(&Var, Tensor)> = x.iter().zip(v.iter().cloned()).collect();
    let tangent = jvp(&pairs, |x| Ok((case.f)(x)?.tangent().map(|t| t.value.clone())))?;
    let tangent = tangent.map_or_else(|| Tensor::zeros(y.device(), y.dtype(), y.shape()), Ok)?;
    let want = differences(x, &v, |x| Ok((case.f)(x)?.value))?;
    agree("jvp against differences", &tangent, &want, &want, 1e-6)?;
    let wrt: Vec<&Var> = x.iter().collect();
    let how = Grad { cotangent: Some(Var::constant(g.clone())), ..Grad::default() };
    let gradients = grad(y, &wrt, how)?.into_vars();
    let mut pulled = 0.0;
    for (gradient, v) in gradients.iter().zip(&v) {
        if let Some(gradient) = gradient {
            pulled += inner(&gradient.value, v)?;
        }
    }
    measure::close("vjp against jvp", pulled, inner(&g, &tangent)?, 1e-10)
}

/// The derivative of `x -> <J(x)' g, v>`, three ways.
fn check_second(case: &Case, x: &[Var]) -> Measured {
    let v: Vec<Tensor> =
        x.iter().enumerate().map(|(i, x)| measure::draw(&x.value, 60 + i as u64)).collect::<Result<_>>()?;
    let first = |x: &[Var], create_graph: bool| -> Result<Vec<Option<Var>>> {
        let y = (case.f)(x)?;
        let cotangent = Some(Var::constant(measure::draw(&y.value, 70)?));
        let wrt: Vec<&Var> = x.iter().collect();
        Ok(grad(&y, &wrt, Grad { cotangent, create_graph, retain: false })?.into_vars())
    };
    let want = |i: usize| {
        differences(x, &v, |x| {
            let x: Vec<Var> = x.iter().map(|x| Var::leaf(x.value.clone())).collect();
            let gradient = first(&x, false)?.swap_remove(i);
            gradient.map_or_else(|| Ok(Tensor::zeros(x[i].device(), DType::F64, x[i].shape())?), |g| Ok(g.value))
        })
    };
    let pairs: Vec<(&Var, Tensor)> = x.iter().zip(v.iter().cloned()).collect();
    let forward = jvp(&pairs, |x| first(x, false))?;
    let mut product = 0.0;
    for (i, gradient) in forward.iter().enumerate() {
        let want = want(i)?;
        let zeros = Tensor::zeros(x[i].device(), DType::F64, x[i].shape())?;
        let got = gradient.as_ref().and_then(|g| g.tangent()).map_or(zeros, |t| t.value.clone());
        agree(&format!("forward over reverse, input {i}"), &got, &want, &want, 1e-5)?;
        product += inner(&want, &v[i])?;
    }
    // v' H v by reverse over reverse.
    let graphed = first(x, true)?;
    let mut pulled: Option<Var> = None;
    for (gradient, v) in graphed.into_iter().zip(&v) {
        if let Some(gradient) = gradient {
            let term = gradient.mul(&Var::constant(v.clone()))?.sum()?;
            pulled = Some(pulled.map_or(Ok(term.clone()), |sum| sum.add(&term))?);
        }
    }
    let Some(pulled) = pulled.filter(Var::is_active) else {
        return measure::close("second derivative", 0.0, product, 1e-5);
    };
    let wrt: Vec<&Var> = x.iter().collect();
    let mut reverse = 0.0;
    for (hv, v) in grad(&pulled, &wrt, Grad::default())?.into_vars().iter().zip(&v) {
        if let Some(hv) = hv {
            reverse += inner(&hv.value, v)?;
        }
    }
    measure::close("reverse over reverse", reverse, product, 1e-5)
}

/// The gradients of all inputs, for one cotangent.
fn gradients(case: &Case, x: &[Var]) -> Result<Vec<Option<Tensor>>> {
    let y = (case.f)(x)?;
    let cotangent = Some(Var::constant(measure::draw(&y.value, 80)?));
    let wrt: Vec<&Var> = x.iter().collect();
    let gradients = grad(&y, &wrt, Grad { cotangent, ..Grad::default() })?.into_vars();
    Ok(gradients.into_iter().map(|gradient| gradient.map(|gradient| gradient.value)).collect())
}

/// Both or neither: one without the other is an error.
fn both<'a>(what: &str, a: &'a Option<Tensor>, b: &'a Option<Tensor>) -> Result<Option<(&'a Tensor, &'a Tensor)>> {
    match (a, b) {
        (Some(a), Some(b)) => Ok(Some((a, b))),
        (None, None) => Ok(None),
        _ => Err(Error::argument(format!("{what}: there is one, and there is none"))),
    }
}

fn check_gradient_f32(case: &Case, x32: &[Var], x64: &[Var]) -> Measured {
    for (i, (g32, g64)) in gradients(case, x32)?.iter().zip(&gradients(case, x64)?).enumerate() {
        if let Some((g32, g64)) = both(&format!("f32 gradient of input {i}"), g32, g64)? {
            // Gradients cancel: the bound is relative to the largest of them.
            let scale = measure::filled_with_largest(g64)?;
            let bound = 4.0 * case.factor * f64::from(f32::EPSILON);
            agree(&format!("f32 gradient of input {i}"), g32, g64, &scale, bound)?;
        }
    }
    Ok(())
}

/// `k = 3` directions equal three single ones, bit for bit, forwards and backwards.
fn check_directions(case: &Case, x: &[Var]) -> Measured {
    const K: usize = 3;
    let stack = |x: &Tensor, seed: u64| -> Result<(Tensor, Vec<Tensor>)> {
        let rows = (0..K as u64).map(|k| measure::draw(x, seed + k)).collect::<Result<Vec<_>>>()?;
        let shape: Vec<usize> = [1].iter().chain(x.shape()).copied().collect();
        let wide = rows.iter().map(|row| Ok(row.reshape(&shape)?)).collect::<Result<Vec<_>>>()?;
        Ok((Tensor::concat(&wide.iter().collect::<Vec<_>>(), 0)?, rows))
    };
    let row = |x: &Tensor, k: usize| -> Result<Tensor> { Ok(x.narrow(0, k, 1)?.reshape(&x.shape()[1..])?) };
    let pushed = |tangents: Vec<Tensor>| {
        let pairs: Vec<(&Var, Tensor)> = x.iter().zip(tangents).collect();
        jvp(&pairs, |x| Ok((case.f)(x)?.tangent().map(|t| t.value.clone())))
    };
    let tangents =
        x.iter().enumerate().map(|(i, x)| stack(&x.value, 90 + 10 * i as u64)).collect::<Result<Vec<_>>>()?;
    let all = pushed(tangents.iter().map(|(all, _)| all.clone()).collect())?;
    for k in 0..K {
        let (what, one) =
            (format!("jvp, direction {k} of {K}"), pushed(tangents.iter().map(|(_, rows)| rows[k].clone()).collect())?);
        if let Some((all, one)) = both(&what, &all, &one)? {
            bits(&what, &row(all, k)?, one)?;
        }
    }
    let y = (case.f)(x)?;
    let (all, rows) = stack(&y.value, 200)?;
    let wrt: Vec<&Var> = x.iter().enumerate().filter(|(i, _)| !case.single.contains(i)).map(|(_, x)| x).collect();
    let pulled = |g: Tensor| -> Result<Vec<Option<Tensor>>> {
        let how = Grad { cotangent: Some(Var::constant(g)), retain: true, create_graph: false };
        Ok(grad(&y, &wrt, how)?.into_vars().into_iter().map(|gradient| gradient.map(|g| g.value)).collect())
    };
    let all = pulled(all)?;
    for (k, g) in rows.into_iter().enumerate() {
        for (all, one) in all.iter().zip(&pulled(g)?) {
            let what = format!("vjp, cotangent {k} of {K}");
            if let Some((all, one)) = both(&what, all, one)? {
                bits(&what, &row(all, k)?, one)?;
            }
        }
    }
    Ok(())
}

/// Row `i` of a batch of `most`, or of one of `fewer`, has the same bits, in the value and in the gradient of batched
/// inputs.
fn check_batches_of(case: &Case, device: &Device, most: usize, fewer: &[usize]) -> Measured {
    if case.batched.is_empty() {
        return Ok(());
    }
    let run = |n: usize| -> Result<(Tensor, Vec<Tensor>)> {
        let inputs = case.shapes.iter().enumerate().map(|(i, shape)| {
            let mut shape = shape.clone();
            if case.batched.contains(&i) {
                shape[0] = n;
            }
            Ok(Var::leaf(measure::drawn(device, DType::F32, &shape, i as u64, case.range)?))
        });
        let inputs = inputs.collect::<Result<Vec<Var>>>()?;
        let y = (case.f)(&inputs)?;
        let wrt: Vec<&Var> = case.batched.iter().map(|&i| &inputs[i]).collect();
        let cotangent = Some(Var::constant(measure::draw(&y.value, 7)?));
        let gradients = grad(&y, &wrt, Grad { cotangent, ..Grad::default() })?.into_vars();
        Ok((y.value, gradients.into_iter().flatten().map(|g| g.value).collect()))
    };
    let (all, all_gradients) = run(most)?;
    for &n in fewer {
        let (some, gradients) = run(n)?;
        bits(&format!("rows of a batch of {n} among {most}"), &all.narrow(0, 0, n)?, &some)?;
        for (all, some) in all_gradients.iter().zip(&gradients) {
            bits(&format!("gradient rows of a batch of {n} among {most}"), &all.narrow(0, 0, n)?, some)?;
        }
    }
    Ok(())
}

/// The inputs of a case: the same numbers, exactly, in both dtypes.
fn points(case: &Case, device: &Device, order: Order, dtype: DType) -> Result<Vec<Tensor>> {
    let lay = |(i, shape): (usize, &Vec<usize>)| -> Result<Tensor> {
        let x = measure::drawn(device, DType::F32, shape, i as u64, case.range)?.cast(dtype)?;
        Ok(match order {
            Order::RowMajor => x,
            Order::ChannelsLast => x.channels_last()?,
            Order::Strided => measure::strided(&x)?,
        })
    };
    case.shapes.iter().enumerate().map(lay).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of the failed check.
    fn caught(case: Case) -> String {
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check_op("probe", &case)));
        *failed.unwrap_err().downcast::<String>().unwrap()
    }

    #[test]
    fn a_wrong_derivative_is_caught() {
        let half = case(|x: &[Var]| x[0].detach().mul(&x[0])).inputs(&[&[5]]);
        assert!(caught(half).contains("jvp against differences"));
    }

    #[test]
    fn a_wrong_second_derivative_is_caught() {
        // The gradient of x^2 taken with x held fixed: right value and slope, no curvature.
        let flat = |x: &[Var]| {
            let fixed = x[0].detach();
            let linear = fixed.mul(&x[0])?.scale(2.0)?;
            linear.sub(&fixed.mul(&fixed)?)
        };
        assert!(caught(case(flat).inputs(&[&[5]])).contains("over reverse"));
    }

    #[test]
    fn an_inexact_value_is_caught() {
        let coarse = |x: &[Var]| if x[0].dtype() == DType::F32 { x[0].scale(1.000_1) } else { x[0].scale(1.0) };
        assert!(caught(case(coarse).inputs(&[&[5]])).contains("value in f32"));
    }

    #[test]
    fn a_row_that_knows_its_batch_is_caught() {
        let mixing = |x: &[Var]| x[0].sub(&x[0].mean_keep(&[0])?);
        assert!(caught(case(mixing).inputs(&[&[2, 3]]).batched(&[0])).contains("rows of a batch"));
    }
}
