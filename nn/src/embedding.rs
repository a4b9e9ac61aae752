//! The time, as a network sees it: sines and cosines (Vaswani et al. 2017), and two linear layers on them.

use crate::error::{Error, Result};
use crate::init::Init;
use crate::linear::Linear;
use crate::module::{Module, Visitor};
use autograd::ops::pointwise::Function;
use autograd::{DType, Device, Tensor, Var};

/// `[cos(t w), sin(t w)]` with `w_k = 10000^(-k / (half - shift))`, k = 0..half, half = width / 2 rounded down; a zero at the
/// end where the width is odd. Computed in f64 and rounded once, so that a time of 1000 loses nothing.
pub struct TimeFeatures {
    /// `[half]`, f64
    frequencies: Tensor,
    width: usize,
    sine_first: bool,
}

impl TimeFeatures {
    /// `width` features; `shift` is diffusers' `freq_shift`. Sines come first where `flip_sin_to_cos` is not set.
    pub fn new(device: &Device, width: usize, shift: i64, sine_first: bool) -> Result<TimeFeatures> {
        let half = width / 2;
        let span = half as f64 - shift as f64;
        if span <= 0.0 {
            return Err(Error::config(format!(
                "`freq_shift`: {shift} with {width} time features is not offered; it must be less than half of the features"
            )));
        }
        let frequencies: Vec<f64> = (0..half).map(|k| (-(10000f64.ln()) * k as f64 / span).exp()).collect();
        Ok(TimeFeatures { frequencies: Tensor::from_slice(device, &[half], &frequencies)?, width, sine_first })
    }

    /// Times `[n]` of any type, as they are: `[n, width]` of `dtype`.
    pub fn forward(&self, times: &Tensor, dtype: DType) -> Result<Tensor> {
        let count = times.count();
        let angles = times.cast(DType::F64)?.reshape(&[count, 1])?.mul(&self.frequencies)?;
        let (sine, cosine) = (angles.map(Function::Sin, 0)?, angles.map(Function::Cos, 0)?);
        let zeros = Tensor::zeros(times.device(), DType::F64, &[count, self.width % 2])?;
        let parts = if self.sine_first { [&sine, &cosine, &zeros] } else { [&cosine, &sine, &zeros] };
        Ok(Tensor::concat(&parts, 1)?.cast(dtype)?)
    }
}

/// Time features to a vector that conditions a network: linear, SiLU, linear.
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    /// A new one, from `features` to `width` numbers.
    pub fn new(init: &mut Init, features: usize, width: usize) -> Result<TimestepEmbedding> {
        Ok(TimestepEmbedding {
            linear_1: Linear::new(init, features, width)?,
            linear_2: Linear::new(init, width, width)?,
        })
    }

    /// `[n, features]`: `[n, width]`.
    pub fn forward(&self, features: &Var) -> Result<Var> {
        self.linear_2.forward(&self.linear_1.forward(features)?.silu()?)
    }
}

impl Module for TimestepEmbedding {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("linear_1", &self.linear_1);
        visitor.module("linear_2", &self.linear_2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_follow_their_formula_in_either_order_with_a_zero_at_an_odd_end() {
        let device = Device::cpu(1);
        let times = Tensor::from_slice(&device, &[2], &[3.0f32, 811.0]).unwrap();
        for (sine_first, order) in [(false, [f64::cos, f64::sin]), (true, [f64::sin, f64::cos])] {
            let features = TimeFeatures::new(&device, 7, 1, sine_first).unwrap();
            let got = features.forward(&times, DType::F64).unwrap().to_vec::<f64>().unwrap();
            for (row, t) in [3.0f64, 811.0].into_iter().enumerate() {
                for (i, f) in order.into_iter().enumerate() {
                    for k in 0..3 {
                        let want = f(t * 10000f64.powf(-(k as f64) / 2.0));
                        assert!((got[7 * row + 3 * i + k] - want).abs() < 1e-12);
                    }
                }
                assert_eq!(got[7 * row + 6], 0.0);
            }
        }
        assert!(TimeFeatures::new(&device, 2, 1, false).is_err());
    }
}
