//! Self-attention over the pixels of an image, as in diffusers' `Attention` with a residual connection.

use crate::error::Result;
use crate::init::Init;
use crate::linear::Linear;
use crate::module::{Module, Visitor};
use crate::norm::GroupNorm;
use autograd::Var;

/// Every pixel looks at every other; channels fall into heads.
pub struct Attention {
    group_norm: Option<GroupNorm>,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    /// The sum of residual and result is divided by this.
    scale: f64,
}

impl Attention {
    /// A new layer: `channels / head` heads of width `head` (what is left over is not attended to), `head` at most
    /// `channels`. The norm comes first, where there is one.
    pub fn new(
        init: &mut Init,
        channels: usize,
        head: usize,
        group_norm: Option<GroupNorm>,
        scale: f64,
    ) -> Result<Attention> {
        let heads = channels / head.max(1);
        let inner = heads * head;
        Ok(Attention {
            group_norm,
            to_q: Linear::new(init, channels, inner)?,
            to_k: Linear::new(init, channels, inner)?,
            to_v: Linear::new(init, channels, inner)?,
            to_out: Linear::new(init, inner, channels)?,
            heads,
            scale,
        })
    }

    /// `x [n, c, h, w]`: the same shape. Channels last, pixels are tokens as they lie: nothing is transposed in memory.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        let shape = x.dims();
        let [samples, channels, pixels] = [shape[0], shape[1], shape[2..].iter().product()];
        let normed = self.group_norm.as_ref().map_or_else(|| Ok(x.clone()), |norm| norm.forward(x))?;
        let tokens = normed.reshape(&[samples, channels, pixels])?.transpose(0, 1)?;
        let heads = |linear: &Linear| -> Result<Var> {
            let all = linear.forward(&tokens)?;
            let width = all.shape()[2] / self.heads.max(1);
            Ok(all.reshape(&[samples, pixels, self.heads, width])?.permute(&[0, 2, 1, 3])?)
        };
        let (q, k, v) = (heads(&self.to_q)?, heads(&self.to_k)?, heads(&self.to_v)?);
        let width = q.shape()[3];
        let mixed = q.attention(&k, &v, 1.0 / (width as f64).sqrt())?;
        let joined = mixed.permute(&[0, 2, 1, 3])?.reshape(&[samples, pixels, self.heads * width])?;
        if self.scale == 1.0 {
            let residual = x.reshape(&[samples, channels, pixels])?.transpose(0, 1)?;
            return Ok(self.to_out.forward_onto(&residual, &joined)?.transpose(0, 1)?.reshape(&shape)?);
        }
        let image = self.to_out.forward(&joined)?.transpose(0, 1)?.reshape(&shape)?;
        Ok(Var::combine(&[(1.0 / self.scale, &image), (1.0 / self.scale, x)])?)
    }
}

impl Module for Attention {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("group_norm", &self.group_norm);
        visitor.module("to_q", &self.to_q);
        visitor.module("to_k", &self.to_k);
        visitor.module("to_v", &self.to_v);
        visitor.module("to_out.0", &self.to_out);
    }
}
