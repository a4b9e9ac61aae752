//! Sums over rectangles of pixels: what nearest resizing, average pooling and their adjoints have in common.

pub(crate) mod cuda;

use crate::blocks::writable;
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::nest::Nest;
use crate::{DType, Device, KernelError, Layout, Real, Result, View, ViewMut};
use std::ops::Range;

/// Which pixels of the input, along one axis, pixel `i` of the result sums.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    /// The one of `from` pixels that it shows when they are shown in `to`.
    Shown { from: usize, to: usize },
    /// Those of `to` pixels that show it when `from` pixels are shown in them.
    Showing { from: usize, to: usize },
    /// `size` pixels, from `i * stride` on.
    Taken { size: usize, stride: usize },
    /// Those of `count` windows of `size` pixels, `stride` apart, that hold it.
    Around { size: usize, stride: usize, count: usize },
}

impl Window {
    pub(crate) fn range(self, i: usize) -> Range<usize> {
        match self {
            Window::Shown { from, to } => i * from / to..i * from / to + 1,
            Window::Showing { from, to } => (i * to).div_ceil(from)..((i + 1) * to).div_ceil(from),
            Window::Taken { size, stride } => i * stride..i * stride + size,
            Window::Around { size, stride, count } => {
                let end = count.min(i / stride + 1);
                (i + 1).saturating_sub(size).div_ceil(stride).min(end)..end
            }
        }
    }
}

/// `y[.., i, j] = scale * sum of x[.., k, l] over k in rows(i) and l in columns(j)`, added in ascending order; an empty sum
/// is 0. Leading axes are equal; ranges lie inside `x`. Any strides, best with channels last.
pub(crate) fn sums(
    device: &Device,
    op: &'static str,
    scale: f64,
    x: View,
    mut y: ViewMut,
    rows: Window,
    columns: Window,
) -> Result {
    let cpu = match device {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::sums(gpu, op, scale, x, y, rows, columns),
    };
    let (rows, columns) = (|i| rows.range(i), |i| columns.range(i));
    writable(op, y.layout())?;
    let windows = Windows::new(x.layout(), y.layout());
    match y.dtype() {
        DType::F32 => windows.run(cpu, scale as f32, x.data(op)?, y.data(op)?, &rows, &columns),
        DType::F64 => windows.run(cpu, scale, x.data(op)?, y.data(op)?, &rows, &columns),
        got => return Err(KernelError::DType { op, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// The last two sizes of both layouts. An error unless the layouts have two or more axes and agree in the others.
pub(crate) fn pixels(op: &'static str, x: &Layout, y: &Layout) -> Result<([usize; 2], [usize; 2])> {
    if let ([lead @ .., h, w], [other @ .., i, j]) = (&*x.shape, &*y.shape)
        && lead == other
    {
        return Ok(([*h, *w], [*i, *j]));
    }
    let what = format!("{:?} and {:?} must agree in all axes but the last two", x.shape, y.shape);
    Err(KernelError::Shape { op, what })
}

struct Windows {
    /// Result and input at one pixel: the leading axes.
    lead: Nest<2>,
    /// Sizes of the result's last two axes.
    size: [usize; 2],
    /// Strides of the result's and the input's last two axes.
    to: [usize; 2],
    from: [usize; 2],
}

impl Windows {
    fn new(x: &Layout, y: &Layout) -> Windows {
        let last = y.rank() - 2;
        let (mut from, mut to) = (*x, *y);
        for axis in [last, last + 1] {
            (from.shape[axis], to.shape[axis]) = (1, 1);
        }
        Windows {
            lead: Nest::new([&to, &from]),
            size: [y.shape[last], y.shape[last + 1]],
            to: [y.strides[last], y.strides[last + 1]],
            from: [x.strides[last], x.strides[last + 1]],
        }
    }

    fn run<T: Real>(
        &self,
        cpu: &CpuContext,
        scale: T,
        x: &[T],
        y: &mut [T],
        rows: &(impl Fn(usize) -> Range<usize> + Sync),
        columns: &(impl Fn(usize) -> Range<usize> + Sync),
    ) {
        let y = &Parts::new(y);
        let ([height, width], channels) = (self.size, self.lead.row().0);
        let lines = self.lead.count() / channels.max(1) * height;
        cpu.team.share(lines, (lines * width * channels) as u64, |lines| {
            for line in lines {
                let ([to, from], i) = (self.lead.start(line / height), line % height);
                let to = to + i * self.to[0];
                cpu.isa.run(Line { windows: self, scale, x, y, from, to, rows: rows(i), columns });
            }
        });
    }
}

/// One line of pixels of the result, in all channels; `from` is the input's pixel (0, 0), `to` the result's first.
struct Line<'a, T, C> {
    windows: &'a Windows,
    scale: T,
    x: &'a [T],
    y: &'a Parts<'a, T>,
    from: usize,
    to: usize,
    rows: Range<usize>,
    columns: &'a C,
}

/// Channels added at a time.
const LANES: usize = 16;

impl<T: Real, C: Fn(usize) -> Range<usize>> Kernel for Line<'_, T, C> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ((channels, [to, from]), width) = (self.windows.lead.row(), self.windows.size[1]);
        let together = if (to, from) == (1, 1) { channels / LANES * LANES } else { 0 };
        for j in 0..if together > 0 { width } else { 0 } {
            let (columns, place) = ((self.columns)(j), self.to + j * self.windows.to[1]);
            for channel in (0..together).step_by(LANES) {
                let sum = self.sum::<LANES>(self.from + channel, &columns);
                // SAFETY: channels of one pixel of the result, whose elements are all in different places.
                unsafe { self.y.part(place + channel..place + channel + LANES) }.copy_from_slice(&sum);
            }
        }
        for (channel, j) in (together..channels).flat_map(|channel| (0..width).map(move |j| (channel, j))) {
            let [sum] = self.sum::<1>(self.from + channel * from, &(self.columns)(j));
            // SAFETY: inside the layout of `y`, whose view vouches for its buffer; one element, as above.
            unsafe { self.y.pointer().add(self.to + channel * to + j * self.windows.to[1]).write(sum) };
        }
    }
}

impl<T: Real, C> Line<'_, T, C> {
    /// `N` neighbouring channels of a pixel of the result, the first of them at `from` in the input's pixel (0, 0).
    #[inline(always)]
    fn sum<const N: usize>(&self, from: usize, columns: &Range<usize>) -> [T; N] {
        let mut sum: Option<[T; N]> = None;
        for row in self.rows.clone() {
            for column in columns.clone() {
                let at = from + row * self.windows.from[0] + column * self.windows.from[1];
                let x = &self.x[at..at + N];
                sum = Some(match sum {
                    None => std::array::from_fn(|i| x[i]),
                    Some(sum) => std::array::from_fn(|i| sum[i] + x[i]),
                });
            }
        }
        sum.unwrap_or([T::default(); N]).map(|sum| sum * self.scale)
    }
}
