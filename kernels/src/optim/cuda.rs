//! Parameter updates on a GPU.

use super::Slot;
use crate::cuda::elementwise::{real, reals};
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::dtype::with_real;
use crate::{DType, KernelError, Result, Scratch, View, ViewMut, scratch};

pub(crate) static SOURCE: Source = Source { name: "optim.cu", text: include_str!("optim.cu") };

/// Blocks that sum apart, at most, and the least elements of one.
const PIECES: usize = 1024;
const LEAST: usize = 4096;
/// Tensors of a launch, and elements of a block.
const LIST: usize = 64;
const CHUNK: usize = 4096;

/// Tensors with `P` operands of as many elements; as `List` in `optim.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct List<const P: usize> {
    at: [[DevicePtr; LIST]; P],
    count: [u32; LIST],
    first: [u32; LIST],
    tensors: u32,
    unused: u32,
}

// SAFETY: u64, then u32 in an even number: no padding.
unsafe impl<const P: usize> bytemuck::Zeroable for List<P> {}
// SAFETY: as above.
unsafe impl<const P: usize> bytemuck::Pod for List<P> {}

impl<const P: usize> List<P> {
    /// Of at most [`LIST`] tensors: where their operands lie, and their elements. Also the blocks.
    fn new(op: &'static str, tensors: &[([DevicePtr; P], usize)]) -> Result<(List<P>, usize)> {
        let mut list: List<P> = bytemuck::Zeroable::zeroed();
        let mut blocks = 0;
        for (i, (at, count)) in tensors.iter().enumerate() {
            let too_large = || KernelError::Parameter { op, what: format!("a tensor of {count} elements") };
            list.count[i] = u32::try_from(*count).map_err(|_| too_large())?;
            list.first[i] = u32::try_from(blocks).map_err(|_| too_large())?;
            (0..P).for_each(|operand| list.at[operand][i] = at[operand]);
            blocks += count.div_ceil(CHUNK);
        }
        list.tensors = tensors.len() as u32;
        Ok((list, blocks))
    }
}

/// The name of a kernel for `dtype`, f32 or f64.
fn single_or_double(op: &'static str, dtype: DType, names: [&'static str; 2]) -> Result<&'static str> {
    with_real(dtype, op, || Ok(names[0]), || Ok(names[1]))
}

/// A step's scalars, of the launch or in memory; see `optim.cu`.
pub(super) fn adam(cuda: &CudaContext, scalars: [f64; 8], table: Option<View>, slots: &[Slot]) -> Result {
    const OP: &str = "adam";
    let table = table.map_or(Ok(DevicePtr::NULL), |table| table.pointer(OP))?;
    for slots in slots.chunks(LIST) {
        let name = single_or_double(OP, slots[0].param.dtype(), ["adam_f32", "adam_f64"])?;
        let tensor = |slot: &Slot| {
            let Slot { param, grad, m, v } = slot;
            Ok(([param.pointer(OP)?, grad.pointer(OP)?, m.pointer(OP)?, v.pointer(OP)?], grad.layout().count()))
        };
        let (list, blocks) = List::new(OP, &slots.iter().map(tensor).collect::<Result<Vec<_>>>()?)?;
        cuda.launch(&SOURCE, name, Grid::new(blocks, 256), &[&list, &scalars, &table])?;
    }
    Ok(())
}

pub(super) fn ema(cuda: &CudaContext, rate: f64, table: Option<View>, slots: &[(ViewMut, View)]) -> Result {
    const OP: &str = "ema";
    let table = table.map_or(Ok(DevicePtr::NULL), |table| table.pointer(OP))?;
    for slots in slots.chunks(LIST) {
        let name = single_or_double(OP, slots[0].0.dtype(), ["ema_f32", "ema_f64"])?;
        let tensor = |(average, param): &(ViewMut, View)| {
            Ok(([average.pointer(OP)?, param.pointer(OP)?], param.layout().count()))
        };
        let (list, blocks) = List::new(OP, &slots.iter().map(tensor).collect::<Result<Vec<_>>>()?)?;
        cuda.launch(&SOURCE, name, Grid::new(blocks, 256), &[&list, &rate, &table])?;
    }
    Ok(())
}

/// Bytes of scratch of [`squares`].
pub(super) fn squares_scratch(counts: impl Iterator<Item = usize>) -> usize {
    8 * counts.map(|count| count.div_ceil(CHUNK)).sum::<usize>()
}

/// The sum of squares of each of `x`, into `y`.
pub(super) fn squares(cuda: &CudaContext, x: &[View], y: &ViewMut, space: Scratch) -> Result {
    const OP: &str = "squares";
    let room = squares_scratch(x.iter().map(|x| x.layout().count()));
    let (mut partial, mut y) = (scratch::device(&space, room, OP)?, y.pointer(OP)?);
    for x in x.chunks(LIST) {
        let name = single_or_double(OP, x[0].dtype(), ["squares_f32", "squares_f64"])?;
        let tensor = |x: &View| Ok(([x.pointer(OP)?], x.layout().count()));
        let (list, blocks) = List::new(OP, &x.iter().map(tensor).collect::<Result<Vec<_>>>()?)?;
        cuda.launch(&SOURCE, name, Grid::new(blocks, 256), &[&list, &partial])?;
        cuda.launch(&SOURCE, "sums", Grid::new(x.len(), 256), &[&list, &partial, &y])?;
        (partial, y) = (partial.offset(8 * blocks), y.offset(8 * x.len()));
    }
    Ok(())
}

/// See `optim.cu`.
pub(super) fn clip(cuda: &CudaContext, squares: View, most: f64, eps: f64, factor: &ViewMut, norm: &ViewMut) -> Result {
    const OP: &str = "clip";
    let count = squares.layout().count() as u32;
    let (squares, factor, norm) = (squares.pointer(OP)?, factor.pointer(OP)?, norm.pointer(OP)?);
    cuda.launch(&SOURCE, "clip", Grid::new(1, 32), &[&squares, &count, &most, &eps, &factor, &norm])
}

/// Bytes of scratch of [`sum_of_squares`].
pub(super) fn sum_of_squares_scratch(count: usize) -> usize {
    8 * pieces(count)
}

pub(super) fn sum_of_squares(cuda: &CudaContext, x: &View, y: &ViewMut, space: Scratch) -> Result {
    const OP: &str = "sum_of_squares";
    let (first, second) = (
        real(OP, reals!("sum_of_squares"), x.dtype())?,
        with_real(y.dtype(), OP, || Ok("sum_of_partials_f32"), || Ok("sum_of_partials_f64"))?,
    );
    let count = x.layout().count();
    let partial = scratch::device(&space, sum_of_squares_scratch(count), OP)?;
    let blocks = pieces(count);
    cuda.launch(&SOURCE, first, Grid::new(blocks, 256), &[&x.pointer(OP)?, &partial, &(count as u64)])?;
    cuda.launch(&SOURCE, second, Grid::new(1, 256), &[&partial, &y.pointer(OP)?, &(blocks as u32)])
}

fn pieces(count: usize) -> usize {
    count.div_ceil(LEAST).clamp(1, PIECES)
}
