//! Elementwise ops over operands of any strides, in parallel.
//!
//! An op sees blocks: dense slices of equal length, one an operand. Where operands are dense along the rows of the loop
//! nest the slices are the operands themselves; elsewhere a few hundred elements at a time are staged on the stack.
//! Since every element is computed from its own inputs alone, how the work is split changes no bit.

use crate::cpu::simd::Portable;
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::nest::Nest;
use crate::{DType, Device, Element, KernelError, Layout, Result, View, ViewMut};
use std::ops::Range;

/// What an elementwise op does to a block.
pub(crate) trait Blockwise<T>: Sync {
    /// Whether the old `y` is an input too.
    const UPDATES: bool = false;
    /// Sets `y[i]` from `x[0][i], x[1][i], ..`; all slices have one length. Mark `#[inline(always)]`.
    fn block<S: Simd>(&self, simd: S, y: &mut [T], x: &[&[T]]);
}

/// Elements staged at a time.
pub(crate) const STAGE: usize = 256;
/// Elements below which a parallel region costs more than it saves.
const INLINE: usize = 20_000;

/// Calls `body` for the parts of `0..count`, items of `weight` elements: one part when that is little work, else parts of
/// some 10^4 elements, in parallel. Parts begin at multiples of a cache line, that aligned operands may be read and written
/// in whole lines.
pub(crate) fn split(cpu: &CpuContext, count: usize, weight: usize, body: impl Fn(Range<usize>) + Sync) {
    if count * weight <= INLINE {
        return body(0..count);
    }
    let (least, most) = (6_000 / weight, 60_000 / weight);
    let size = (count / (4 * cpu.team.threads())).clamp(least.max(1), most.max(1)).next_multiple_of(16);
    cpu.team.run(count.div_ceil(size), |chunk| body(chunk * size..count.min((chunk + 1) * size)));
}

/// An error unless `layout` can be written: no two elements in one place.
pub(crate) fn writable(op: &'static str, layout: &Layout) -> Result {
    let want = "free of repeated elements";
    if layout.is_injective() { Ok(()) } else { Err(KernelError::Order { op, what: "the result", want }) }
}

/// An error unless all operands have the shape of the result.
pub(crate) fn same_shape(op: &'static str, x: &[View], y: &Layout) -> Result {
    match x.iter().find(|x| x.layout().shape != y.shape) {
        None => Ok(()),
        Some(x) => {
            let what = format!("an operand of shape {:?} for a result of shape {:?}", x.layout().shape, y.shape);
            Err(KernelError::Shape { op, what })
        }
    }
}

/// `y[i] = work(x[0][i], x[1][i], ..)` for operands of `y`'s shape and dtype, f32 or f64. `OPERANDS` is at least the
/// number of operands, the result counted.
pub(crate) fn run<const OPERANDS: usize>(
    device: &Device,
    op: &'static str,
    work: &(impl Blockwise<f32> + Blockwise<f64>),
    x: &[View],
    y: ViewMut,
) -> Result {
    let cpu = device.cpu()?;
    match y.dtype() {
        DType::F32 => typed::<f32, _, OPERANDS>(cpu, op, work, x, y, |chunk| cpu.isa.run(chunk)),
        DType::F64 => typed::<f64, _, OPERANDS>(cpu, op, work, x, y, |chunk| chunk.run(Portable)),
        got => Err(KernelError::DType { op, got, want: "f32 or f64" }),
    }
}

