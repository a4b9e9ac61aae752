//! Every function with its first two derivatives, in f64: the definition.

use super::erf::erfc;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// A scalar function. Derivatives where it has none are those of the table in [`Function::value`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// e^x
    Exp,
    /// Natural logarithm, x > 0.
    Ln,
    /// Square root, x >= 0.
    Sqrt,
    /// 1 / sqrt(x), x > 0.
    Rsqrt,
    /// 1 / x, x != 0.
    Reciprocal,
    /// x^2
    Square,
    /// |x|
    Abs,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// x sigmoid(x); "swish", Elfwing et al. 2018.
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// x Phi(x), Phi the normal distribution function (by erf); Hendrycks and Gimpel 2016.
    Gelu,
    /// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, their approximation of it.
    GeluTanh,
    /// max(x, 0)
    Relu,
    /// ln(1 + e^x)
    Softplus,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// sqrt(x^2 + eps^2), eps > 0: |x|, smooth; Charbonnier et al. 1994.
    Charbonnier {
        /// Where it bends.
        eps: f64,
    },
    /// The nearest number in [min, max], min <= max.
    Clamp {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
}

use Function::*;

impl Function {
    /// The name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Exp => "exp",
            Ln => "ln",
            Sqrt => "sqrt",
            Rsqrt => "rsqrt",
            Reciprocal => "reciprocal",
            Square => "square",
            Abs => "abs",
            Sigmoid => "sigmoid",
            Silu => "silu",
            Tanh => "tanh",
            Gelu => "gelu",
            GeluTanh => "gelu_tanh",
            Relu => "relu",
            Softplus => "softplus",
            Sin => "sin",
            Cos => "cos",
            Charbonnier { .. } => "charbonnier",
            Clamp { .. } => "clamp",
        }
    }

    /// f (order 0), f' (1) or f'' (2) at `x`; NaN at any other order.
    ///
    /// At kinks: abs'(0) = 0, relu'(0) = 0, clamp'(min) = clamp'(max) = 1, and second derivatives are 0 there.
    pub fn value(&self, order: u8, x: f64) -> f64 {
        if x.is_nan() || order > 2 {
            return f64::NAN;
        }
        let pick = |f: [f64; 3]| f[usize::from(order)];
        match *self {
            Exp => x.exp(),
            Ln => pick([x.ln(), 1.0 / x, -1.0 / (x * x)]),
            Sqrt => pick([x.sqrt(), 0.5 / x.sqrt(), -0.25 / (x * x.sqrt())]),
            Rsqrt => pick([1.0 / x.sqrt(), -0.5 / (x * x.sqrt()), 0.75 / (x * x * x.sqrt())]),
            Reciprocal => pick([1.0 / x, -1.0 / (x * x), 2.0 / (x * x * x)]),
            Square => pick([x * x, 2.0 * x, 2.0]),
            Abs => pick([x.abs(), if x == 0.0 { 0.0 } else { x.signum() }, 0.0]),
            Sigmoid => pick(sigmoid(x)),
            Silu => pick(gated(x, sigmoid(x))),
            Tanh => {
                let slope = 4.0 * sigmoid(2.0 * x)[1];
                pick([x.tanh(), slope, -2.0 * x.tanh() * slope])
            }
            Gelu => pick(gated(x, normal(x))),
            GeluTanh => pick(gated(x, gelu_gate(x))),
            Relu => pick([x.max(0.0), f64::from(x > 0.0), 0.0]),
            Softplus => pick([x.max(0.0) + (-x.abs()).exp().ln_1p(), sigmoid(x)[0], sigmoid(x)[1]]),
            Sin => pick([x.sin(), x.cos(), -x.sin()]),
            Cos => pick([x.cos(), -x.sin(), -x.cos()]),
            Charbonnier { eps } => {
                let r = x.hypot(eps);
                pick([r, x / r, eps / r * (eps / r) / r])
            }
            Clamp { min, max } => pick([x.max(min).min(max), f64::from((min..=max).contains(&x)), 0.0]),
        }
    }
}

/// The logistic function and its derivatives, without cancellation on either side.
fn sigmoid(x: f64) -> [f64; 3] {
    let e = (-x.abs()).exp();
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    let slope = large * small;
    if x < 0.0 { [small, slope, slope * (large - small)] } else { [large, slope, slope * (small - large)] }
}

/// The normal distribution function and its derivatives.
fn normal(x: f64) -> [f64; 3] {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    [0.5 * erfc(-x * FRAC_1_SQRT_2), density, -x * density]
}

/// sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is (1 + tanh(..)) / 2.
fn gelu_gate(x: f64) -> [f64; 3] {
    let scale = 2.0 * (2.0 / PI).sqrt();
    // Beyond 40 the gate is 0 or 1 to the last bit; the cube would overflow further out.
    let x = x.clamp(-40.0, 40.0);
    let [gate, slope, bend] = sigmoid(scale * (x + 0.044715 * x * x * x));
    let (rate, change) = (scale * (1.0 + 3.0 * 0.044715 * x * x), scale * 6.0 * 0.044715 * x);
    [gate, rate * slope, change * slope + rate * rate * bend]
}

/// x gate(x) and its derivatives, from the gate's.
fn gated(x: f64, gate: [f64; 3]) -> [f64; 3] {
    [x * gate[0], gate[0] + x * gate[1], 2.0 * gate[1] + x * gate[2]]
}
