//! Group and layer normalisation, fused with an affine map, a scale and shift per sample, and SiLU:
//!
//!   xhat = (x - mean) rstd,  z = (xhat weight + bias) (1 + scale) + shift,  y = silu(z) or z,  rstd = 1 / sqrt(var + eps)
//!
//! Storage is `[samples, positions, channels]` in both: a channels-last image, or tokens. Group norm takes mean and
//! variance over the positions and the channels of a group, layer norm over the channels of one position.
//!
//! Statistics are shifted sums (see [`group_forward`]), so that they hold when |mean| is much larger than the deviation.
//! Everything but the gradients of weight and bias depends on its own sample alone.

mod affine;
mod column;
pub(crate) mod cuda;
mod fold;
mod group;
mod layer;
mod reference;
#[cfg(test)]
mod tests;

pub use affine::{Affine, AffineGradients};
pub use group::{
    GroupNorm, group_backward, group_backward_cost, group_backward_scratch, group_forward, group_forward_cost,
};
pub use layer::{
    LayerNorm, layer_backward, layer_backward_cost, layer_backward_scratch, layer_forward, layer_forward_cost,
};

use crate::cpu::Simd;
use crate::{Real, Result, View, ViewMut};

/// Storage of an operand, outermost first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) samples: usize,
    pub(crate) positions: usize,
    pub(crate) channels: usize,
}

/// The forward by the definition.
fn define_forward<T: Real>(
    op: &'static str,
    norm: reference::Norm,
    x: View,
    affine: &Affine,
    mut y: ViewMut,
    mut mean: ViewMut,
    mut rstd: ViewMut,
) -> Result {
    let affine = affine.typed::<T>(op, norm.sizes)?;
    norm.forward(x.dense(op)?, &affine, y.dense(op)?, mean.dense(op)?, rstd.dense(op)?);
    Ok(())
}

/// The backward by the definition.
fn define_backward<T: Real>(
    op: &'static str,
    norm: reference::Norm,
    x: View,
    affine: &Affine,
    mean: View,
    rstd: View,
    g: View,
    mut dx: ViewMut,
    mut gradients: AffineGradients,
) -> Result {
    let (affine, mut gradients) = (affine.typed::<T>(op, norm.sizes)?, gradients.typed(op, norm.sizes)?);
    let statistics = (mean.dense(op)?, rstd.dense(op)?);
    norm.backward(x.dense(op)?, &affine, statistics, g.dense(op)?, dx.dense(op)?, &mut gradients);
    Ok(())
}

/// z sigmoid(z)
#[inline(always)]
fn silu<S: Simd>(s: S, z: S::V) -> S::V {
    s.div(z, s.add(s.splat(1.0), s.exp(s.sub(s.zero(), z))))
}

/// The derivative of z sigmoid(z): p (1 + z (1 - p)) with p = sigmoid(z).
#[inline(always)]
fn silu_slope<S: Simd>(s: S, z: S::V) -> S::V {
    let one = s.splat(1.0);
    let p = s.div(one, s.add(one, s.exp(s.sub(s.zero(), z))));
    s.mul(p, s.fma(z, s.sub(one, p), one))
}
