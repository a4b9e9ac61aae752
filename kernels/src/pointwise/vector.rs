//! The functions on vectors of f32.
//!
//! Error bounds, in units of the last place of f32 (ulp, 2^-23 of the value), asserted in the tests:
//!
//! | | f | f' | f'' |
//! | --- | --- | --- | --- |
//! | exp, sqrt, rsqrt, reciprocal, square, abs, relu, clamp, charbonnier | 2 | 3 | 4 |
//! | sigmoid, tanh | 4 | 6 | 4 of 1 |
//! | silu | 4 | 4 of max(1, f') | 4 of 1 |
//! | gelu, gelu_tanh | 4 of max(1, f) | 4 of max(1, f') | 4 of 1 |
//! | ln, softplus, sin, cos (through f64) | 1 | 1 | 1 |
//!
//! Values below 1e-36 are promised to that, and charbonnier is offered for |x| below 1e19, whose square f32 can hold.

use super::Function::{self, *};
use crate::cpu::{Kernel, Simd};

/// `y[i] = f(x[i])`, with the derivative of `order` in the place of `f`; slices of equal length.
pub(super) struct Evaluate<'a> {
    pub(super) f: Function,
    pub(super) order: u8,
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
}

impl Kernel for Evaluate<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Evaluate { f, order, x, y } = self;
        macro_rules! each {
            ($x:ident => $value:expr) => {
                for (y, x) in y.chunks_mut(S::LANES).zip(x.chunks(S::LANES)) {
                    let $x = s.get(x);
                    s.put(y, $value);
                }
            };
        }
        let c = |value: f64| s.splat(value as f32);
        let (zero, one) = (s.zero(), s.splat(1.0));
        match (f, order) {
            (Exp, _) => each!(x => s.exp(x)),
            (Sqrt, 0) => each!(x => s.sqrt(x)),
            (Sqrt, 1) => each!(x => s.div(c(0.5), s.sqrt(x))),
            (Sqrt, _) => each!(x => s.div(s.div(c(-0.25), s.sqrt(x)), x)),
            (Rsqrt, 0) => each!(x => s.div(one, s.sqrt(x))),
            (Rsqrt, 1) => each!(x => s.div(s.div(c(-0.5), s.sqrt(x)), x)),
            (Rsqrt, _) => each!(x => s.div(s.div(s.div(c(0.75), s.sqrt(x)), x), x)),
            (Reciprocal, 0) => each!(x => s.div(one, x)),
            (Reciprocal, 1) => each!(x => s.div(s.div(c(-1.0), x), x)),
            (Reciprocal, _) => each!(x => s.div(s.div(s.div(c(2.0), x), x), x)),
            (Square, 0) => each!(x => s.mul(x, x)),
            (Square, 1) => each!(x => s.add(x, x)),
            (Square, _) => each!(x => s.select_nan(x, x, c(2.0))),
            (Abs, 0) => each!(x => s.abs(x)),
            (Abs, 1) => each!(x => s.select_nan(x, x, s.select_lt(x, zero, c(-1.0), s.select_lt(zero, x, one, zero)))),
            (Relu, 0) => each!(x => s.max(zero, x)),
            (Relu, 1) => each!(x => s.select_nan(x, x, s.select_lt(zero, x, one, zero))),
            (Clamp { min, max }, 0) => each!(x => s.min(c(max), s.max(c(min), x))),
            (Clamp { min, max }, 1) => each!(x => {
                let inside = s.select_lt(x, c(min), zero, s.select_lt(c(max), x, zero, one));
                s.select_nan(x, x, inside)
            }),
            (Abs | Relu | Clamp { .. }, _) => each!(x => s.select_nan(x, x, zero)),
            (Sigmoid, 0) => each!(x => s.div(one, s.add(one, s.exp(s.sub(zero, x))))),
            (Sigmoid, 1) => each!(x => sigmoid(s, x)[1]),
            (Sigmoid, _) => each!(x => sigmoid(s, x)[2]),
            (Silu, 0) => each!(x => s.div(x, s.add(one, s.exp(s.sub(zero, x))))),
            (Silu, 1) => each!(x => gated(s, x, sigmoid(s, x))[1]),
            (Silu, _) => each!(x => gated(s, x, sigmoid(s, x))[2]),
            (Tanh, 0) => each!(x => tanh(s, x)),
            (Tanh, 1) => each!(x => s.mul(c(4.0), sigmoid(s, s.add(x, x))[1])),
            (Tanh, _) => each!(x => s.mul(s.mul(c(-8.0), tanh(s, x)), sigmoid(s, s.add(x, x))[1])),
            (Gelu, 0) => each!(x => s.mul(x, normal(s, x)[0])),
            (Gelu, 1) => each!(x => gated(s, x, normal(s, x))[1]),
            (Gelu, _) => each!(x => gated(s, x, normal(s, x))[2]),
            (GeluTanh, 0) => each!(x => s.mul(x, gelu_gate(s, x)[0])),
            (GeluTanh, 1) => each!(x => gated(s, x, gelu_gate(s, x))[1]),
            (GeluTanh, _) => each!(x => gated(s, x, gelu_gate(s, x))[2]),
            (Charbonnier { eps }, 0) => each!(x => s.sqrt(s.fma(x, x, c(eps * eps)))),
            (Charbonnier { eps }, 1) => each!(x => s.div(x, s.sqrt(s.fma(x, x, c(eps * eps))))),
            (Charbonnier { eps }, _) => each!(x => {
                let square = s.fma(x, x, c(eps * eps));
                s.div(s.div(c(eps * eps), square), s.sqrt(square))
            }),
            (Ln | Softplus | Sin | Cos, _) => {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = f.value(order, f64::from(x)) as f32);
            }
        }
    }
}

