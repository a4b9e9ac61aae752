//! The two ways to make one number of two, on vectors and on scalars alike.

use crate::cpu::Simd;
use crate::cpu::simd::MAX_LANES;

pub(super) trait Fold: Copy + Sync {
    /// What changes nothing.
    const IDENTITY: f32;
    fn vector<S: Simd>(self, s: S, a: S::V, b: S::V) -> S::V;
    fn scalar(self, a: f32, b: f32) -> f32;

    /// The lanes folded in halves: the first half with the second, until one is left.
    #[inline(always)]
    fn halves<S: Simd>(self, s: S, a: S::V) -> f32 {
        let (mut lanes, mut half) = (s.lanes(a), S::LANES / 2);
        while half > 0 {
            for lane in 0..half {
                lanes[lane] = self.scalar(lanes[lane], lanes[lane + half]);
            }
            half /= 2;
        }
        lanes[0]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Sum;
/// NaN stays.
#[derive(Clone, Copy)]
pub(super) struct Max;

impl Fold for Sum {
    const IDENTITY: f32 = 0.0;
    #[inline(always)]
    fn vector<S: Simd>(self, s: S, a: S::V, b: S::V) -> S::V {
        s.add(a, b)
    }
    #[inline(always)]
    fn scalar(self, a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn halves<S: Simd>(self, s: S, a: S::V) -> f32 {
        s.sum(a)
    }
}

impl Fold for Max {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    #[inline(always)]
    fn vector<S: Simd>(self, s: S, a: S::V, b: S::V) -> S::V {
        s.select_nan(a, a, s.max(a, b))
    }
    #[inline(always)]
    fn scalar(self, a: f32, b: f32) -> f32 {
        if a > b || a.is_nan() { a } else { b }
    }
}

/// A block of terms that are neighbours: term `t` goes to lane `t mod LANES`, then lanes are folded in halves.
/// No terms give the identity.
#[inline(always)]
pub(super) fn along<S: Simd, F: Fold>(s: S, fold: F, terms: &[f32]) -> f32 {
    let mut sum = s.splat(F::IDENTITY);
    let chunks = terms.chunks_exact(S::LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        sum = fold.vector(s, sum, s.get(chunk));
    }
    if !rest.is_empty() {
        sum = fold.vector(s, sum, s.first(rest.len(), s.get(rest), s.splat(F::IDENTITY)));
    }
    fold.halves(s, sum)
}

/// The same fold for a vector of results at once, term by term: lanes are vectors here.
pub(super) struct Across<S: Simd> {
    lanes: [S::V; MAX_LANES],
    terms: usize,
}

impl<S: Simd> Across<S> {
    #[inline(always)]
    pub(super) fn new<F: Fold>(s: S, _: F) -> Across<S> {
        Across { lanes: [s.splat(F::IDENTITY); MAX_LANES], terms: 0 }
    }

    #[inline(always)]
    pub(super) fn push<F: Fold>(&mut self, s: S, fold: F, term: S::V) {
        let lane = &mut self.lanes[self.terms % S::LANES];
        *lane = fold.vector(s, *lane, term);
        self.terms += 1;
    }

    #[inline(always)]
    pub(super) fn finish<F: Fold>(mut self, s: S, fold: F) -> S::V {
        let mut half = S::LANES / 2;
        while half > 0 {
            // Lanes that took no term hold the identity, which a fold leaves out without a change.
            for lane in 0..half.min(self.terms.saturating_sub(half)) {
                self.lanes[lane] = fold.vector(s, self.lanes[lane], self.lanes[lane + half]);
            }
            half /= 2;
        }
        self.lanes[0]
    }
}
