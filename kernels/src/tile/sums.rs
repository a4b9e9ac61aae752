//! The sums of a tile: chains of multiply-adds in registers, and their totals in memory.
//!
//! A chain of K roundings, each in proportion to a sum that grows, is off by about K / sqrt(2) roundings of one product. In
//! chains of L it is sqrt(K L / 2) and, for the totals, K / sqrt(2 L): half as much at K = 288 already.

use super::{MAX_PANEL, MAX_ROWS};
use crate::cpu::Simd;
use std::mem::MaybeUninit;

/// Products of a chain, but for the last, which takes up to half as many more. Shorter ones gain little, since totals are
/// rounded too, and putting a tile down takes about as long as two products.
pub(super) const CHAIN: usize = 64;

/// Products of the next chain when `rest` are left.
#[inline(always)]
pub(super) fn next_chain(rest: usize) -> usize {
    if rest <= CHAIN + CHAIN / 2 { rest } else { CHAIN }
}

/// What a sum starts from.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Zero,
    /// One number a column.
    Bias(*const f32),
    /// What the result holds, which is added last.
    Result,
}

/// `M` rows of `V` vectors.
pub(super) type Sums<V, const M: usize, const N: usize> = [[V; N]; M];

/// Room for the totals of a tile, which would not fit into the registers beside the sums. Of whole cache lines: a vector
/// across two of them takes twice as long.
#[repr(align(64))]
pub(super) struct Room(MaybeUninit<[f32; MAX_ROWS * MAX_PANEL]>);

impl Room {
    pub(super) fn new() -> Room {
        Room(MaybeUninit::uninit())
    }
}

/// The sums of the chains that have ended.
pub(super) struct Totals<const M: usize> {
    rows: [*mut f32; M],
    chains: usize,
}

impl<const M: usize> Totals<M> {
    /// For tiles `width` wide, at most a panel.
    #[inline(always)]
    pub(super) fn new(room: &mut Room, width: usize) -> Totals<M> {
        let mut rows = [room.0.as_mut_ptr().cast::<f32>(); M];
        (0..M).for_each(|i| rows[i] = rows[i].wrapping_add(i * width));
        Totals { rows, chains: 0 }
    }

    /// Ends a chain; the next starts from 0.
    #[inline(always)]
    pub(super) fn put_down<S: Simd, const V: usize>(&mut self, s: S, sums: &mut Sums<S::V, M, V>) {
        self.add(s, sums);
        // SAFETY: `M` rows of the room, at most a panel wide.
        unsafe { write::<S, M, V>(s, &self.rows, V * S::LANES, sums) };
        self.chains += 1;
        *sums = [[s.zero(); V]; M];
    }

    /// Ends the last chain: writes `width` columns of the sum from every `to` on, and is ready for the next tile.
    ///
    /// # Safety
    /// `width` numbers are valid at every `to`.
    #[inline(always)]
    pub(super) unsafe fn finish<S: Simd, const V: usize>(
        &mut self,
        s: S,
        mut sums: Sums<S::V, M, V>,
        start: Start,
        to: &[*mut f32; M],
        width: usize,
    ) {
        self.add(s, &mut sums);
        self.chains = 0;
        // SAFETY: the caller's word.
        unsafe {
            if let Start::Result = start {
                add::<S, M, V>(s, to, width, &mut sums);
            }
            write::<S, M, V>(s, to, width, &sums);
        }
    }

    #[inline(always)]
    fn add<S: Simd, const V: usize>(&self, s: S, sums: &mut Sums<S::V, M, V>) {
        if self.chains > 0 {
            // SAFETY: `M` rows of the room, which the first chain has written.
            unsafe { add::<S, M, V>(s, &self.rows, V * S::LANES, sums) };
        }
    }
}

/// The first sums of `width` columns.
///
/// # Safety
/// `width` numbers are valid at the bias.
#[inline(always)]
pub(super) unsafe fn begin<S: Simd, const M: usize, const V: usize>(
    s: S,
    start: Start,
    width: usize,
) -> Sums<S::V, M, V> {
    let mut sums = [[s.zero(); V]; M];
    if let Start::Bias(bias) = start {
        for v in 0..V {
            // SAFETY: `width` columns of bias.
            let x = unsafe { s.load_partial(bias.add(v * S::LANES), (width - v * S::LANES).min(S::LANES)) };
            (0..M).for_each(|i| sums[i][v] = x);
        }
    }
    sums
}

/// Adds `width` columns from every `from` on to the sums.
///
/// # Safety
/// `width` numbers are valid at every `from`.
#[inline(always)]
unsafe fn add<S: Simd, const M: usize, const V: usize>(
    s: S,
    from: &[*mut f32; M],
    width: usize,
    sums: &mut Sums<S::V, M, V>,
) {
    for i in 0..M {
        for v in 0..V {
            // SAFETY: `width` columns.
            let x = unsafe {
                let at = from[i].add(v * S::LANES);
                if width >= (v + 1) * S::LANES { s.load(at) } else { s.load_partial(at, width - v * S::LANES) }
            };
            sums[i][v] = s.add(x, sums[i][v]);
        }
    }
}

/// Writes `width` columns from every `to` on.
///
/// # Safety
/// `width` numbers are valid at every `to`.
#[inline(always)]
unsafe fn write<S: Simd, const M: usize, const V: usize>(
    s: S,
    to: &[*mut f32; M],
    width: usize,
    sums: &Sums<S::V, M, V>,
) {
    for i in 0..M {
        for v in 0..V {
            // SAFETY: `width` columns.
            unsafe {
                let at = to[i].add(v * S::LANES);
                if width >= (v + 1) * S::LANES {
                    s.store(at, sums[i][v]);
                } else {
                    s.store_partial(at, sums[i][v], width - v * S::LANES);
                }
            }
        }
    }
}
