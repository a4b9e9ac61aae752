//! The f32 kernels: blocks of terms to partial results, then partial results pairwise.

use super::BLOCK;
use super::fold::{Across, Fold, Max, Sum, along};
use super::plan::Plan;
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use std::ops::Range;

/// Sums to `y`. `partial` has room for every block of every result, unless there is but one block.
pub(super) fn sum(cpu: &CpuContext, plan: &Plan, x: &[f32], y: &mut [f32], partial: &mut [f32]) {
    let (results, blocks) = (plan.results(), plan.blocks());
    let work = (results * plan.terms.count()) as u64;
    if blocks == 1 {
        let y = &Parts::new(y);
        return cpu.team.share(results, work, |results| {
            cpu.isa.run(Pass { plan, x, to: To::Results(y), results, blocks: 0..1, fold: Sum });
        });
    }
    let parts = &Parts::new(partial);
    let inner = if plan.across { results } else { blocks };
    cpu.team.share(results * blocks, work, |range| {
        let mut at = range.start;
        while at < range.end {
            let (first, end) = (at % inner, inner.min(at % inner + range.end - at));
            let (one, many) = (at / inner..at / inner + 1, first..end);
            let (blocks, results) = if plan.across { (one, many) } else { (many, one) };
            cpu.isa.run(Pass { plan, x, to: To::Partial(parts), results, blocks, fold: Sum });
            at += end - first;
        }
    });
    let y = &Parts::new(y);
    cpu.team
        .share(results, (results * blocks) as u64, |range| cpu.isa.run(Pairwise { plan, partial: parts, y, range }));
}

/// Maxima to `y`, block after block.
pub(super) fn max(cpu: &CpuContext, plan: &Plan, x: &[f32], y: &mut [f32]) {
    let y = &Parts::new(y);
    cpu.team.share(plan.results(), (plan.results() * plan.terms.count()) as u64, |results| {
        cpu.isa.run(Pass { plan, x, to: To::Results(y), results, blocks: 0..plan.blocks(), fold: Max });
    });
}

/// Where the folds of blocks go.
#[derive(Clone, Copy)]
enum To<'a> {
    /// `[blocks, results]`, each its own place.
    Partial(&'a Parts<'a, f32>),
    /// The places of the results; blocks after the first are folded in.
    Results(&'a Parts<'a, f32>),
}

/// Some blocks of some results.
struct Pass<'a, F> {
    plan: &'a Plan,
    x: &'a [f32],
    to: To<'a>,
    results: Range<usize>,
    blocks: Range<usize>,
    fold: F,
}

impl<F: Fold> Kernel for Pass<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.plan.across { self.across(s) } else { self.along(s) }
    }
}

