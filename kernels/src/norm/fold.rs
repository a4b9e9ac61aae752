//! The gradients of weight, bias, scale and shift, from sums over blocks of positions.
//!
//! A sample's positions are cut into blocks; block by block the backward kernels leave, for every channel, A = sum dz and
//! B = sum dz xhat, dz the cotangent of z. Here they are added in a fixed order: blocks, then samples, ascending.

use super::Sizes;
use super::affine::{Gradients, Typed};
use crate::CpuContext;
use crate::cpu::team::Parts;
use crate::cpu::{Kernel, Simd};
use std::ops::Range;

/// Where the sums of a block lie: first all A, then all B, each `[samples, blocks, channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    pub(crate) sizes: Sizes,
    pub(crate) per_sample: usize,
}

impl Blocks {
    /// f32 of scratch for all blocks.
    pub(crate) fn floats(&self) -> usize {
        2 * self.sizes.samples * self.per_sample * self.sizes.channels
    }
}

/// Writes the gradients that are wanted.
pub(crate) fn fold(cpu: &CpuContext, blocks: Blocks, sums: &[f32], affine: &Typed<f32>, gradients: Gradients<f32>) {
    if !gradients.any() {
        return;
    }
    let (a, b) = sums.split_at(sums.len() / 2);
    let fold = Fold {
        blocks,
        a,
        b,
        affine,
        weight: gradients.weight.map(Parts::new),
        bias: gradients.bias.map(Parts::new),
        scale: gradients.scale.map(Parts::new),
        shift: gradients.shift.map(Parts::new),
    };
    let strips = blocks.sizes.channels.div_ceil(STRIP);
    cpu.team.share(strips, 2 * sums.len() as u64, |range| cpu.isa.run(Strips { fold: &fold, range }));
}

/// Channels that are summed together: a multiple of every path's vectors, and whole cache lines.
const STRIP: usize = 16;

struct Fold<'a> {
    blocks: Blocks,
    a: &'a [f32],
    b: &'a [f32],
    affine: &'a Typed<'a, f32>,
    weight: Option<Parts<'a, f32>>,
    bias: Option<Parts<'a, f32>>,
    scale: Option<Parts<'a, f32>>,
    shift: Option<Parts<'a, f32>>,
}

struct Strips<'a> {
    fold: &'a Fold<'a>,
    range: Range<usize>,
}

impl Kernel for Strips<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.fold.blocks.sizes.channels;
        for at in (self.range.start * STRIP..channels.min(self.range.end * STRIP)).step_by(S::LANES) {
            self.fold.channels(s, at, S::LANES.min(channels - at));
        }
    }
}

impl Fold<'_> {
    /// The gradients of channels `at..at + count`, which fit a vector.
    #[inline(always)]
    fn channels<S: Simd>(&self, s: S, at: usize, count: usize) {
        let Blocks { sizes: Sizes { samples, channels, .. }, per_sample } = self.blocks;
        let (mut weight, mut bias) = (s.zero(), s.zero());
        for sample in 0..samples {
            let (mut a, mut b) = (s.zero(), s.zero());
            for block in sample * per_sample..(sample + 1) * per_sample {
                let here = block * channels + at;
                a = s.add(a, s.get(&self.a[here..here + count]));
                b = s.add(b, s.get(&self.b[here..here + count]));
            }
            let widening = self.affine.widenings(s, sample, at);
            (weight, bias) = (s.fma(widening, b, weight), s.fma(widening, a, bias));
            let row = sample * channels + at;
            write(s, &self.shift, row, count, a);
            let mut scale = b;
            if let Some(weight) = self.affine.weight {
                scale = s.mul(s.get(&weight[at..]), scale);
            }
            if let Some(bias) = self.affine.bias {
                scale = s.fma(s.get(&bias[at..]), a, scale);
            }
            write(s, &self.scale, row, count, scale);
        }
        write(s, &self.weight, at, count, weight);
        write(s, &self.bias, at, count, bias);
    }
}

#[inline(always)]
fn write<S: Simd>(s: S, to: &Option<Parts<f32>>, at: usize, count: usize, v: S::V) {
    if let Some(to) = to {
        // SAFETY: strips of channels do not overlap, in any row.
        s.put(unsafe { to.part(at..at + count) }, v);
    }
}
