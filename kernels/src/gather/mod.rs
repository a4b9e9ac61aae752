//! Picking slices along an axis by index, and adding them back.

pub(crate) mod cuda;
#[cfg(test)]
mod tests;

use crate::blocks::{split, writable};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::nest::Nest;
use crate::{Cost, DType, Device, Dims, Element, KernelError, Layout, Real, Result, View, ViewMut};
use half::{bf16, f16};

/// `y[.., j, ..] = x[.., index[j], ..]` along `axis`; any dtype and strides, `index` i64 of shape `[m]`. An index outside
/// the axis is an error that names it; on a GPU, where looking would mean waiting, it picks NaN, or 0 of integers.
pub fn forward(device: &Device, axis: usize, x: View, index: View, y: ViewMut) -> Result {
    fits("gather", axis, x.layout(), &index, y.layout())?;
    writable("gather", y.layout())?;
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, axis, x, index, y),
    };
    let picks = Picks::new("gather", axis, x.layout(), &index, y.layout())?;
    match y.dtype() {
        DType::F32 => pick::<f32>(cpu, &picks, x, y),
        DType::F64 => pick::<f64>(cpu, &picks, x, y),
        DType::BF16 => pick::<bf16>(cpu, &picks, x, y),
        DType::F16 => pick::<f16>(cpu, &picks, x, y),
        DType::U8 => pick::<u8>(cpu, &picks, x, y),
        DType::I64 => pick::<i64>(cpu, &picks, x, y),
    }
}

/// The adjoint: `dx[.., v, ..]` = the sum of `g[.., j, ..]` over all `j` with `index[j] = v`, in ascending order, 0 where
/// there is none; f32 or f64.
pub fn scatter_add(device: &Device, axis: usize, g: View, index: View, dx: ViewMut) -> Result {
    fits("scatter_add", axis, dx.layout(), &index, g.layout())?;
    writable("scatter_add", dx.layout())?;
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::scatter_add(gpu, axis, g, index, dx),
    };
    let picks = Picks::new("scatter_add", axis, dx.layout(), &index, g.layout())?;
    match dx.dtype() {
        DType::F32 => add::<f32>(cpu, &picks, g, dx),
        DType::F64 => add::<f64>(cpu, &picks, g, dx),
        got => Err(KernelError::DType { op: "scatter_add", got, want: "f32 or f64" }),
    }
}

/// What [`forward`] costs.
pub fn forward_cost(y: &Layout, dtype: DType) -> Cost {
    Cost { flops: 0, bytes: (y.count() * 2 * dtype.size() + 8 * y.count()) as u64 }
}

/// What [`scatter_add`] costs.
pub fn scatter_add_cost(g: &Layout, dx: &Layout, dtype: DType) -> Cost {
    Cost { flops: g.count() as u64, bytes: ((g.count() + dx.count()) * dtype.size()) as u64 }
}

/// Which slices of the whole (`x`, `dx`) are those of the picked (`y`, `g`).
struct Picks<'a> {
    index: &'a [i64],
    index_stride: usize,
    /// Slices picked.
    count: usize,
    /// Slices there are.
    size: usize,
    /// One slice of whole and picked.
    slice: Nest<2>,
    /// From one slice to the next, in whole and picked.
    step: [usize; 2],
}

/// A layout with another size along `axis`.
fn at(axis: usize, layout: &Layout, size: usize) -> Layout {
    let mut shape: Dims = layout.shape;
    shape[axis] = size;
    Layout { shape, ..*layout }
}

/// An error unless `index` picks `picked` from `whole` along `axis`.
fn fits(op: &'static str, axis: usize, whole: &Layout, index: &View, picked: &Layout) -> Result {
    let shape = |what| KernelError::Shape { op, what };
    if axis >= whole.rank() {
        return Err(shape(format!("there is no axis {axis} in {:?}", whole.shape)));
    }
    let count = index.layout().count();
    if picked.rank() != whole.rank() || at(axis, whole, count).shape != picked.shape || index.layout().rank() != 1 {
        let (from, by) = (whole.shape, index.layout().shape);
        return Err(shape(format!("{by:?} indices along axis {axis} of {from:?} do not give {:?}", picked.shape)));
    }
    Ok(())
}

