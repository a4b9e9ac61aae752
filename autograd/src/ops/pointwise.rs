//! Scalar functions, elementwise: y = f(x). Derivatives come from one table of f, f', f'' per function
//! (`kernels::pointwise`); a third derivative is refused by name.

use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::rule::{Cotangents, Rule, SavedVars, Saves, accumulate, record};
use crate::var::Var;
use smallvec::SmallVec;
pub use tensor::ops::pointwise::Function;

/// The highest derivative in the table.
const ORDERS: u8 = 2;

impl Var {
    /// `f(x)`.
    #[track_caller]
    pub fn map(&self, f: Function) -> Result<Var> {
        let value = self.value.map(f, 0)?;
        record(Map { f }, Saves::Inputs, &[self], value, [])
    }

    /// `g f(x)`, with the derivative of `order` in the place of `f`. `g` has x's shape, or `[k, ..]`.
    #[track_caller]
    fn map_scaled(&self, f: Function, order: u8, g: &Var) -> Result<Var> {
        if order > ORDERS {
            let reason = "its third derivative is not offered; take one derivative fewer, or write the function out";
            return Err(Error::forbidden(f.name(), reason));
        }
        let value = self.value.map_scaled(f, order, &g.value)?;
        record(Scaled { f, order }, Saves::Inputs, &[self, g], value, [])
    }
}

/// y = f(x).
struct Map {
    f: Function,
}

impl Rule for Map {
    fn name(&self) -> &'static str {
        self.f.name()
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, _needs: &[bool]) -> Result<Cotangents> {
        Ok(SmallVec::from_iter([Some(saved.input(0)?.map_scaled(self.f, 1, cotangent)?)]))
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        tangents[0].as_ref().map(|dx| saved.input(0)?.map_scaled(self.f, 1, dx)).transpose()
    }
}

/// y = g f⁽ⁿ⁾(x), where `g` may have an axis of directions that `x` has not.
struct Scaled {
    f: Function,
    order: u8,
}

impl Rule for Scaled {
    fn name(&self) -> &'static str {
        self.f.name()
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        let (x, g) = (saved.input(0)?, saved.input(1)?);
        let to_x = needs[0].then(|| {
            let scale = cotangent.mul(g)?;
            x.map_scaled(self.f, self.order + 1, &scale)?.sum_to_lead(x.shape(), saved.lead)
        });
        let to_g = needs[1].then(|| x.map_scaled(self.f, self.order, cotangent));
        Ok(SmallVec::from_iter([to_x.transpose()?, to_g.transpose()?]))
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let (x, g) = (saved.input(0)?, saved.input(1)?);
        let by_x = tangents[0].as_ref().map(|dx| x.map_scaled(self.f, self.order + 1, &g.mul(dx)?));
        let by_g = tangents[1].as_ref().map(|dg| x.map_scaled(self.f, self.order, dg));
        accumulate(by_x.transpose()?, by_g.transpose()?)
    }
}

macro_rules! named {
    ($($(#[$doc:meta])* $method:ident => $function:expr;)*) => {
        impl Var { $($(#[$doc])* #[track_caller] pub fn $method(&self) -> Result<Var> { self.map($function) })* }
    };
}
named! {
    /// e^x
    exp => Function::Exp;
    /// Natural logarithm.
    ln => Function::Ln;
    /// Square root.
    sqrt => Function::Sqrt;
    /// 1 / sqrt(x)
    rsqrt => Function::Rsqrt;
    /// 1 / x
    reciprocal => Function::Reciprocal;
    /// x^2
    square => Function::Square;
    /// 1 / (1 + e^-x)
    sigmoid => Function::Sigmoid;
    /// x sigmoid(x)
    silu => Function::Silu;
    /// Hyperbolic tangent.
    tanh => Function::Tanh;
    /// max(x, 0); derivative 0 at 0.
    relu => Function::Relu;
    /// x Phi(x), Phi the normal distribution function.
    gelu => Function::Gelu;
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    use Function::*;
    let everywhere = [Exp, Square, Sigmoid, Silu, Tanh, Gelu, GeluTanh, Softplus, Sin, Cos, Charbonnier { eps: 0.1 }];
    let positive = [Ln, Sqrt, Rsqrt, Reciprocal];
    let kinked = [Abs, Relu, Clamp { min: -0.5, max: 0.5 }];
    let shapes: [&[usize]; 4] = [&[3, 5, 7], &[1], &[0, 4], &[2, 33]];
    let cases = |f: Function, low: f64, high: f64, second: bool| {
        let each = shapes.iter().map(|shape| {
            let case = case(move |x: &[Var]| x[0].map(f)).inputs(&[shape]).range(low, high).ulps(16.0);
            let case = if shape[0] > 1 { case.batched(&[0]) } else { case };
            if second { case } else { case.first_order() }
        });
        (f.name(), each.collect())
    };
    let mut rows = Vec::new();
    rows.extend(everywhere.map(|f| cases(f, -4.0, 4.0, true)));
    rows.extend(positive.map(|f| cases(f, 0.5, 4.0, true)));
    rows.extend(kinked.map(|f| cases(f, -2.0, 2.0, false)));
    rows
}