impl<F: Fold> Pass<'_, F> {
    #[inline(always)]
    fn across<S: Simd>(self, s: S) {
        let ((_, [_, to_stride]), (_, [term_stride])) = (self.plan.kept.row(), self.plan.terms.row());
        for block in self.blocks.clone() {
            let mut result = self.results.start;
            for ([from, to], count) in self.plan.kept.runs(self.results.clone()) {
                for first in (0..count).step_by(S::LANES) {
                    let width = S::LANES.min(count - first);
                    let mut across = Across::new(s, self.fold);
                    for ([term], terms) in self.plan.terms.runs(self.terms(block)) {
                        for i in 0..terms {
                            let at = from + first + term + i * term_stride;
                            across.push(s, self.fold, s.get(&self.x[at..at + width]));
                        }
                    }
                    self.give_vector(
                        s,
                        across.finish(s, self.fold),
                        width,
                        block,
                        result + first,
                        to + first * to_stride,
                    );
                }
                result += count;
            }
        }
    }

    #[inline(always)]
    fn along<S: Simd>(self, s: S) {
        let ((_, [from_stride, to_stride]), (_, [term_stride])) = (self.plan.kept.row(), self.plan.terms.row());
        let (mut result, mut near) = (self.results.start, [0.0; BLOCK]);
        let dense = self.plan.terms.rows() == 1 && term_stride == 1;
        for ([from, to], count) in self.plan.kept.runs(self.results.clone()) {
            for i in 0..count {
                for block in self.blocks.clone() {
                    let (start, terms) = (from + i * from_stride, self.terms(block));
                    let terms = if dense && !terms.is_empty() {
                        &self.x[start + terms.start..start + terms.end]
                    } else {
                        self.gather(start, terms, &mut near)
                    };
                    self.give(along(s, self.fold, terms), block, result + i, to + i * to_stride);
                }
            }
            result += count;
        }
    }

    #[inline(always)]
    fn terms(&self, block: usize) -> Range<usize> {
        block * BLOCK..self.plan.terms.count().min((block + 1) * BLOCK)
    }

    /// `terms` of the result whose first is at `start`, side by side.
    #[inline(always)]
    fn gather<'n>(&self, start: usize, terms: Range<usize>, near: &'n mut [f32; BLOCK]) -> &'n [f32] {
        let (stride, count) = (self.plan.terms.row().1[0], terms.len());
        let runs = self.plan.terms.runs(terms);
        let places = runs.flat_map(|([term], length)| (0..length).map(move |i| start + term + i * stride));
        near.iter_mut().zip(places).for_each(|(near, at)| *near = self.x[at]);
        &near[..count]
    }

    #[inline(always)]
    fn give(&self, value: f32, block: usize, result: usize, place: usize) {
        // SAFETY: a place of the result, or of the partial results, that belongs to this pass alone.
        unsafe {
            match self.to {
                To::Partial(partial) => partial.pointer().add(block * self.plan.results() + result).write(value),
                To::Results(y) if block == 0 => y.pointer().add(place).write(value),
                To::Results(y) => {
                    let y = y.pointer().add(place);
                    y.write(self.fold.scalar(y.read(), value));
                }
            }
        }
    }

    #[inline(always)]
    fn give_vector<S: Simd>(&self, s: S, value: S::V, width: usize, block: usize, result: usize, place: usize) {
        let stride = self.plan.kept.row().1[1];
        // SAFETY: as above.
        unsafe {
            match self.to {
                To::Partial(partial) => {
                    let at = block * self.plan.results() + result;
                    s.put(partial.part(at..at + width), value);
                }
                To::Results(y) if block == 0 && stride == 1 => s.put(y.part(place..place + width), value),
                To::Results(_) => {
                    let lanes = s.lanes(value);
                    (0..width).for_each(|i| self.give(lanes[i], block, result + i, place + i * stride));
                }
            }
        }
    }
}

/// Adds the blocks of the results `range`, neighbours first, and writes the sums.
struct Pairwise<'a> {
    plan: &'a Plan,
    partial: &'a Parts<'a, f32>,
    y: &'a Parts<'a, f32>,
    range: Range<usize>,
}

impl Kernel for Pairwise<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (results, blocks) = (self.plan.results(), self.plan.blocks());
        let row = |block: usize| {
            let at = block * results;
            // SAFETY: these results belong to this range alone, and no two rows overlap.
            unsafe { self.partial.part(at + self.range.start..at + self.range.end) }
        };
        let mut step = 1;
        while step < blocks {
            for block in (0..blocks - step).step_by(2 * step) {
                for (sum, next) in row(block).chunks_mut(S::LANES).zip(row(block + step).chunks(S::LANES)) {
                    s.put(sum, s.add(s.get(sum), s.get(next)));
                }
            }
            step *= 2;
        }
        let (mut sums, stride) = (row(0).iter(), self.plan.kept.row().1[1]);
        for ([_, to], count) in self.plan.kept.runs(self.range.clone()) {
            for (i, sum) in sums.by_ref().take(count).enumerate() {
                // SAFETY: the place of a result of this range.
                unsafe { self.y.pointer().add(to + i * stride).write(*sum) };
            }
        }
    }
}
