//! Rotary position embedding (Su et al. 2021): pairs of numbers of a token turned by angles that depend on its position.
//!
//! ```text
//! y[.., s, a(p)] = x[.., s, a(p)] cos[s, p] - x[.., s, b(p)] sin[s, p]
//! y[.., s, b(p)] = x[.., s, b(p)] cos[s, p] + x[.., s, a(p)] sin[s, p]      p = 0 .. e / 2
//! ```
//!
//! The table `[2, s, e / 2]` holds cosines, then sines. In several dimensions the row falls into as many blocks, each turned
//! by the coordinate along one axis; a pair lies inside a block. A product of queries and keys that are turned depends on
//! the difference of their positions alone. The adjoint turns back.

pub(crate) mod cuda;
pub mod reference;
pub(crate) mod row;
#[cfg(test)]
mod tests;

use crate::blocks::writable;
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::nest::Nest;
use crate::rows::shaped;
use crate::{Cost, DType, Device, Dims, KernelError, Layout, Result, View, ViewMut};
use std::ops::Range;

const OP: &str = "rope";

/// Which numbers of a row are pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rope {
    /// Blocks of a row, one for each coordinate of a position; twice this divides the row.
    pub axes: usize,
    /// Whether a pair are neighbours; else `i` and `i + half` of a block.
    pub interleaved: bool,
}

impl Default for Rope {
    /// One block, halves.
    fn default() -> Rope {
        Rope { axes: 1, interleaved: false }
    }
}

impl Rope {
    /// Where pair `p` of a row of `width` numbers lies.
    #[inline(always)]
    pub(crate) fn pair(&self, p: usize, width: usize) -> (usize, usize) {
        if self.interleaved {
            return (2 * p, 2 * p + 1);
        }
        let half = width / self.axes / 2;
        let first = p / half * 2 * half + p % half;
        (first, first + half)
    }
}

/// Turns `x [.., s, e]` into `y`, of one shape, by `table [2, s, e / 2]`, row-major; back where `back` says so. f32 or f64
/// (on a GPU also bf16 and f16, with the table in f32), any strides of x and y.
pub fn rotate(d: &Device, p: &Rope, back: bool, x: View, table: View, mut y: ViewMut) -> Result {
    let tokens = Tokens::new(p, x.layout(), &table, y.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::rotate(gpu, &tokens, back, x, table, y),
    };
    match y.dtype() {
        DType::F32 => tokens.run(cpu, back, x.data(OP)?, table.dense(OP)?, y.data(OP)?),
        DType::F64 => reference::rotate::<f64>(&tokens, back, x.data(OP)?, table.dense(OP)?, y.data(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// What [`rotate`] costs: three operations a number; x and y once (the table is shared by heads and samples).
pub fn rotate_cost(x: &Layout, dtype: DType) -> Cost {
    Cost { flops: 3 * x.count() as u64, bytes: (2 * x.count() * dtype.size()) as u64 }
}

/// Checked operands, as rows of numbers.
pub(crate) struct Tokens<'a> {
    p: &'a Rope,
    width: usize,
    positions: usize,
    /// Each token's number, counted row-major, and where it starts in y and x.
    nest: Nest<3>,
    /// From number to number of a token, in y and x.
    step: [usize; 2],
}

impl<'a> Tokens<'a> {
    fn new(p: &'a Rope, x: &Layout, table: &View, y: &Layout) -> Result<Tokens<'a>> {
        writable(OP, y)?;
        shaped(OP, "y", y, &x.shape)?;
        let &[.., positions, width] = &*x.shape else {
            let what = format!("{:?} has no axes of positions and numbers", x.shape);
            return Err(KernelError::Shape { op: OP, what });
        };
        if p.axes == 0 || !width.is_multiple_of(2 * p.axes) {
            let what = format!("rows of {width} numbers do not fall into {} blocks of pairs", p.axes);
            return Err(KernelError::Parameter { op: OP, what });
        }
        shaped(OP, "the table", table.layout(), &[2, positions, width / 2])?;
        if !table.layout().is_contiguous() {
            return Err(KernelError::Order { op: OP, what: "the table", want: "row-major" });
        }
        let (from, to, last) = (cut(x), cut(y), x.rank() - 1);
        let nest = Nest::new([&Layout::contiguous(from.shape), &to, &from]);
        Ok(Tokens { p, width, positions, nest, step: [y.strides[last], x.strides[last]] })
    }

    fn run(&self, cpu: &CpuContext, back: bool, x: &[f32], table: &[f32], y: &mut [f32]) {
        if self.width == 0 {
            return;
        }
        let y = Parts::new(y);
        let flops = 3 * (self.nest.count() * self.width) as u64;
        cpu.team.share(self.nest.count(), flops, |range| {
            cpu.isa.run(Turn { tokens: self, range, back, x, table, y: &y });
        });
    }
}

/// A layout without its last axis.
fn cut(layout: &Layout) -> Layout {
    let rank = layout.rank() - 1;
    let (mut shape, mut strides) = (Dims::filled(rank, 0), Dims::filled(rank, 0));
    shape.copy_from_slice(&layout.shape[..rank]);
    strides.copy_from_slice(&layout.strides[..rank]);
    Layout { shape, strides, offset: layout.offset }
}

/// Some tokens.
struct Turn<'a> {
    tokens: &'a Tokens<'a>,
    range: Range<usize>,
    back: bool,
    x: &'a [f32],
    table: &'a [f32],
    y: &'a Parts<'a, f32>,
}

impl Kernel for Turn<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Tokens { p, width, positions, nest, step } = self.tokens;
        let (pairs, [_, to_step, from_step]) = (width / 2, nest.row().1);
        let sign = if self.back { -1.0 } else { 1.0 };
        for ([number, to, from], count) in nest.runs(self.range.clone()) {
            for i in 0..count {
                let at = (number + i) % positions * pairs;
                let cos = &self.table[at..at + pairs];
                let sin = &self.table[positions * pairs + at..][..pairs];
                let (to, from) = (to + i * to_step, from + i * from_step);
                if *step == [1, 1] && !p.interleaved {
                    let half = pairs / p.axes;
                    for block in 0..p.axes {
                        let turns = block * half..(block + 1) * half;
                        let x = &self.x[from + 2 * block * half..][..2 * half];
                        // SAFETY: numbers of one token of the result, which one range holds and no two share.
                        let y = unsafe { self.y.part(to + 2 * block * half..to + 2 * (block + 1) * half) };
                        halves(x, &cos[turns.clone()], &sin[turns], sign, y);
                    }
                    continue;
                }
                for pair in 0..pairs {
                    let ((a, b), sin) = (p.pair(pair, *width), sign * sin[pair]);
                    let (left, right) = (self.x[from + a * step[1]], self.x[from + b * step[1]]);
                    // SAFETY: as above, inside the layout of `y`, whose view vouches for its buffer.
                    unsafe {
                        self.y.pointer().add(to + a * step[0]).write(left * cos[pair] - right * sin);
                        self.y.pointer().add(to + b * step[0]).write(right * cos[pair] + left * sin);
                    }
                }
            }
        }
    }
}

/// A block whose pairs are `i` and `i + half`.
#[inline(always)]
fn halves(x: &[f32], cos: &[f32], sin: &[f32], sign: f32, y: &mut [f32]) {
    let (left, right) = x.split_at(cos.len());
    let (y_left, y_right) = y.split_at_mut(cos.len());
    for i in 0..cos.len() {
        let sin = sign * sin[i];
        y_left[i] = left[i] * cos[i] - right[i] * sin;
        y_right[i] = right[i] * cos[i] + left[i] * sin;
    }
}
