//! Attention without its map: `softmax(scale q k') v`, a block of keys at a time.

use super::{common, scratch};
use crate::error::{Error, Result};
use crate::{Layout, Tensor};
use kernels::attention;
pub use kernels::attention::Attention;

impl Tensor {
    /// `q [b, h, s, e]`, `k [b, h, t, e]`, `v [b, h, t, f]`: the result `[b, h, s, f]`, stored as `[b, s, h, f]` so that
    /// heads join without a copy, and the logarithm of each row's normaliser `[b, h, s]`, for the backward.
    #[track_caller]
    pub fn attention(&self, k: &Tensor, v: &Tensor, p: &Attention) -> Result<(Tensor, Tensor)> {
        let (device, dtype) = common("attention", &[self, k, v])?;
        let (&[b, h, s, e], &[kb, kh, t, ke], &[vb, vh, vt, f]) = (self.shape(), k.shape(), v.shape()) else {
            return Err(wrong(self, k, v));
        };
        if [kb, kh, ke] != [b, h, e] || [vb, vh, vt] != [b, h, t] || (t == 0 && s > 0) {
            return Err(wrong(self, k, v));
        }
        let dims = |shape: &[usize]| crate::tensor::dims("attention", shape);
        let out = Tensor::empty(&device, dtype, Layout::in_order(dims(&[b, h, s, f])?, &[0, 2, 1, 3]))?;
        let lse = Tensor::empty(&device, dtype.wide(), Layout::contiguous(dims(&[b, h, s])?))?;
        let [q, k, v] = [self, k, v].map(rows);
        let (q, k, v) = (q?, k?, v?);
        let d = device.kernels();
        let space = scratch(&device, attention::forward_scratch(d, p, q.layout(), k.layout(), v.layout(), dtype))?;
        {
            let mut space = space.storage().write("attention")?;
            let (q, k, v) = (q.read("attention")?, k.read("attention")?, v.read("attention")?);
            let (mut to, mut to_lse) = (out.write("attention")?, lse.write("attention")?);
            attention::forward(d, p, q.view()?, k.view()?, v.view()?, to.view()?, to_lse.view()?, space.data())?;
        }
        device.count(attention::forward_cost(q.layout(), k.layout(), v.layout()));
        Ok((out, lse))
    }

    /// The gradients by q, k and v, from what [`Tensor::attention`] answered and the cotangent of its result.
    #[track_caller]
    pub fn attention_backward(
        [q, k, v]: [&Tensor; 3],
        [out, lse]: [&Tensor; 2],
        cotangent: &Tensor,
        p: &Attention,
    ) -> Result<[Tensor; 3]> {
        let (device, dtype) = common("attention", &[q, k, v, out, cotangent])?;
        let like = |x: &Tensor| Tensor::empty(&device, dtype, Layout::in_order(x.dims(), &[0, 2, 1, 3]));
        let (dq, dk, dv) = (like(q)?, like(k)?, like(v)?);
        let [q, k, v] = [q, k, v].map(rows);
        let (q, k, v, out, g) = (q?, k?, v?, rows(out)?, rows(cotangent)?);
        let d = device.kernels();
        let space = scratch(&device, attention::backward_scratch(d, p, q.layout(), k.layout(), v.layout(), dtype))?;
        {
            const OP: &str = "attention";
            let mut space = space.storage().write(OP)?;
            let (q, k, v) = (q.read(OP)?, k.read(OP)?, v.read(OP)?);
            let (out, lse, g) = (out.read(OP)?, lse.read(OP)?, g.read(OP)?);
            let (mut to_q, mut to_k, mut to_v) = (dq.write(OP)?, dk.write(OP)?, dv.write(OP)?);
            attention::backward(
                d,
                p,
                q.view()?,
                k.view()?,
                v.view()?,
                out.view()?,
                lse.view()?,
                g.view()?,
                to_q.view()?,
                to_k.view()?,
                to_v.view()?,
                space.data(),
            )?;
        }
        device.count(attention::backward_cost(q.layout(), k.layout(), v.layout()));
        Ok([dq, dk, dv])
    }
}

/// With unit stride along the last axis, as the kernel reads it.
fn rows(x: &Tensor) -> Result<Tensor> {
    if x.layout().strides[3] == 1 || x.shape()[3] == 1 { Ok(x.clone()) } else { x.contiguous() }
}

#[track_caller]
fn wrong(q: &Tensor, k: &Tensor, v: &Tensor) -> Error {
    let shapes = [q.shape(), k.shape(), v.shape()];
    Error::shape(
        "attention",
        format!("{shapes:?}: wants q [b, h, s, e], k [b, h, t, e], v [b, h, t, f], and a key to look at"),
    )
}
