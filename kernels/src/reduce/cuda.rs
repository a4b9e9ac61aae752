//! Sums and maxima on a GPU.

use super::plan::Plan;
use crate::cuda::elementwise::{Reals, real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::layout::Dims;
use crate::{DType, Layout, Result, Scratch, View, ViewMut, scratch};

pub(crate) static SOURCE: Source = Source { name: "reduce.cu", text: include_str!("reduce.cu") };

/// Terms that one pass adds; as in `reduce.cu`.
const CHUNK: usize = 4096;
/// Results of a block.
const RESULTS: usize = 8;

/// Bytes of scratch of [`sum`]: the partial sums of every pass but the last, in f32, or f64 for f64.
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
    let mut pass = Pass { x: x.pointer(OP)?, kept, terms, across: plan.across };
    let (size, mut names) = (dtype.wide().size(), reals!("sum"));
    loop {
        let chunks = (pass.terms.count as usize).div_ceil(CHUNK).max(1);
        pass.launch(cuda, real(OP, names, dtype)?, y.pointer(OP)?, partial, chunks)?;
        if chunks == 1 {
            return Ok(());
        }
        // What is left: `chunks` neighbouring terms for each result, in the order of the results.
        let results = pass.kept.count as usize;
        let shape = |sizes: &[usize]| Dims::new(sizes).unwrap_or(Dims::filled(0, 0));
        let terms = Layout::contiguous(shape(&[chunks]));
        pass =
            Pass { x: partial, kept: kept.numbered(0, chunks), terms: DeviceNest::new(OP, [&terms])?, across: false };
        partial = partial.offset(results * chunks * size);
        names = ["sum_f32", "sum_f64", "sum_partial_bf16", "sum_partial_f16"];
    }
}

/// One pass: all terms of a result in one block, however many.
pub(super) fn max(cuda: &CudaContext, x: View, y: ViewMut, plan: &Plan) -> Result {
    const OP: &str = "max";
    let (kept, terms) = (DeviceNest::of(OP, &plan.kept)?, DeviceNest::of(OP, &plan.terms)?);
    let pass = Pass { x: x.pointer(OP)?, kept, terms, across: plan.across };
    let names: Reals = reals!("max");
    pass.launch(cuda, real(OP, names, y.dtype())?, y.pointer(OP)?, DevicePtr::NULL, 1)
}

struct Pass {
    x: DevicePtr,
    kept: DeviceNest<2>,
    terms: DeviceNest<1>,
    across: bool,
}

impl Pass {
    fn launch(
        &self,
        cuda: &CudaContext,
        name: &'static str,
        y: DevicePtr,
        partial: DevicePtr,
        chunks: usize,
    ) -> Result {
        let blocks = [(self.kept.count as usize).div_ceil(RESULTS), chunks, 1];
        let grid = Grid { blocks, ..Grid::new(1, 256) };
        let (chunks, across) = (chunks as u32, u32::from(self.across));
        cuda.launch(&SOURCE, name, grid, &[&self.x, &y, &partial, &self.kept, &self.terms, &chunks, &across])
    }
}
