//! Gather and scatter-add on a GPU. The host does not look at the index: see `gather.cu` for one outside the axis.

use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::{DType, KernelError, Layout, Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "gather.cu", text: include_str!("gather.cu") };

pub(super) fn forward(cuda: &CudaContext, axis: usize, x: View, index: View, y: ViewMut) -> Result {
    const OP: &str = "gather";
    integers(OP, &index)?;
    let shape = y.layout().shape;
    let mut first = Layout { shape, ..*x.layout() };
    let (size, step) = (x.layout().shape[axis] as u32, first.strides[axis] as u32);
    first.strides[axis] = 0;
    let nest = DeviceNest::new(OP, [y.layout(), &first, &along(axis, y.layout(), index.layout().strides[0])])?;
    let (name, missing) = match y.dtype() {
        DType::F32 => ("gather_u32", u64::from(f32::NAN.to_bits())),
        DType::F64 => ("gather_u64", f64::NAN.to_bits()),
        DType::BF16 => ("gather_u16", u64::from(half::bf16::NAN.to_bits())),
        DType::F16 => ("gather_u16", u64::from(half::f16::NAN.to_bits())),
        DType::U8 => ("gather_u8", 0),
        DType::I64 => ("gather_u64", 0),
    };
    let (grid, x, index, y) =
        (Grid::stride(cuda, nest.count as usize), x.pointer(OP)?, index.pointer(OP)?, y.pointer(OP)?);
    if nest.count == 0 {
        Ok(())
    } else {
        cuda.launch(&SOURCE, name, grid, &[&x, &index, &y, &nest, &size, &step, &missing])
    }
}

pub(super) fn scatter_add(cuda: &CudaContext, axis: usize, g: View, index: View, dx: ViewMut) -> Result {
    const OP: &str = "scatter_add";
    integers(OP, &index)?;
    let mut first = Layout { shape: dx.layout().shape, ..*g.layout() };
    let (picked, step) = (g.layout().shape[axis] as u32, first.strides[axis] as u32);
    first.strides[axis] = 0;
    let nest = DeviceNest::new(OP, [dx.layout(), &first, &along(axis, dx.layout(), 1)])?;
    let index_step = index.layout().strides[0] as u32;
    let name = real(OP, reals!("scatter_add"), dx.dtype())?;
    let (grid, g, index, dx) =
        (Grid::stride(cuda, nest.count as usize), g.pointer(OP)?, index.pointer(OP)?, dx.pointer(OP)?);
    if nest.count == 0 {
        return Ok(());
    }
    cuda.launch(&SOURCE, name, grid, &[&g, &index, &dx, &nest, &picked, &step, &index_step])
}

/// A layout of the shape of `like` that moves along `axis` alone.
fn along(axis: usize, like: &Layout, stride: usize) -> Layout {
    let mut layout = Layout { offset: 0, ..*like };
    layout.strides.fill(0);
    layout.strides[axis] = stride;
    layout
}

fn integers(op: &'static str, index: &View) -> Result {
    let got = index.dtype();
    if got == DType::I64 { Ok(()) } else { Err(KernelError::DType { op, got, want: "an i64 index" }) }
}
