//! Attention without its map: `softmax(scale q k') v`, a block of keys at a time.

use super::{common, scratch};
use crate::error::{Error, Kind, Result};
use crate::tensor::Operand;
use crate::{DType, Device, Layout, Tensor};
use kernels::attention;
pub use kernels::attention::Attention;
use kernels::rope::Rope;

/// Tables of angles by which queries and keys are turned before their product; as of [`Tensor::rope`].
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Which numbers of a row are pairs.
    pub p: Rope,
    /// `[2, s, e / 2]`: cosines, then sines, of the angles of the queries.
    pub q: Tensor,
    /// `[2, t, e / 2]`: those of the keys.
    pub k: Tensor,
}

/// A rotation held for reading.
struct Tables<'a> {
    p: Rope,
    q: Operand<'a>,
    k: Operand<'a>,
}

impl Rotation {
    /// As the kernel takes the tables beside operands of `dtype`.
    #[track_caller]
    fn on(&self, device: &Device, dtype: DType) -> Result<Rotation> {
        if self.q.device() != device || self.k.device() != device {
            return Err(Kind::Device { op: "attention" }.into());
        }
        let ready = |table: &Tensor| table.cast(dtype.wide())?.contiguous();
        Ok(Rotation { p: self.p, q: ready(&self.q)?, k: ready(&self.k)? })
    }

    fn read(&self) -> Result<Tables<'_>> {
        Ok(Tables { p: self.p, q: self.q.read("attention")?, k: self.k.read("attention")? })
    }
}

impl Tables<'_> {
    fn view(&self) -> Result<attention::Rotation<'_>> {
        Ok(attention::Rotation { p: self.p, q: self.q.view()?, k: self.k.view()? })
    }
}

impl Tensor {
    /// `q [b, h, s, e]`, `k [b, h, t, e]`, `v [b, h, t, f]`: the result `[b, h, s, f]`, stored as `[b, s, h, f]` so that
    /// heads join without a copy, and the logarithm of each row's normaliser `[b, h, s]`, for the backward.
    #[track_caller]
    pub fn attention(&self, k: &Tensor, v: &Tensor, p: &Attention) -> Result<(Tensor, Tensor)> {
        attend([self, k, v], None, p)
    }

    /// [`Tensor::attention`] of queries and keys that are turned as [`Tensor::rope`] turns them, without turned copies.
    #[track_caller]
    pub fn rotary_attention(
        &self,
        k: &Tensor,
        v: &Tensor,
        rotation: &Rotation,
        p: &Attention,
    ) -> Result<(Tensor, Tensor)> {
        attend([self, k, v], Some(rotation), p)
    }

    /// The gradients by q, k and v, from what [`Tensor::attention`] answered and the cotangent of its result.
    #[track_caller]
    pub fn attention_backward(
        qkv: [&Tensor; 3],
        answer: [&Tensor; 2],
        cotangent: &Tensor,
        p: &Attention,
    ) -> Result<[Tensor; 3]> {
        attend_backward(qkv, None, answer, cotangent, p)
    }

    /// The same from what [`Tensor::rotary_attention`] answered.
    #[track_caller]
    pub fn rotary_attention_backward(
        qkv: [&Tensor; 3],
        rotation: &Rotation,
        answer: [&Tensor; 2],
        cotangent: &Tensor,
        p: &Attention,
    ) -> Result<[Tensor; 3]> {
        attend_backward(qkv, Some(rotation), answer, cotangent, p)
    }
}

#[track_caller]
fn attend([q, k, v]: [&Tensor; 3], rotation: Option<&Rotation>, p: &Attention) -> Result<(Tensor, Tensor)> {
    let (device, dtype) = common("attention", &[q, k, v])?;
    let rotation = rotation.map(|rotation| rotation.on(&device, dtype)).transpose()?;
    let (&[b, h, s, e], &[kb, kh, t, ke], &[vb, vh, vt, f]) = (q.shape(), k.shape(), v.shape()) else {
        return Err(wrong(q, k, v));
    };
    if [kb, kh, ke] != [b, h, e] || [vb, vh, vt] != [b, h, t] || (t == 0 && s > 0) {
        return Err(wrong(q, k, v));
    }
    let dims = |shape: &[usize]| crate::tensor::dims("attention", shape);
    let out = Tensor::empty("attention", &device, dtype, Layout::in_order(dims(&[b, h, s, f])?, &[0, 2, 1, 3]))?;
    let lse = Tensor::empty("attention", &device, dtype.wide(), Layout::contiguous(dims(&[b, h, s])?))?;
    let [q, k, v] = [q, k, v].map(rows);
    let (q, k, v) = (q?, k?, v?);
    let d = device.kernels();
    let space = scratch(
        "attention",
        &device,
        attention::forward_scratch(d, rotation.is_some(), q.layout(), k.layout(), v.layout(), dtype),
    )?;
    {
        let mut space = space.storage().write("attention")?;
        let (q, k, v) = (q.read("attention")?, k.read("attention")?, v.read("attention")?);
        let (mut to, mut to_lse) = (out.write("attention")?, lse.write("attention")?);
        let tables = rotation.as_ref().map(Rotation::read).transpose()?;
        let turns = tables.as_ref().map(Tables::view).transpose()?;
        attention::forward(
            d,
            p,
            turns.as_ref(),
            q.view()?,
            k.view()?,
            v.view()?,
            to.view()?,
            to_lse.view()?,
            space.data(),
        )?;
    }
    device.count(attention::forward_cost(q.layout(), k.layout(), v.layout()));
    rotation.iter().for_each(|_| device.count(attention::rotation_cost(q.layout(), k.layout())));
    Ok((out, lse))
}

#[track_caller]
fn attend_backward(
    [q, k, v]: [&Tensor; 3],
    rotation: Option<&Rotation>,
    [out, lse]: [&Tensor; 2],
    cotangent: &Tensor,
    p: &Attention,
) -> Result<[Tensor; 3]> {
    let (device, dtype) = common("attention", &[q, k, v, out, cotangent])?;
    let rotation = rotation.map(|rotation| rotation.on(&device, dtype)).transpose()?;
    let like = |x: &Tensor| Tensor::empty("attention", &device, dtype, Layout::in_order(x.dims(), &[0, 2, 1, 3]));
    let (dq, dk, dv) = (like(q)?, like(k)?, like(v)?);
    let [q, k, v] = [q, k, v].map(rows);
    let (q, k, v, out, g) = (q?, k?, v?, rows(out)?, rows(cotangent)?);
    let d = device.kernels();
    let space = scratch(
        "attention",
        &device,
        attention::backward_scratch(d, rotation.is_some(), q.layout(), k.layout(), v.layout(), dtype),
    )?;
    {
        const OP: &str = "attention";
        let mut space = space.storage().write(OP)?;
        let (q, k, v) = (q.read(OP)?, k.read(OP)?, v.read(OP)?);
        let (out, lse, g) = (out.read(OP)?, lse.read(OP)?, g.read(OP)?);
        let (mut to_q, mut to_k, mut to_v) = (dq.write(OP)?, dk.write(OP)?, dv.write(OP)?);
        let tables = rotation.as_ref().map(Rotation::read).transpose()?;
        let turns = tables.as_ref().map(Tables::view).transpose()?;
        attention::backward(
            d,
            p,
            turns.as_ref(),
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
    rotation.iter().for_each(|_| device.count(attention::rotation_cost(q.layout(), k.layout())));
    Ok([dq, dk, dv])
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