impl<'a> Picks<'a> {
    /// Of operands that [`fits`] has passed.
    fn new(op: &'static str, axis: usize, whole: &Layout, index: &View<'a>, picked: &Layout) -> Result<Picks<'a>> {
        let count = index.layout().count();
        let start = index.layout().offset;
        let picks = Picks {
            index: index.data::<i64>(op)?.get(start..).unwrap_or(&[]),
            index_stride: index.layout().strides[0],
            count,
            size: whole.shape[axis],
            slice: Nest::new([&at(axis, whole, 1), &at(axis, picked, 1)]),
            step: [whole.strides[axis], picked.strides[axis]],
        };
        let value = |j: usize| picks.index[j * picks.index_stride];
        if let Some(j) = (0..count).find(|&j| !usize::try_from(value(j)).is_ok_and(|v| v < picks.size)) {
            let what = format!("index {} at position {j} is outside 0..{}", value(j), picks.size);
            return Err(KernelError::Parameter { op, what });
        }
        Ok(picks)
    }

    /// Where slice `j` of the picked lies in whole and picked.
    #[inline(always)]
    fn offsets(&self, j: usize) -> [usize; 2] {
        [self.index[j * self.index_stride] as usize * self.step[0], j * self.step[1]]
    }
}

fn pick<T: Element>(cpu: &CpuContext, picks: &Picks, x: View, mut y: ViewMut) -> Result {
    let (x, y) = (x.data::<T>("gather")?, Parts::new(y.data::<T>("gather")?));
    let (_, [from, to]) = picks.slice.row();
    cpu.team.share(picks.count, (picks.count * picks.slice.count()) as u64, |range| {
        for ([whole, picked], length) in picks.slice.runs(0..picks.slice.count()) {
            for j in range.clone() {
                let [whole, picked] = [whole + picks.offsets(j)[0], picked + picks.offsets(j)[1]];
                // SAFETY: elements of slice j of the result, which belongs to this range alone.
                unsafe {
                    if (from, to) == (1, 1) {
                        y.part(picked..picked + length).copy_from_slice(&x[whole..whole + length]);
                    } else {
                        (0..length).for_each(|i| y.pointer().add(picked + i * to).write(x[whole + i * from]));
                    }
                }
            }
        }
    });
    Ok(())
}

fn add<T: Real>(cpu: &CpuContext, picks: &Picks, g: View, mut dx: ViewMut) -> Result {
    let (g, dx) = (g.data::<T>("scatter_add")?, Parts::new(dx.data::<T>("scatter_add")?));
    let (_, [to, from]) = picks.slice.row();
    // Split inside the slices: indices may repeat, and each sum has its order.
    split(cpu, picks.slice.count(), picks.size + picks.count, |range| {
        for ([whole, picked], length) in picks.slice.runs(range) {
            // SAFETY: elements of this part of the slices of the result, which no other part touches.
            let at = |whole: usize, i: usize| unsafe { &mut *dx.pointer().add(whole + i * to) };
            for slice in 0..picks.size {
                (0..length).for_each(|i| *at(whole + slice * picks.step[0], i) = T::default());
            }
            for j in 0..picks.count {
                let [whole, picked] = [whole + picks.offsets(j)[0], picked + picks.offsets(j)[1]];
                if (from, to) == (1, 1) {
                    // SAFETY: as above.
                    let dx = unsafe { dx.part(whole..whole + length) };
                    dx.iter_mut().zip(&g[picked..picked + length]).for_each(|(dx, &g)| *dx += g);
                } else {
                    (0..length).for_each(|i| *at(whole, i) += g[picked + i * from]);
                }
            }
        }
    });
    Ok(())
}
