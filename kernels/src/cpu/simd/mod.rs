//! Vectors of f32 over three instruction sets, behind one small trait.
//!
//! A kernel is written once, generic over [`Simd`], as a struct that implements [`Kernel`]; [`Isa::run`] calls it inside a
//! function compiled for the chosen instruction set. Everything between must be `#[inline(always)]`, or it would be
//! compiled without those instructions. That rules out closures, which take no such mark: one that is too large to be inlined
//! by itself ran sixty times slower. A `Simd` value is a token: it exists only where the processor has the path, which
//! is what makes the arithmetic methods safe to call.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

use super::Isa;

/// The most lanes a vector has on any path.
pub const MAX_LANES: usize = 16;

/// Arithmetic on [`Simd::LANES`] f32 at a time.
pub trait Simd: Copy + Send + Sync + 'static {
    /// f32 in a vector.
    const LANES: usize;
    /// Vectors that a kernel can keep in registers.
    const REGISTERS: usize;
    /// The vector.
    type V: Copy;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the path has a fused multiply-add, twice on the portable one.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Square root.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// To the nearest integer, halves to even. Of numbers below 2^31.
    fn round(self, a: Self::V) -> Self::V;
    /// `|a|`
    fn abs(self, a: Self::V) -> Self::V;
    /// `a 2^n`, rounded once, for integral `n` in -252..=254.
    fn scale(self, a: Self::V, n: Self::V) -> Self::V;
    /// `x` where `a < b`, else `y`.
    fn select_lt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `x` where `a` is NaN, else `y`.
    fn select_nan(self, a: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// The lanes added in a fixed tree.
    fn sum(self, a: Self::V) -> f32;

    /// Reads a vector.
    /// # Safety
    /// `from` is valid for reading [`Simd::LANES`] f32; any alignment.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Writes a vector.
    /// # Safety
    /// `to` is valid for writing [`Simd::LANES`] f32; any alignment.
    unsafe fn store(self, to: *mut f32, a: Self::V);
    /// Reads the first `n` lanes, `n <= LANES`; the others are 0. Touches nothing beyond them.
    /// # Safety
    /// `from` is valid for reading `n` f32.
    unsafe fn load_partial(self, from: *const f32, n: usize) -> Self::V;
    /// Writes the first `n` lanes, `n <= LANES`. Touches nothing beyond them.
    /// # Safety
    /// `to` is valid for writing `n` f32.
    unsafe fn store_partial(self, to: *mut f32, a: Self::V, n: usize);

    /// Runs `kernel` as a function of its own. Everything else is inlined: without such a border, code that is called in
    /// several places is compiled in each of them.
    fn call<K: Kernel>(self, kernel: K) -> K::Out;

    /// 0 in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// The first `min(LANES, len)` elements; the other lanes are 0.
    #[inline(always)]
    fn get(self, from: &[f32]) -> Self::V {
        // SAFETY: a whole vector is read only where the slice has one, else just its elements.
        unsafe {
            if from.len() >= Self::LANES {
                self.load(from.as_ptr())
            } else {
                self.load_partial(from.as_ptr(), from.len())
            }
        }
    }

    /// Writes the first `min(LANES, len)` lanes.
    #[inline(always)]
    fn put(self, to: &mut [f32], a: Self::V) {
        // SAFETY: a whole vector is written only where the slice has room for one, else just its elements.
        unsafe {
            if to.len() >= Self::LANES {
                self.store(to.as_mut_ptr(), a)
            } else {
                self.store_partial(to.as_mut_ptr(), a, to.len())
            }
        }
    }

    /// The lanes as an array; those from [`Simd::LANES`] on are 0.
    #[inline(always)]
    fn lanes(self, a: Self::V) -> [f32; MAX_LANES] {
        let mut lanes = [0.0; MAX_LANES];
        self.put(&mut lanes, a);
        lanes
    }

    /// `x` in the first `n` lanes, `y` in the others.
    #[inline(always)]
    fn first(self, n: usize, x: Self::V, y: Self::V) -> Self::V {
        const INDEX: [f32; MAX_LANES] =
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
        self.select_lt(self.get(&INDEX), self.splat(n as f32), x, y)
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self, a: Self::V) -> f32 {
        let (mut lanes, mut half) = (self.lanes(a), Self::LANES / 2);
        while half > 0 {
            for i in 0..half {
                lanes[i] = if lanes[i] > lanes[i + half] { lanes[i] } else { lanes[i + half] };
            }
            half /= 2;
        }
        lanes[0]
    }

    /// e^x to 2 ulp, over the whole range: subnormal below -87.3 and then 0, infinite above 88.7, NaN of NaN.
    ///
    /// Cody-Waite reduction to [-ln 2 / 2, ln 2 / 2], polynomial of degree 6.
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        // Beyond these bounds the result is 0 or infinite already.
        let x = self.min(self.splat(89.0), self.max(self.splat(-104.0), x));
        let n = self.round(self.mul(x, self.splat(std::f32::consts::LOG2_E)));
        let r = self.fma(n, self.splat(-0.693_359_4), x);
        let r = self.fma(n, self.splat(2.121_944_4e-4), r);
        let mut p = self.splat(1.398_2e-3);
        for c in [8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0] {
            p = self.fma(p, r, self.splat(c));
        }
        self.scale(p, n)
    }
}

