//! The processor's work, a line of a window at a time. Sums belong to lines of the canvas: each adds, window by window, the
//! lines that lie on it, so that no two threads meet and the order of a sum is that of the windows.

use super::Patches;
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::nest::Nest;
use crate::{Dims, Layout};
use std::ops::Range;

/// Operands that fit together, as lines.
pub(super) struct Work<'a> {
    p: &'a Patches,
    pub(super) samples: usize,
    /// A line of a window in all channels of a sample: windows, canvas, shares.
    pub(super) nest: Nest<3>,
    /// A line of the canvas in all channels of a sample.
    pub(super) whole: Nest<1>,
    /// From sample to sample, of windows and canvas; from line to line.
    sample: [usize; 2],
    step: [usize; 2],
    /// From window to window, and from column to column of the canvas.
    window: usize,
    column: usize,
}

impl<'a> Work<'a> {
    /// Of layouts that [`super::check`] has passed.
    pub(super) fn new(p: &'a Patches, shared: bool, windows: &Layout, canvas: &Layout) -> Work<'a> {
        let rank = canvas.rank();
        let batched = rank > 3;
        let line = |layout: &Layout, width: usize| {
            let mut line = *layout;
            (line.shape[rank - 2], line.shape[rank - 1]) = (1, width);
            if batched {
                line.shape[0] = 1;
            }
            line
        };
        let sample = |layout: &Layout| if batched { layout.strides[0] } else { 0 };
        let (one, width) = (without(windows, rank - 3), p.size()[1]);
        let mut shares = Layout::contiguous(line(&one, width).shape);
        shares.strides.fill(0);
        shares.strides[rank - 1] = shared.into();
        Work {
            p,
            samples: if batched { canvas.shape[0] } else { 1 },
            nest: Nest::new([&line(&one, width), &line(canvas, width), &shares]),
            whole: Nest::new([&line(canvas, p.canvas()[1])]),
            sample: [sample(windows), sample(canvas)],
            step: [one.strides[rank - 2], canvas.strides[rank - 2]],
            window: windows.strides[rank - 3],
            column: canvas.strides[rank - 1],
        }
    }

    pub(super) fn windows(&self) -> usize {
        self.p.offsets().len()
    }

    /// Lines of a window.
    pub(super) fn lines(&self) -> usize {
        self.p.size()[0]
    }

    /// Lines of the canvas.
    pub(super) fn rows(&self) -> usize {
        self.p.canvas()[0]
    }

    /// Where a line of a window starts in windows, canvas and shares, offsets of the layouts apart.
    #[inline(always)]
    pub(super) fn line(&self, sample: usize, n: usize, line: usize) -> [usize; 3] {
        let ([row, column], [height, width]) = (self.p.offsets()[n], self.p.size());
        [
            sample * self.sample[0] + n * self.window + line * self.step[0],
            self.row(sample, row + line) + column * self.column,
            (n * height + line) * width,
        ]
    }

    /// Where a line of the canvas starts.
    #[inline(always)]
    pub(super) fn row(&self, sample: usize, row: usize) -> usize {
        sample * self.sample[1] + row * self.step[1]
    }

    pub(super) fn gather(&self, cpu: &CpuContext, shares: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
        let (items, y) = (self.samples * self.windows() * self.lines(), &Parts::new(y));
        cpu.team.share(items, (items * self.nest.count()) as u64, |range| {
            cpu.isa.run(Gather(Pass { work: self, range, shares, x, y }));
        });
    }

    pub(super) fn scatter(&self, cpu: &CpuContext, shares: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
        let (items, y) = (self.samples * self.rows(), &Parts::new(y));
        let numbers = self.samples * self.windows() * self.lines() * self.nest.count() + items * self.whole.count();
        cpu.team.share(items, numbers as u64, |range| {
            cpu.isa.run(Scatter(Pass { work: self, range, shares, x, y }));
        });
    }
}

/// A layout without an axis.
fn without(layout: &Layout, axis: usize) -> Layout {
    let keep = |of: &Dims| {
        let mut kept = Dims::filled(of.len() - 1, 0);
        kept[..axis].copy_from_slice(&of[..axis]);
        kept[axis..].copy_from_slice(&of[axis + 1..]);
        kept
    };
    Layout { shape: keep(&layout.shape), strides: keep(&layout.strides), offset: layout.offset }
}

/// Some lines of the result.
struct Pass<'a> {
    work: &'a Work<'a>,
    range: Range<usize>,
    shares: Option<&'a [f32]>,
    x: &'a [f32],
    y: &'a Parts<'a, f32>,
}

