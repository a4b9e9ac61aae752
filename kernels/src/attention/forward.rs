//! The forward, a block of queries at a time.

use super::block::{Block, KEYS, take};
use super::geometry::{Rows, RowsMut, Sizes};
use super::rotation::{Turn, strip};
use crate::cpu::team::Parts;
use crate::cpu::{Kernel, Simd};
use crate::tile::Tile;

pub(super) struct Forward<'a> {
    pub(super) tile: Tile,
    pub(super) sizes: Sizes,
    pub(super) scale: f32,
    pub(super) q: Rows<'a, f32>,
    pub(super) k: Rows<'a, f32>,
    pub(super) v: Rows<'a, f32>,
    /// Of q and k.
    pub(super) turns: [Option<Turn<'a, f32>>; 2],
    pub(super) out: RowsMut<'a, f32>,
    pub(super) lse: Parts<'a, f32>,
}

/// f32 of scratch for a block: queries, scores, result, maximum and sum; turned rows of q, then of k.
pub(super) fn room(tile: Tile, sizes: &Sizes, turned: bool) -> usize {
    let rows = if turned { tile.panel().max(KEYS) * sizes.width } else { 0 };
    (sizes.width + KEYS + sizes.value_width + 2) * tile.panel() + rows
}

impl Forward<'_> {
    /// Blocks of queries, of all samples and heads.
    pub(super) fn items(&self) -> usize {
        self.sizes.pairs() * self.sizes.queries.div_ceil(self.tile.panel())
    }

    /// Computes block `item`.
    pub(super) fn block(&self, item: usize, mut room: &mut [f32]) {
        let Sizes { queries, keys, width, value_width, .. } = self.sizes;
        let blocks = queries.div_ceil(self.tile.panel());
        let block = Block::new(self.tile, item / blocks, item % blocks * self.tile.panel(), queries);
        let q = take(&mut room, width * block.pitch);
        let scores = take(&mut room, KEYS * block.pitch);
        let out = take(&mut room, value_width * block.pitch);
        let (max, sum) = (take(&mut room, block.pitch), take(&mut room, block.pitch));
        let (isa, [turn_q, turn_k]) = (self.tile.isa, self.turns.each_ref().map(Option::as_ref));
        let queries = block.first..block.first + block.queries;
        block.columns(strip(isa, turn_q, &self.q, block.pair, queries, room), width, q);
        out.fill(0.0);
        max.fill(f32::NEG_INFINITY);
        sum.fill(0.0);
        for from in (0..keys).step_by(KEYS) {
            let count = KEYS.min(keys - from);
            // SAFETY: buffers of the block; `count` keys from `from` on are there.
            unsafe {
                let k = strip(isa, turn_k, &self.k, block.pair, from..from + count, room);
                block.scores(k, count, width, q, scores);
            }
            let (pitch, scale, scores) = (block.pitch, self.scale, &mut scores[..count * block.pitch]);
            self.tile.isa.run(Soften { pitch, scale, scores, max, sum, out });
            // SAFETY: as above.
            unsafe { block.gather(self.v.strip(block.pair, from), count, value_width, scores, out) };
        }
        self.write(&block, out, max, sum);
    }

    /// out divided by the sum, and lse = max + ln sum.
    fn write(&self, block: &Block, out: &[f32], max: &[f32], sum: &[f32]) {
        let at = block.pair * self.sizes.queries + block.first;
        // SAFETY: every query belongs to one block.
        let lse = unsafe { self.lse.part(at..at + block.queries) };
        for query in 0..block.queries {
            lse[query] = max[query] + sum[query].ln();
            // Without keys the sum is 0, and so is the result.
            let scale = if self.sizes.keys == 0 { 0.0 } else { 1.0 / sum[query] };
            // SAFETY: as above.
            let row = unsafe { self.out.part(block.pair, block.first + query) };
            for (i, y) in row.iter_mut().enumerate() {
                *y = scale * out[i * block.pitch + query];
            }
        }
    }
}

/// One block of keys: the running maximum takes in its scores, which become exp(scale score - maximum); the sum and the
/// result so far are scaled to the new maximum.
struct Soften<'a> {
    pitch: usize,
    scale: f32,
    scores: &'a mut [f32],
    max: &'a mut [f32],
    sum: &'a mut [f32],
    out: &'a mut [f32],
}

impl Kernel for Soften<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(self.scale);
        for at in (0..self.pitch).step_by(S::LANES) {
            let before = s.get(&self.max[at..]);
            let mut max = before;
            for row in self.scores.chunks_exact_mut(self.pitch) {
                let score = s.mul(scale, s.get(&row[at..]));
                s.put(&mut row[at..], score);
                max = s.max(max, score);
            }
            let mut sum = s.zero();
            for row in self.scores.chunks_exact_mut(self.pitch) {
                let weight = s.exp(s.sub(s.get(&row[at..]), max));
                s.put(&mut row[at..], weight);
                sum = s.add(sum, weight);
            }
            // exp(-inf - max) = 0 before the first keys.
            let fade = s.exp(s.sub(before, max));
            let sum = s.fma(s.get(&self.sum[at..]), fade, sum);
            s.put(&mut self.sum[at..], sum);
            s.put(&mut self.max[at..], max);
            for row in self.out.chunks_exact_mut(self.pitch) {
                let y = s.mul(s.get(&row[at..]), fade);
                s.put(&mut row[at..], y);
            }
        }
    }
}