/// Work that is compiled once for every instruction set.
pub trait Kernel {
    /// What it answers.
    type Out;
    /// Does it. Mark `#[inline(always)]`, and everything it calls.
    fn run<S: Simd>(self, simd: S) -> Self::Out;
}

impl Isa {
    /// Runs `kernel` compiled for this path (or the best one the processor has, should that be less).
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Out {
        #[cfg(target_arch = "x86_64")]
        match self.min(Isa::best()) {
            // SAFETY: `Isa::best` detected the features.
            Isa::Avx512 => return unsafe { avx512::run(kernel) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2::run(kernel) },
            Isa::Portable => {}
        }
        kernel.run(Portable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lanes<'a>(&'a [f32]);
    impl Kernel for Lanes<'_> {
        type Out = (Vec<f32>, Vec<f32>, f32);
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Out {
            let (mut exps, mut rounds) = (vec![0.0; self.0.len()], vec![0.0; self.0.len()]);
            let mut total = s.zero();
            for at in (0..self.0.len()).step_by(S::LANES) {
                let n = S::LANES.min(self.0.len() - at);
                // SAFETY: n elements from `at` on are inside all three slices.
                unsafe {
                    let x = s.load_partial(self.0.as_ptr().add(at), n);
                    total = s.add(total, x);
                    s.store_partial(exps.as_mut_ptr().add(at), s.exp(x), n);
                    s.store_partial(rounds.as_mut_ptr().add(at), s.round(x), n);
                }
            }
            (exps, rounds, s.sum(total))
        }
    }

    #[test]
    fn every_path_agrees_with_f64() {
        let xs: Vec<f32> = (0..4001).map(|i| (i as f32 - 2000.0) * 0.053_7).collect();
        for isa in Isa::available() {
            let (exps, rounds, total) = isa.run(Lanes(&xs));
            for ((&x, &e), &r) in xs.iter().zip(&exps).zip(&rounds) {
                let want = f64::from(x).exp();
                let ulp = f64::from(f32::EPSILON) * want;
                let subnormal = f64::from(f32::from_bits(1));
                let fits = e == want as f32 || (f64::from(e) - want).abs() <= (2.0 * ulp).max(subnormal);
                assert!(fits, "{isa:?}: exp({x}) = {e}, {want}");
                assert_eq!(r, x.round_ties_even(), "{isa:?}: round({x})");
            }
            let sum: f64 = xs.iter().map(|&x| f64::from(x)).sum();
            assert!((f64::from(total) - sum).abs() < 0.1, "{isa:?}: {total} {sum}");
        }
    }
}