/// Lines of windows.
struct Gather<'a>(Pass<'a>);

/// Lines of the canvas.
struct Scatter<'a>(Pass<'a>);

impl Kernel for Gather<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (pass, work) = (&self.0, self.0.work);
        for item in pass.range.clone() {
            let (window, line) = (item / work.lines(), item % work.lines());
            // SAFETY: the line is in one range alone.
            unsafe { pass.line::<false>(window / work.windows(), window % work.windows(), line) };
        }
    }
}

impl Kernel for Scatter<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (pass, work) = (&self.0, self.0.work);
        let step = work.whole.row().1[0];
        for item in pass.range.clone() {
            let (sample, row) = (item / work.rows(), item % work.rows());
            for ([at], count) in work.whole.runs(0..work.whole.count()) {
                let to = pass.y.pointer().wrapping_add(work.row(sample, row) + at);
                // SAFETY: the line is in one range alone.
                (0..count).for_each(|i| unsafe { to.add(i * step).write(0.0) });
            }
            for (n, [top, _]) in work.p.offsets().iter().enumerate() {
                let Some(line) = row.checked_sub(*top).filter(|&line| line < work.lines()) else { continue };
                // SAFETY: as above.
                unsafe { pass.line::<true>(sample, n, line) };
            }
        }
    }
}

impl Pass<'_> {
    /// A line of a window becomes `share * canvas`; with `ADD`, its line of the canvas gets `+ share * window`.
    ///
    /// # Safety
    /// Nobody else holds the line of the result.
    #[inline(always)]
    unsafe fn line<const ADD: bool>(&self, sample: usize, n: usize, line: usize) {
        let (to, from) = if ADD { (1, 0) } else { (0, 1) };
        let (start, steps) = (self.work.line(sample, n, line), self.work.nest.row().1);
        for (at, count) in self.work.nest.runs(0..self.work.nest.count()) {
            let (y, x) = (start[to] + at[to], &self.x[start[from] + at[from]..]);
            let shares = self.shares.map(|shares| &shares[start[2] + at[2]..]);
            if (steps[to], steps[from]) == (1, 1) {
                // SAFETY: the caller's word.
                let (y, x) = (unsafe { self.y.part(y..y + count) }, &x[..count]);
                match shares {
                    Some(shares) if steps[2] == 1 => each::<ADD>(y, x, &shares[..count]),
                    Some(shares) => all::<ADD>(y, x, shares[0]),
                    None => all::<ADD>(y, x, 1.0),
                }
                continue;
            }
            for i in 0..count {
                let term = x[i * steps[from]] * shares.map_or(1.0, |shares| shares[i * steps[2]]);
                // SAFETY: the caller's word, inside the layout of `y`, whose view vouches for its buffer.
                let y = unsafe { &mut *self.y.pointer().add(y + i * steps[to]) };
                *y = if ADD { *y + term } else { term };
            }
        }
    }
}

#[inline(always)]
fn each<const ADD: bool>(y: &mut [f32], x: &[f32], shares: &[f32]) {
    for ((y, &x), &share) in y.iter_mut().zip(x).zip(shares) {
        *y = if ADD { *y + x * share } else { x * share };
    }
}

#[inline(always)]
fn all<const ADD: bool>(y: &mut [f32], x: &[f32], share: f32) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = if ADD { *y + x * share } else { x * share };
    }
}
