//! Windows of a canvas on a GPU. Where they lie goes with the launch: nothing is copied, and a recording holds it.

use super::{OP, Patches};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, DevicePtr, Grid, Source};
use crate::{Dims, KernelError, Layout, Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "patches.cu", text: include_str!("patches.cu") };

/// The most windows that a launch takes; `MOST` in `patches.cu`.
const MOST: usize = 256;

/// `Windows` in `patches.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Windows {
    count: u32,
    height: u32,
    width: u32,
    /// Of the operand that is read: from window to window (unused of a canvas), from row to row, from column to column.
    step: [u32; 3],
    offsets: [[u32; 2]; MOST],
}

// SAFETY: u32 throughout, so no padding.
unsafe impl bytemuck::Zeroable for Windows {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Windows {}

impl Windows {
    fn new(p: &Patches, read: &Layout, windows_axis: Option<usize>, operands: [&Layout; 2]) -> Result<Windows> {
        let count = p.offsets().len();
        let most = operands.into_iter().map(Layout::end).max().unwrap_or(0);
        if count > MOST || most >= 1 << 31 {
            let what = format!("{count} windows and {most} elements; a GPU takes {MOST} windows, and fewer than 2^31");
            return Err(KernelError::Parameter { op: OP, what });
        }
        let last = read.rank() - 1;
        let step = [windows_axis.map_or(0, |axis| read.strides[axis]), read.strides[last - 1], read.strides[last]];
        let mut offsets = [[0; 2]; MOST];
        for (to, from) in offsets.iter_mut().zip(p.offsets()) {
            *to = from.map(|place| place as u32);
        }
        let [height, width] = p.size().map(|size| size as u32);
        Ok(Windows { count: count as u32, height, width, step: step.map(|step| step as u32), offsets })
    }
}

pub(super) fn gather(cuda: &CudaContext, p: &Patches, shares: Option<View>, x: View, y: ViewMut) -> Result {
    let (like, axis) = (*y.layout(), x.layout().rank() - 3);
    let windows = Windows::new(p, x.layout(), None, [x.layout(), &like])?;
    // The canvas seen from a window in its corner.
    let mut corner = Layout { shape: like.shape, strides: Dims::filled(like.rank(), 0), offset: 0 };
    corner.strides[..axis].copy_from_slice(&x.layout().strides[..axis]);
    corner.strides[axis + 1..].copy_from_slice(&x.layout().strides[axis..]);
    let [h, w] = p.size();
    let number = along(&like, &[(axis, 1)]);
    let share = along(&like, &[(axis, h * w), (axis + 2, w), (axis + 3, 1)]);
    let nest = DeviceNest::new(OP, [&like, &corner, &number, &share])?;
    if nest.count == 0 {
        return Ok(());
    }
    let name = real(OP, reals!("gather_patches"), y.dtype())?;
    let (x, shares, y) = (x.pointer(OP)?, pointer(shares)?, y.pointer(OP)?);
    cuda.launch(&SOURCE, name, Grid::stride(cuda, nest.count as usize), &[&x, &shares, &y, &nest, &windows])
}

pub(super) fn scatter(cuda: &CudaContext, p: &Patches, shares: Option<View>, x: View, y: ViewMut) -> Result {
    let (like, axis) = (*y.layout(), y.layout().rank() - 3);
    let windows = Windows::new(p, x.layout(), Some(axis), [x.layout(), &like])?;
    // The first pixel of the first window, in all channels and samples.
    let mut first = Layout { shape: like.shape, strides: Dims::filled(like.rank(), 0), offset: 0 };
    first.strides[..axis].copy_from_slice(&x.layout().strides[..axis]);
    first.strides[axis] = x.layout().strides[axis + 1];
    let [row, column] = [along(&like, &[(axis + 1, 1)]), along(&like, &[(axis + 2, 1)])];
    let nest = DeviceNest::new(OP, [&like, &first, &row, &column])?;
    if nest.count == 0 {
        return Ok(());
    }
    let name = real(OP, reals!("scatter_patches"), y.dtype())?;
    let (x, shares, y) = (x.pointer(OP)?, pointer(shares)?, y.pointer(OP)?);
    cuda.launch(&SOURCE, name, Grid::stride(cuda, nest.count as usize), &[&x, &shares, &y, &nest, &windows])
}

/// A layout of the shape of `like` that moves along the given axes alone, by the given steps.
fn along(like: &Layout, steps: &[(usize, usize)]) -> Layout {
    let mut layout = Layout { shape: like.shape, strides: Dims::filled(like.rank(), 0), offset: 0 };
    steps.iter().for_each(|&(axis, step)| layout.strides[axis] = step);
    layout
}

fn pointer(shares: Option<View>) -> Result<DevicePtr> {
    shares.map_or(Ok(DevicePtr::NULL), |shares| shares.pointer(OP))
}
