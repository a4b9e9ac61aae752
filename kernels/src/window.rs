//! Sums over rectangles of pixels: what nearest resizing, average pooling and their adjoints have in common.

use crate::blocks::writable;
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::nest::Nest;
use crate::{DType, Device, KernelError, Layout, Real, Result, View, ViewMut};
use std::ops::Range;

/// `y[.., i, j] = scale * sum of x[.., k, l] over k in rows(i) and l in columns(j)`, added in ascending order; an empty sum
/// is 0. Leading axes are equal; ranges lie inside `x`. f32 or f64, any strides, best with channels last.
pub(crate) fn sums(
    device: &Device,
    op: &'static str,
    scale: f64,
    x: View,
    mut y: ViewMut,
    rows: impl Fn(usize) -> Range<usize> + Sync,
    columns: impl Fn(usize) -> Range<usize> + Sync,
) -> Result {
    let Device::Cpu(cpu) = device;
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
        let y = Parts::new(y);
        let ([height, width], (channels, strides)) = (self.size, self.lead.row());
        let lines = self.lead.count() / channels.max(1) * height;
        cpu.team.share(lines, (lines * width * channels) as u64, |lines| {
            for line in lines {
                let ([to, from], i) = (self.lead.start(line / height), line % height);
                let (to, rows) = (to + i * self.to[0], rows(i));
                if strides == [1, 1] {
                    for j in 0..width {
                        let at = to + j * self.to[1];
                        // SAFETY: the channels of one pixel of the result, whose elements are all in different places.
                        let y = unsafe { y.part(at..at + channels) };
                        self.pixel(scale, x, from, y, &rows, &columns(j));
                    }
                    continue;
                }
                for (channel, j) in (0..channels).flat_map(|channel| (0..width).map(move |j| (channel, j))) {
                    let mut sum = [T::default()];
                    self.pixel(scale, x, from + channel * strides[1], &mut sum, &rows, &columns(j));
                    // SAFETY: inside the layout of `y`, whose view vouches for its buffer; one element, as above.
                    unsafe { y.pointer().add(to + channel * strides[0] + j * self.to[1]).write(sum[0]) };
                }
            }
        });
    }

    /// `y = scale * sum over the rectangle` for channels that are neighbours; `from` is the input's pixel (0, 0).
    #[inline(always)]
    fn pixel<T: Real>(&self, scale: T, x: &[T], from: usize, y: &mut [T], rows: &Range<usize>, columns: &Range<usize>) {
        let mut first = true;
        for (k, l) in rows.clone().flat_map(|k| columns.clone().map(move |l| (k, l))) {
            let at = from + k * self.from[0] + l * self.from[1];
            let x = &x[at..at + y.len()];
            if first {
                y.copy_from_slice(x);
            } else {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
            }
            first = false;
        }
        if first {
            y.fill(T::default());
        } else if scale.to_f64() != 1.0 {
            y.iter_mut().for_each(|y| *y = *y * scale);
        }
    }
}
