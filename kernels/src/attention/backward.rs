//! The backward, a sample and head at a time: for every block of queries and of keys the map P again, then
//! `dv += P^T g`, `dS = P (g v^T - rowsum(g out))`, `dq += scale dS k`, `dk += scale dS^T q`, in ascending order.

use super::block::{Block, KEYS, take};
use super::geometry::{Rows, RowsMut, Sizes};
use super::rotation::{Turn, strip, turn_back};
use crate::cpu::{Kernel, Simd};
use crate::tile::{Start, Tile, panels};

pub(super) struct Backward<'a> {
    pub(super) tile: Tile,
    pub(super) sizes: Sizes,
    pub(super) scale: f32,
    pub(super) q: Rows<'a, f32>,
    pub(super) k: Rows<'a, f32>,
    pub(super) v: Rows<'a, f32>,
    /// Of q and k.
    pub(super) turns: [Option<Turn<'a, f32>>; 2],
    pub(super) out: Rows<'a, f32>,
    pub(super) lse: &'a [f32],
    pub(super) g: Rows<'a, f32>,
    pub(super) dq: RowsMut<'a, f32>,
    pub(super) dk: RowsMut<'a, f32>,
    pub(super) dv: RowsMut<'a, f32>,
}

/// f32 of scratch for a block: q, g and dq in columns, q and g packed, weights and slopes, lse and rowsum(g out); turned
/// rows of q, then of k.
pub(super) fn room(tile: Tile, sizes: &Sizes, turned: bool) -> usize {
    let rows = if turned { tile.panel().max(KEYS) * sizes.width } else { 0 };
    let columns = 2 * sizes.width + sizes.value_width + 2 * KEYS + 2;
    let packed = panels::room(tile.panel(), sizes.width) + panels::room(tile.panel(), sizes.value_width);
    columns * tile.panel() + packed + rows
}

impl Backward<'_> {
    /// Computes the gradients of one sample and head.
    pub(super) fn pair(&self, pair: usize, room: &mut [f32]) {
        let Sizes { queries, keys, .. } = self.sizes;
        for first in (0..queries).step_by(self.tile.panel()) {
            self.block(Block::new(self.tile, pair, first, queries), room);
        }
        for key in 0..if queries == 0 { keys } else { 0 } {
            // SAFETY: the rows of this sample and head.
            unsafe {
                self.dk.part(pair, key).fill(0.0);
                self.dv.part(pair, key).fill(0.0);
            }
        }
        // SAFETY: as above.
        unsafe { turn_back(self.tile.isa, self.turns[1].as_ref(), &self.dk, pair, 0..keys) };
    }

    fn block(&self, block: Block, mut room: &mut [f32]) {
        let Sizes { keys, width, value_width, .. } = self.sizes;
        let (pitch, start) = (block.pitch, if block.first == 0 { Start::Zero } else { Start::Result });
        let (q, g) = (take(&mut room, width * pitch), take(&mut room, value_width * pitch));
        let dq = take(&mut room, width * pitch);
        let (weights, slopes) = (take(&mut room, KEYS * pitch), take(&mut room, KEYS * pitch));
        let (lse, inner) = (take(&mut room, pitch), take(&mut room, pitch));
        let q_packed = take(&mut room, panels::room(block.queries, width));
        let g_packed = take(&mut room, panels::room(block.queries, value_width));
        let (isa, [turn_q, turn_k]) = (self.tile.isa, self.turns.each_ref().map(Option::as_ref));
        let queries = block.first..block.first + block.queries;
        let (own_q, own_g) =
            (strip(isa, turn_q, &self.q, block.pair, queries.clone(), room), self.g.strip(block.pair, block.first));
        block.columns(own_q, width, q);
        block.columns(own_g, value_width, g);
        block.packed(own_q, width, q_packed);
        block.packed(own_g, value_width, g_packed);
        self.rows(&block, lse, inner);
        dq.fill(0.0);
        for from in (0..keys).step_by(KEYS) {
            let count = KEYS.min(keys - from);
            // SAFETY: buffers of the block; `count` keys from `from` on are there, and their gradients are of this
            // sample and head, which is one thread's.
            unsafe {
                let k = strip(isa, turn_k, &self.k, block.pair, from..from + count, room);
                block.scores(k, count, width, q, weights);
                block.scores(self.v.strip(block.pair, from), count, value_width, g, slopes);
                let (weights, slopes) = (&mut weights[..count * pitch], &mut slopes[..count * pitch]);
                self.tile.isa.run(Slopes { scale: self.scale, weights, slopes, lse, inner });
                block.gather(k, count, width, slopes, dq);
                let (dk, dv) = (self.dk.pointer(block.pair, from), self.dv.pointer(block.pair, from));
                block.scatter(slopes, count, q_packed, width, (dk, self.dk.step()), start);
                block.scatter(weights, count, g_packed, value_width, (dv, self.dv.step()), start);
            }
        }
        for query in 0..block.queries {
            // SAFETY: the rows of this sample and head.
            let row = unsafe { self.dq.part(block.pair, block.first + query) };
            for (i, x) in row.iter_mut().enumerate() {
                *x = dq[i * pitch + query];
            }
        }
        // SAFETY: as above.
        unsafe { turn_back(isa, turn_q, &self.dq, block.pair, queries) };
    }

    /// lse and rowsum(g out) of the block's queries. Columns beyond have lse = inf, hence weight 0.
    fn rows(&self, block: &Block, lse: &mut [f32], inner: &mut [f32]) {
        lse.fill(f32::INFINITY);
        inner.fill(0.0);
        for query in 0..block.queries {
            let position = block.first + query;
            lse[query] = self.lse[block.pair * self.sizes.queries + position];
            let (g, out) = (self.g.row(block.pair, position), self.out.row(block.pair, position));
            inner[query] = self.tile.isa.run(Dot(g, out));
        }
    }
}

/// The inner product.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl Kernel for Dot<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = s.zero();
        for (a, b) in self.0.chunks(S::LANES).zip(self.1.chunks(S::LANES)) {
            sum = s.fma(s.get(a), s.get(b), sum);
        }
        s.sum(sum)
    }
}

/// Scores become weights, exp(scale score - lse); the cotangents of the weights those of the unscaled scores.
struct Slopes<'a> {
    scale: f32,
    weights: &'a mut [f32],
    slopes: &'a mut [f32],
    lse: &'a [f32],
    inner: &'a [f32],
}

impl Kernel for Slopes<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (pitch, scale) = (self.lse.len(), s.splat(self.scale));
        for at in (0..pitch).step_by(S::LANES) {
            let (lse, inner) = (s.get(&self.lse[at..]), s.get(&self.inner[at..]));
            for (weight, slope) in self.weights.chunks_exact_mut(pitch).zip(self.slopes.chunks_exact_mut(pitch)) {
                let p = s.exp(s.sub(s.mul(scale, s.get(&weight[at..])), lse));
                s.put(&mut weight[at..], p);
                let cotangent = s.mul(scale, s.sub(s.get(&slope[at..]), inner));
                s.put(&mut slope[at..], s.mul(p, cotangent));
            }
        }
    }
}