fn typed<T: Element, W: Blockwise<T>, const OPERANDS: usize>(
    cpu: &CpuContext,
    op: &'static str,
    work: &W,
    x: &[View],
    mut y: ViewMut,
    run: impl Fn(Chunk<'_, T, W, OPERANDS>) + Sync,
) -> Result {
    same_shape(op, x, y.layout())?;
    writable(op, y.layout())?;
    // Operands too many walk along with the result.
    let layout = |i: usize| i.checked_sub(1).and_then(|i| x.get(i)).map_or(y.layout(), |x| x.layout());
    let nest = Nest::new(std::array::from_fn(layout));
    let mut data: [&[T]; OPERANDS] = [&[]; OPERANDS];
    for (data, x) in data[1..].iter_mut().zip(x) {
        *data = x.data(op)?;
    }
    let inputs = x.len();
    let y = Parts::new(y.data(op)?);
    split(cpu, nest.count(), 1, |range| run(Chunk { work, nest: &nest, range, y: &y, x: data, inputs }));
    Ok(())
}

/// A part of the elements of a nest. `x[0]` is not used: slot 0 is the result.
struct Chunk<'a, T, W, const OPERANDS: usize> {
    work: &'a W,
    nest: &'a Nest<OPERANDS>,
    range: Range<usize>,
    y: &'a Parts<'a, T>,
    x: [&'a [T]; OPERANDS],
    inputs: usize,
}

impl<T: Element, W: Blockwise<T>, const OPERANDS: usize> Kernel for Chunk<'_, T, W, OPERANDS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let strides = self.nest.row().1;
        if strides == [1; OPERANDS] { self.dense(simd) } else { self.strided(simd, strides) }
    }
}

impl<T: Element, W: Blockwise<T>, const OPERANDS: usize> Chunk<'_, T, W, OPERANDS> {
    #[inline(always)]
    fn dense<S: Simd>(self, simd: S) {
        for (at, count) in self.nest.runs(self.range.clone()) {
            let mut x: [&[T]; OPERANDS] = [&[]; OPERANDS];
            for i in 1..=self.inputs {
                x[i] = &self.x[i][at[i]..at[i] + count];
            }
            // SAFETY: chunks are disjoint ranges of a nest whose result has no two elements in one place.
            let y = unsafe { self.y.part(at[0]..at[0] + count) };
            self.work.block(simd, y, &x[1..=self.inputs]);
        }
    }

    #[inline(always)]
    fn strided<S: Simd>(self, simd: S, strides: [usize; OPERANDS]) {
        let mut stage = [[T::zeroed(); STAGE]; OPERANDS];
        let [result, inputs @ ..] = &mut stage[..] else { return };
        for (start, length) in self.nest.runs(self.range.clone()) {
            for first in (0..length).step_by(STAGE) {
                let count = STAGE.min(length - first);
                let at: [usize; OPERANDS] = std::array::from_fn(|i| start[i] + first * strides[i]);
                let mut x: [&[T]; OPERANDS] = [&[]; OPERANDS];
                for (i, staged) in (1..=self.inputs).zip(inputs.iter_mut()) {
                    x[i] = match strides[i] {
                        1 => &self.x[i][at[i]..at[i] + count],
                        // A repeated element fills the stage once a run.
                        0 if first > 0 => &staged[..count],
                        stride => gather(&mut staged[..count], &self.x[i][at[i]..], stride),
                    };
                }
                let to = self.y.pointer().wrapping_add(at[0]);
                let y = if strides[0] == 1 {
                    // SAFETY: elements of this chunk of the result, which no other chunk touches.
                    unsafe { self.y.part(at[0]..at[0] + count) }
                } else {
                    &mut result[..count]
                };
                if strides[0] != 1 && W::UPDATES {
                    // SAFETY: as above.
                    (0..count).for_each(|i| y[i] = unsafe { to.add(i * strides[0]).read() });
                }
                self.work.block(simd, y, &x[1..=self.inputs]);
                if strides[0] != 1 {
                    // SAFETY: as above.
                    (0..count).for_each(|i| unsafe { to.add(i * strides[0]).write(y[i]) });
                }
            }
        }
    }
}

#[inline(always)]
fn gather<'a, T: Copy>(to: &'a mut [T], from: &[T], stride: usize) -> &'a [T] {
    if stride == 0 {
        to.fill(from[0]);
    } else {
        to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
    }
    to
}
