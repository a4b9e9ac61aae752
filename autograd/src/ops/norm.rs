//! Group and layer normalisation, fused with an affine map, a scale and shift per sample, and SiLU.

use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::rule::{Fused, FusedRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;
pub use tensor::ops::norm::{GroupNorm, LayerNorm, Norm};

/// The optional operands of a norm: `z = (xhat weight + bias) (1 + scale) + shift`, `y = silu(z)` or `z`.
#[derive(Clone, Copy, Default)]
pub struct Affine<'a> {
    /// `[c]`; 1 when absent.
    pub weight: Option<&'a Var>,
    /// `[c]`; 0 when absent.
    pub bias: Option<&'a Var>,
    /// `[n, c]`; 0 when absent.
    pub scale: Option<&'a Var>,
    /// `[n, c]`; 0 when absent.
    pub shift: Option<&'a Var>,
}

impl Var {
    /// Normalised over groups of channels of `[n, c, ..]`, or over the last axis of `[.., c]`; see [`Norm`].
    #[track_caller]
    pub fn norm(&self, norm: Norm, affine: Affine) -> Result<Var> {
        let operands = [affine.weight, affine.bias, affine.scale, affine.shift];
        let normed = self.value.norm(&norm, operands.map(|operand| operand.map(|operand| &operand.value)))?;
        let inputs: Vec<&Var> = [self].into_iter().chain(operands.into_iter().flatten()).collect();
        let rule = Normalise { norm, present: operands.map(|operand| operand.is_some()) };
        record(FusedRule(rule), Saves::Inputs, &inputs, normed.y, [normed.mean, normed.rstd])
    }
}

struct Normalise {
    norm: Norm,
    present: [bool; 4],
}

impl Normalise {
    /// The operands after x, each in its place.
    fn places<'a, T>(&self, inputs: &'a [T]) -> [Option<&'a T>; 4] {
        let mut rest = inputs[1..].iter();
        self.present.map(|present| if present { rest.next() } else { None })
    }
}

impl Fused for Normalise {
    fn name(&self) -> &'static str {
        self.norm.name()
    }

    fn backward(&self, inputs: &[Tensor], extra: &[Tensor], g: &Tensor, needs: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let needed = self.places(needs).map(|need| need == Some(&true));
        let statistics = [&extra[0], &extra[1]];
        let [x, rest @ ..] = inputs[0].norm_backward(&self.norm, self.places(inputs), statistics, g, needed)?;
        let mut gradients = vec![x];
        gradients
            .extend(rest.into_iter().zip(self.present).filter(|(_, present)| *present).map(|(gradient, _)| gradient));
        Ok(gradients)
    }

    fn composite(&self, inputs: &[Var]) -> Result<Var> {
        let x = &inputs[0];
        let (eps, silu) = match self.norm {
            Norm::Group(p) => (p.eps, p.silu),
            Norm::Layer(p) => (p.eps, p.silu),
        };
        let sets = match (self.norm, x.shape()) {
            (Norm::Group(p), [n, c, ..]) => {
                x.reshape(&[*n, p.groups, x.value.count() / (n * p.groups).max(1)]).map(|x| (x, *c))?
            }
            (Norm::Layer(_), [.., c]) => (x.clone(), *c),
            _ => return Err(Error::argument("norm: no axis to normalise over")),
        };
        let (sets, channels) = sets;
        let last = [sets.rank() - 1];
        let centred = sets.sub(&sets.mean_keep(&last)?)?;
        let variance = centred.square()?.mean_keep(&last)?;
        let mut z = centred.mul(&variance.shift(eps)?.rsqrt()?)?.reshape(x.shape())?;
        // Operands [c] and [n, c] in shapes that repeat over the positions.
        let (own, sampled): (Vec<usize>, Vec<usize>) = match self.norm {
            Norm::Group(_) => {
                let after = vec![1; x.rank() - 2];
                ([&[channels], &after[..]].concat(), [&[x.shape()[0], channels], &after[..]].concat())
            }
            Norm::Layer(_) => {
                let between = vec![1; x.rank().saturating_sub(2)];
                (vec![channels], [&[x.shape()[0]], &between[..], &[channels]].concat())
            }
        };
        let [weight, bias, scale, shift] = self.places(inputs);
        if let Some(weight) = weight {
            z = z.mul(&weight.reshape(&own)?)?;
        }
        if let Some(bias) = bias {
            z = z.add(&bias.reshape(&own)?)?;
        }
        if let Some(scale) = scale {
            z = z.mul(&scale.reshape(&sampled)?.shift(1.0)?)?;
        }
        if let Some(shift) = shift {
            z = z.add(&shift.reshape(&sampled)?)?;
        }
        if silu { z.silu() } else { Ok(z) }
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let with = |norm: Norm, full: bool| {
        move |x: &[Var]| {
            let (scale, shift) = if full { (x.get(3), x.get(4)) } else { (None, None) };
            x[0].norm(norm, Affine { weight: x.get(1), bias: x.get(2), scale, shift })
        }
    };
    let group = |groups, silu| Norm::Group(GroupNorm { groups, eps: 1e-5, silu });
    let layer = |silu| Norm::Layer(LayerNorm { eps: 1e-5, silu });
    // Normalising amplifies rounding by about |x| / deviation.
    let row = |norm, shapes: &[&[usize]]| case(with(norm, shapes.len() == 5)).inputs(shapes).ulps(200.0);
    vec![
        (
            "group_norm",
            vec![
                row(group(2, true), &[&[2, 6, 3, 5], &[6], &[6], &[2, 6], &[2, 6]]).batched(&[0, 3, 4]),
                row(group(4, false), &[&[2, 20, 4, 3], &[20], &[20]]).batched(&[0]),
                row(group(8, true), &[&[1, 32, 4, 4], &[32], &[32]]).batched(&[0]),
                row(group(3, true), &[&[2, 3, 7]]),
                row(group(1, false), &[&[0, 2, 3, 3], &[2], &[2]]),
            ],
        ),
        (
            "layer_norm",
            vec![
                row(layer(false), &[&[3, 10], &[10], &[10]]).batched(&[0]),
                row(layer(true), &[&[2, 3, 33], &[33], &[33], &[2, 33], &[2, 33]]).batched(&[0, 3, 4]),
                row(layer(false), &[&[7]]),
            ],
        ),
    ]
}
