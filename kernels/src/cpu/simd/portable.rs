//! Eight lanes in plain Rust; the compiler makes of them what the target has.

use super::{Kernel, Simd};

/// The path that every processor has.
#[derive(Clone, Copy)]
pub struct Portable;

const LANES: usize = 8;
type V = [f32; LANES];

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> V {
    std::array::from_fn(f)
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const REGISTERS: usize = 8; // sixteen of half the lanes, on the least of processors
    type V = V;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn sqrt(self, a: V) -> V {
        each(|i| a[i].sqrt())
    }
    #[inline(always)]
    fn round(self, a: V) -> V {
        // Adding and taking away 1.5 * 2^23 leaves no bits for a fraction; larger numbers have none already.
        const MAGIC: f32 = 12_582_912.0;
        each(|i| if a[i].abs() < 4_194_304.0 { (a[i] + MAGIC) - MAGIC } else { a[i] })
    }
    #[inline(always)]
    fn abs(self, a: V) -> V {
        each(|i| a[i].abs())
    }
    #[inline(always)]
    fn scale(self, a: V, n: V) -> V {
        // In two halves: a power of two alone would leave the range of exponents where the product does not.
        let half = self.round(self.mul(n, self.splat(0.5)));
        let power_of_two = |n: f32| f32::from_bits(((n as i32 + 127) as u32) << 23);
        each(|i| a[i] * power_of_two(half[i]) * power_of_two(n[i] - half[i]))
    }
    #[inline(always)]
    fn select_lt(self, a: V, b: V, x: V, y: V) -> V {
        each(|i| if a[i] < b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn select_nan(self, a: V, x: V, y: V) -> V {
        each(|i| if a[i].is_nan() { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn sum(self, a: V) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(never)]
    fn call<K: Kernel>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> V {
        // SAFETY: valid for LANES by the caller's word.
        unsafe { from.cast::<V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, a: V) {
        // SAFETY: valid for LANES by the caller's word.
        unsafe { to.cast::<V>().write_unaligned(a) }
    }
    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, n: usize) -> V {
        // SAFETY: only lanes below n are read.
        each(|i| if i < n { unsafe { from.add(i).read_unaligned() } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, a: V, n: usize) {
        for (i, x) in a.into_iter().enumerate().take(n) {
            // SAFETY: only lanes below n are written.
            unsafe { to.add(i).write_unaligned(x) }
        }
    }
}
