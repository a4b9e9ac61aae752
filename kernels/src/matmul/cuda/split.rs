//! Products of few results and a long depth, as the gradient of a layer's weight is, in shares of the depth: a batch of
//! products, whose sums are added in order.
//!
//! Only where memory of `a` runs across the depth, so that its rows are features and not samples: how many shares there
//! are depends on the number of rows, and a sample's bits must not.

use super::OP;
use crate::matmul::output_shape;
use crate::scratch;
use crate::view::DataMut;
use crate::{DType, Device, Dims, Layout, Result, Scratch, View, ViewMut};
use std::marker::PhantomData;

/// The least depth of a share.
const SHARE: usize = 128;
/// Tiles of 64 x 32 that all shares are to come to: a few for every multiprocessor there is.
const TILES: usize = 528;

/// How many shares: 1 where nothing is to be split. f32 alone, whose partial sums need no wider dtype.
fn shares(a: &Layout, b: &Layout, dtype: DType) -> usize {
    let ([m, k], [_, n]) = (&*a.shape, &*b.shape) else { return 1 };
    if dtype != DType::F32 || a.strides[0] != 1 || a.strides[1] == 1 {
        return 1;
    }
    let wanted = TILES.div_ceil((m.div_ceil(64) * n.div_ceil(32)).max(1)).min(k / SHARE);
    // Shares are equal: the depth of a batch is one.
    (1..=wanted).rev().find(|shares| k.is_multiple_of(*shares)).unwrap_or(1)
}

/// Bytes of scratch of [`forward`]: the results of every share.
pub(super) fn forward_scratch(a: &Layout, b: &Layout, dtype: DType) -> usize {
    match (shares(a, b, dtype), output_shape(a, b)) {
        (1, _) | (_, None) => 0,
        (shares, Some(shape)) => shares * shape.count() * dtype.size(),
    }
}

/// The product, in shares if that is better, with `whole` for products that are not split.
pub(super) fn forward(
    d: &Device,
    [a, b]: [View; 2],
    bias: Option<View>,
    c: ViewMut,
    space: Scratch,
    whole: impl Fn(View, View, Option<View>, ViewMut) -> Result,
) -> Result {
    let shares = shares(a.layout(), b.layout(), c.dtype());
    let parts = parts(a.layout(), b.layout(), c.layout(), shares).filter(|_| shares > 1 && bias.is_none());
    let Some([a_parts, b_parts, all, result]) = parts else { return whole(a, b, bias, c) };
    let (dtype, bytes) = (c.dtype(), forward_scratch(a.layout(), b.layout(), c.dtype()));
    let room = scratch::device(&space, bytes, OP)?;
    let partial = ViewMut::new(DataMut::Device(room, bytes, PhantomData), dtype, all)?;
    whole(a.with_layout(a_parts)?, b.with_layout(b_parts)?, None, partial)?;
    let partial = View::new(crate::view::Data::Device(room, bytes, PhantomData), dtype, all)?;
    crate::reduce::sum(d, partial, c.with_layout(result)?, DataMut::Device(room, 0, PhantomData))
}

/// The layouts of `a [shares, m, k / shares]`, `b [shares, k / shares, n]`, the results of all, and `c [1, m, n]`.
fn parts(a: &Layout, b: &Layout, c: &Layout, shares: usize) -> Option<[Layout; 4]> {
    let (&[m, k], &[_, n], &[_, _]) = (&*a.shape, &*b.shape, &*c.shape) else { return None };
    let share = k / shares;
    let of = |shape: [usize; 3], strides: [usize; 3], offset| {
        Some(Layout { shape: Dims::new(&shape)?, strides: Dims::new(&strides)?, offset })
    };
    Some([
        of([shares, m, share], [share * a.strides[1], a.strides[0], a.strides[1]], a.offset)?,
        of([shares, share, n], [share * b.strides[0], b.strides[0], b.strides[1]], b.offset)?,
        Layout::contiguous(Dims::new(&[shares, m, n])?),
        of([1, m, n], [m * n, c.strides[0], c.strides[1]], c.offset)?,
    ])
}
