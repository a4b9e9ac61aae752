//! Windows of a canvas, taken out and put back. A model that knows windows of one size then speaks of any canvas: it sees
//! windows that overlap, and its answers are averaged where they meet (MultiDiffusion, Bar-Tal et al. 2023).
//!
//! ```text
//! gather:   y[.., n, c, i, j] = s[n, i, j] x[.., c, r_n + i, q_n + j]
//! scatter:  x[.., c, k, l] = sum over n of s[n, k - r_n, l - q_n] y[.., n, c, k - r_n, l - q_n]
//! ```
//!
//! for windows n at (r_n, q_n), the sum over those that cover the pixel, in ascending order; each is the other's adjoint.
//! The shares s are 1 where they are not given. Shares that sum to 1 at every pixel ([`Patches::shares`]) make the sum an
//! average. Windows stand outside the channels, so that they join the batch of a network without a copy.

pub(crate) mod cuda;
pub mod reference;
#[cfg(test)]
mod tests;
mod windows;
mod work;

use crate::blocks::writable;
use crate::rows::shaped;
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};
pub use windows::Patches;
use work::Work;

const OP: &str = "patches";

/// `y [.., windows, c, h, w]`, the windows of `x [.., c, H, W]`, times `shares [windows, h, w]` if there are some. f32 or
/// f64 (on a GPU also bf16 and f16, with shares in f32), shares row-major, x and y of any strides. On a GPU there are at
/// most 256 windows.
pub fn gather(d: &Device, p: &Patches, shares: Option<View>, x: View, mut y: ViewMut) -> Result {
    check(p, shares.as_ref(), [x.dtype(), y.dtype()], x.layout(), y.layout())?;
    writable(OP, y.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::gather(gpu, p, shares, x, y),
    };
    let work = Work::new(p, shares.is_some(), y.layout(), x.layout());
    match y.dtype() {
        DType::F32 => work.gather(cpu, dense(&shares)?, x.data(OP)?, y.data(OP)?),
        DType::F64 => reference::gather::<f64>(&work, dense(&shares)?, x.data(OP)?, y.data(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// `y [.., c, H, W]`, the sums of the windows `x [.., windows, c, h, w]` that cover each pixel, 0 where none does; operands
/// as of [`gather`].
pub fn scatter(d: &Device, p: &Patches, shares: Option<View>, x: View, mut y: ViewMut) -> Result {
    check(p, shares.as_ref(), [x.dtype(), y.dtype()], y.layout(), x.layout())?;
    writable(OP, y.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::scatter(gpu, p, shares, x, y),
    };
    let work = Work::new(p, shares.is_some(), x.layout(), y.layout());
    match y.dtype() {
        DType::F32 => work.scatter(cpu, dense(&shares)?, x.data(OP)?, y.data(OP)?),
        DType::F64 => reference::scatter::<f64>(&work, dense(&shares)?, x.data(OP)?, y.data(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// What [`gather`] costs from the layout of the canvas to that of the windows: every number of a window read and written.
pub fn gather_cost(windows: &Layout, dtype: DType) -> Cost {
    Cost { flops: 0, bytes: (2 * windows.count() * dtype.size()) as u64 }
}

/// What [`scatter`] costs: an addition for each number of a window.
pub fn scatter_cost(windows: &Layout, canvas: &Layout, dtype: DType) -> Cost {
    let bytes = (windows.count() + canvas.count()) * dtype.size();
    Cost { flops: windows.count() as u64, bytes: bytes as u64 }
}

/// An error unless the operands are a canvas, its windows, and their shares.
fn check(p: &Patches, shares: Option<&View>, dtypes: [DType; 2], canvas: &Layout, windows: &Layout) -> Result {
    let ([height, width], [h, w], count) = (p.canvas(), p.size(), p.offsets().len());
    let want = match &*canvas.shape {
        &[ref lead @ .., channels, rows, columns] if [rows, columns] == [height, width] => {
            [lead, &[count, channels, h, w]].concat()
        }
        got => {
            let what = format!("a canvas of {got:?}, where windows are of [.., channels, {height}, {width}]");
            return Err(KernelError::Shape { op: OP, what });
        }
    };
    shaped(OP, "the windows", windows, &want)?;
    if dtypes[0] != dtypes[1] {
        return Err(KernelError::DType { op: OP, got: dtypes[0], want: dtypes[1].name() });
    }
    let Some(shares) = shares else { return Ok(()) };
    shaped(OP, "the shares", shares.layout(), &[count, h, w])?;
    if shares.dtype() != dtypes[0].wide() {
        return Err(KernelError::DType { op: OP, got: shares.dtype(), want: dtypes[0].wide().name() });
    }
    if shares.layout().is_contiguous() {
        Ok(())
    } else {
        Err(KernelError::Order { op: OP, what: "the shares", want: "row-major" })
    }
}

fn dense<'a, T: crate::Element>(shares: &Option<View<'a>>) -> Result<Option<&'a [T]>> {
    shares.as_ref().map(|shares| shares.dense(OP)).transpose()
}