/// c_0 + c_1 t + c_2 t^2 + .., highest coefficient first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, t: S::V, coefficients: [f32; N]) -> S::V {
    coefficients[1..].iter().fold(s.splat(coefficients[0]), |sum, &c| s.fma(sum, t, s.splat(c)))
}

/// The logistic function and its derivatives, without cancellation on either side.
#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::V) -> [S::V; 3] {
    let e = s.exp(s.sub(s.zero(), s.abs(x)));
    let large = s.div(s.splat(1.0), s.add(s.splat(1.0), e));
    let small = s.mul(e, large);
    let slope = s.mul(large, small);
    let bend = s.mul(slope, s.sub(small, large));
    let negative = |a, b| s.select_lt(x, s.zero(), a, b);
    [negative(small, large), slope, negative(s.sub(s.zero(), bend), bend)]
}

/// Near 0 an odd polynomial (Cephes, `tanhf`), further out 1 - 2 / (e^2|x| + 1).
#[inline(always)]
fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    const ODD: [f32; 5] = [-5.704_988_7e-3, 2.063_908_8e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1];
    let (size, square, one) = (s.abs(x), s.mul(x, x), s.splat(1.0));
    let near = s.fma(s.mul(x, square), polynomial(s, square, ODD), x);
    let far = s.sub(one, s.div(s.splat(2.0), s.add(s.exp(s.add(size, size)), one)));
    let far = s.select_lt(x, s.zero(), s.sub(s.zero(), far), far);
    s.select_lt(size, s.splat(0.625), near, far)
}

/// The normal distribution function and its derivatives. The tail is t e^(P(t) - x^2 / 2) / 2 with t = 1 / (1 + |x| / sqrt 8),
/// a Chebyshev fit of relative error 1.2e-7 everywhere (Press et al., Numerical Recipes in C, 6.2, `erfcc`).
#[inline(always)]
fn normal<S: Simd>(s: S, x: S::V) -> [S::V; 3] {
    const FIT: [f32; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ];
    let (one, half) = (s.splat(1.0), s.splat(0.5));
    let t = s.div(one, s.fma(s.abs(x), s.splat(0.353_553_4), one));
    let exponent = s.mul(s.splat(-0.5), s.mul(x, x));
    let tail = s.mul(s.mul(half, t), s.exp(s.add(exponent, polynomial(s, t, FIT))));
    let density = s.mul(s.splat(0.398_942_3), s.exp(exponent));
    [s.select_lt(x, s.zero(), tail, s.sub(one, tail)), density, s.sub(s.zero(), s.mul(x, density))]
}

/// sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) and its derivatives.
#[inline(always)]
fn gelu_gate<S: Simd>(s: S, x: S::V) -> [S::V; 3] {
    const SCALE: f32 = 1.595_769;
    const CUBIC: f32 = 0.044715 * SCALE;
    // Beyond 20 the gate is 0 or 1 to the last bit; the cube would overflow further out.
    let x = s.min(s.splat(20.0), s.max(s.splat(-20.0), x));
    let square = s.mul(x, x);
    let [gate, slope, bend] = sigmoid(s, s.mul(x, s.fma(s.splat(CUBIC), square, s.splat(SCALE))));
    let (rate, change) = (s.fma(s.splat(3.0 * CUBIC), square, s.splat(SCALE)), s.mul(s.splat(6.0 * CUBIC), x));
    [gate, s.mul(rate, slope), s.fma(change, slope, s.mul(s.mul(rate, rate), bend))]
}

/// x gate(x) and its derivatives, from the gate's.
#[inline(always)]
fn gated<S: Simd>(s: S, x: S::V, gate: [S::V; 3]) -> [S::V; 3] {
    let [gate, slope, bend] = gate;
    [s.mul(x, gate), s.fma(x, slope, gate), s.fma(x, bend, s.add(slope, slope))]
}
