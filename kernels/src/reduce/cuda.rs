//! Sums and maxima on a GPU.

use super::plan::Plan;
use crate::cuda::elementwise::{Reals, real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::layout::Dims;
use crate::{DType, Layout, Result, Scratch, View, ViewMut, scratch};

pub(crate) static SOURCE: Source = Source { name: "reduce.cu", text: include_str!("reduce.cu") };

/// Terms that one pass adds; as in `reduce.cu`.
const CHUNK: usize = 1024;
/// Neighbouring terms that a lane adds in turn.
const RUN: u32 = 8;
/// Results, or vectors of them, of a block of `columns`.
const RESULTS: usize = 8;

/// Warps of a block of `rows`, at least; and at most, where they share the chunks of a result.
const WARPS: usize = 8;
const SHARED: usize = 32;

/// Bytes of scratch of [`sum`]: room for the partial sums of every pass but the last, in f32, or f64 for f64.
pub(super) fn sum_scratch(x: &Layout, y: &Layout, dtype: DType) -> usize {
    let mut terms = x.count().checked_div(y.count()).unwrap_or(0);
    let mut partial = 0;
    while terms > CHUNK {
        terms = terms.div_ceil(CHUNK);
        partial += terms * y.count();
    }
    partial * dtype.wide().size()
}

pub(super) fn sum(cuda: &CudaContext, x: View, y: ViewMut, plan: &Plan, space: Scratch) -> Result {
    const OP: &str = "sum";
    let (from, to, dtype) = (*x.layout(), *y.layout(), y.dtype());
    let mut partial = scratch::device(&space, sum_scratch(&from, &to, dtype), OP)?;
    let (kept, terms) = (DeviceNest::of(OP, &plan.kept)?, DeviceNest::of(OP, &plan.terms)?);
    let mut pass = Pass { x: x.pointer(OP)?, dtype, kept, terms, across: plan.across };
    let mut names = if plan.across { reals!("sum_columns") } else { reals!("sum_rows") };
    loop {
        let chunks = (pass.terms.count as usize).div_ceil(CHUNK).max(1);
        pass.launch(cuda, real(OP, names, dtype)?, y.pointer(OP)?, partial, chunks)?;
        if chunks == 1 || pass.share(chunks) > 1 {
            return Ok(());
        }
        // What is left: `chunks` neighbouring terms for each result, in the order of the results.
        let results = pass.kept.count as usize;
        let shape = |sizes: &[usize]| Dims::new(sizes).unwrap_or(Dims::filled(0, 0));
        let terms = DeviceNest::new(OP, [&Layout::contiguous(shape(&[chunks]))])?;
        let (kept, dtype) = (kept.numbered(0, chunks), dtype.wide());
        pass = Pass { x: partial, dtype, kept, terms, across: false };
        partial = partial.offset(results * chunks * dtype.size());
        names = ["sum_rows_f32", "sum_rows_f64", "sum_partial_rows_bf16", "sum_partial_rows_f16"];
    }
}

/// One pass: all terms of a result in one block, however many.
pub(super) fn max(cuda: &CudaContext, x: View, y: ViewMut, plan: &Plan) -> Result {
    const OP: &str = "max";
    let (kept, terms) = (DeviceNest::of(OP, &plan.kept)?, DeviceNest::of(OP, &plan.terms)?);
    let pass = Pass { x: x.pointer(OP)?, dtype: x.dtype(), kept, terms, across: plan.across };
    let names: Reals = if plan.across { reals!("max_columns") } else { reals!("max_rows") };
    pass.launch(cuda, real(OP, names, y.dtype())?, y.pointer(OP)?, DevicePtr::NULL, 1)
}

struct Pass {
    x: DevicePtr,
    dtype: DType,
    kept: DeviceNest<2>,
    terms: DeviceNest<1>,
    across: bool,
}

/// `Reduction` of `reduce.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Reduction {
    kept: DeviceNest<2>,
    terms: DeviceNest<1>,
    chunks: u32,
    share: u32,
    vectors: u32,
    even: u32,
    step: u32,
}

// SAFETY: u32 throughout.
unsafe impl bytemuck::Zeroable for Reduction {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Reduction {}

impl Pass {
    fn launch(
        &self,
        cuda: &CudaContext,
        name: &'static str,
        y: DevicePtr,
        partial: DevicePtr,
        chunks: usize,
    ) -> Result {
        let Pass { x, kept, terms, .. } = *self;
        let (results, share, vectors) = (kept.count as usize, self.share(chunks), self.is_in_vectors());
        let warps = WARPS.max(share);
        let blocks = match self.across {
            true => results.div_ceil(RESULTS * if vectors { self.lanes() as usize } else { 1 }) * chunks,
            false => (results * if share > 1 { share } else { chunks }).div_ceil(warps),
        };
        let step = terms.step_of_runs(0, RUN);
        let reduction = Reduction {
            kept,
            terms,
            chunks: chunks as u32,
            share: share as u32,
            vectors: vectors.into(),
            even: step.is_some().into(),
            step: step.unwrap_or(0),
        };
        cuda.launch(&SOURCE, name, Grid::new(blocks, 32 * warps), &[&x, &y, &partial, &reduction])
    }

    /// Warps of a block that have the chunks of one result, and join them.
    fn share(&self, chunks: usize) -> usize {
        if self.across || chunks > SHARED { 1 } else { chunks.next_power_of_two() }
    }

    /// Elements of 16 bytes.
    fn lanes(&self) -> u32 {
        16 / self.dtype.size() as u32
    }

    /// Whether results side by side, or terms in a run, are neighbours from 16-byte boundaries.
    fn is_in_vectors(&self) -> bool {
        let lanes = self.lanes();
        let starts = self.x.address().is_multiple_of(16);
        match self.across {
            true => starts && self.kept.has_rows_of(0, lanes, lanes, false) && self.terms.has_strides_of(0, lanes),
            false => starts && self.terms.has_rows_of(0, RUN, lanes, true) && self.kept.has_strides_of(0, lanes),
        }
    }
}
