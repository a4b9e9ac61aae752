//! Scalar functions on a GPU.

use super::Function;
use crate::cuda::elementwise::{reals, run};
use crate::cuda::{CudaContext, Source};
use crate::{Result, View, ViewMut};

pub(crate) static APPLY: Source = Source { name: "apply.cu", text: include_str!("apply.cu") };
pub(crate) static SCALED: Source = Source { name: "scaled.cu", text: include_str!("scaled.cu") };

pub(crate) fn apply(cuda: &CudaContext, f: Function, order: u8, x: View, y: ViewMut) -> Result {
    let (number, a, b) = parameters(f);
    run::<2>(cuda, f.name(), &APPLY, reals!("apply"), &[x], y, &[&number, &i32::from(order), &a, &b])
}

pub(super) fn scaled(cuda: &CudaContext, f: Function, order: u8, x: View, g: View, y: ViewMut) -> Result {
    let (number, a, b) = parameters(f);
    run::<3>(cuda, f.name(), &SCALED, reals!("scaled"), &[x, g], y, &[&number, &i32::from(order), &a, &b])
}

/// The function's number in `cuda/pointwise.cuh`, and its parameters.
fn parameters(f: Function) -> (i32, f64, f64) {
    let number = match f {
        Function::Exp => 0,
        Function::Ln => 1,
        Function::Sqrt => 2,
        Function::Rsqrt => 3,
        Function::Reciprocal => 4,
        Function::Square => 5,
        Function::Abs => 6,
        Function::Sigmoid => 7,
        Function::Silu => 8,
        Function::Tanh => 9,
        Function::Gelu => 10,
        Function::GeluTanh => 11,
        Function::Relu => 12,
        Function::Softplus => 13,
        Function::Sin => 14,
        Function::Cos => 15,
        Function::Charbonnier { eps } => return (16, eps, 0.0),
        Function::Clamp { min, max } => return (17, min, max),
    };
    (number, 0.0, 0.0)
}
