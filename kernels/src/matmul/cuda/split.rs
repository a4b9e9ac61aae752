//! Products of few results and a long depth, as the gradient of a layer's weight is, in shares of the depth: a batch of
//! products, whose sums are added in order.
//!
//! Only where memory of `a` runs across the depth, so that its rows are features and not samples: how many shares there
//! are depends on the number of rows, and a sample's bits must not.

use super::OP;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::divisor;
use crate::cuda::{CudaContext, Grid, Parameter, Source, tensor_tile};
use crate::matmul::output_shape;
use crate::view::DataMut;
use crate::{DType, Dims, Epilogue, Layout, Result, Scratch, View, ViewMut, scratch};
use std::marker::PhantomData;

pub(crate) static SHARES: Source = Source { name: "matmul_shares.cu", text: include_str!("shares.cu") };

/// The least depth of a share.
const SHARE: usize = 128;
/// Tiles of 64 x 32 that all shares are to come to: a few for every multiprocessor there is.
const TILES: usize = 528;

/// How many shares: 1 where nothing is to be split.
fn shares(a: &Layout, b: &Layout, dtype: DType) -> usize {
    let ([m, k], [_, n]) = (&*a.shape, &*b.shape) else { return 1 };
    if !tensor_tile::takes(dtype) || a.strides[0] != 1 || a.strides[1] == 1 {
        return 1;
    }
    let wanted = TILES.div_ceil((m.div_ceil(64) * n.div_ceil(32)).max(1)).min(k / SHARE);
    // Shares are equal: the depth of a batch is one.
    (1..=wanted).rev().find(|shares| k.is_multiple_of(*shares)).unwrap_or(1)
}

/// Bytes of scratch of [`forward`]: the results of every share, in f32.
pub(super) fn forward_scratch(a: &Layout, b: &Layout, dtype: DType) -> usize {
    match (shares(a, b, dtype), output_shape(a, b)) {
        (1, _) | (_, None) => 0,
        (shares, Some(shape)) => shares * shape.count() * DType::F32.size(),
    }
}

/// The product, in shares if that is better, with `whole` for products that are not split.
pub(super) fn forward(
    cuda: &CudaContext,
    [a, b]: [View; 2],
    e: Epilogue,
    c: ViewMut,
    space: Scratch,
    whole: impl Fn(View, View, Epilogue, ViewMut) -> Result,
) -> Result {
    let shares = shares(a.layout(), b.layout(), c.dtype());
    let parts = parts(a.layout(), b.layout(), shares).filter(|_| shares > 1 && e.is_empty());
    let Some([a_parts, b_parts, all]) = parts else { return whole(a, b, e, c) };
    let bytes = forward_scratch(a.layout(), b.layout(), c.dtype());
    let room = scratch::device(&space, bytes, OP)?;
    let partial = ViewMut::new(DataMut::Device(room, bytes, PhantomData), DType::F32, all)?;
    whole(a.with_layout(a_parts)?, b.with_layout(b_parts)?, e, partial)?;
    // Checked by `whole`: c has the shape and the order of a product.
    let (count, columns) = (c.layout().count(), c.layout().shape[1]);
    let (c_row, to) = (c.layout().strides[0] as u32, c.pointer(OP)?);
    let name = real(OP, reals!("matmul_add_shares"), c.dtype())?;
    let parameters: [&dyn Parameter; 6] =
        [&room, &to, &(shares as u32), &(count as u32), &divisor(columns as u32), &c_row];
    cuda.launch(&SHARES, name, Grid::stride(cuda, count), &parameters)
}

/// The layouts of `a [shares, m, k / shares]`, `b [shares, k / shares, n]`, and the results of all.
fn parts(a: &Layout, b: &Layout, shares: usize) -> Option<[Layout; 3]> {
    let (&[m, k], &[_, n]) = (&*a.shape, &*b.shape) else { return None };
    let share = k / shares;
    let of = |shape: [usize; 3], strides: [usize; 3], offset| {
        Some(Layout { shape: Dims::new(&shape)?, strides: Dims::new(&strides)?, offset })
    };
    Some([
        of([shares, m, share], [share * a.strides[1], a.strides[0], a.strides[1]], a.offset)?,
        of([shares, share, n], [share * b.strides[0], b.strides[0], b.strides[1]], b.offset)?,
        Layout::contiguous(Dims::new(&[shares, m, n])?),
    ])
}
