//! Elementwise loops over slices of f32, a vector at a time.
//!
//! Every element goes through the same vector instructions, the tail too, so its bits do not depend on where it lies.

use super::Simd;

/// `y[i] = f(x[0][i], x[1][i], ..)`, as far as the shortest slice goes.
#[inline(always)]
pub fn map<S: Simd, const N: usize>(s: S, y: &mut [f32], x: [&[f32]; N], f: impl Fn([S::V; N]) -> S::V) {
    let count = x.iter().map(|x| x.len()).fold(y.len(), usize::min);
    let (to, from) = (y.as_mut_ptr(), x.map(<[f32]>::as_ptr));
    walk::<S>(count, |at, n| {
        // SAFETY: at + n <= count, the length of the shortest slice.
        unsafe { write(s, to.add(at), n, f(from.map(|x| read(s, x.add(at), n)))) }
    });
}

/// `y[i] = f(y[i], x[0][i], ..)`, as far as the shortest slice goes.
#[inline(always)]
pub fn update<S: Simd, const N: usize>(s: S, y: &mut [f32], x: [&[f32]; N], f: impl Fn(S::V, [S::V; N]) -> S::V) {
    let count = x.iter().map(|x| x.len()).fold(y.len(), usize::min);
    let (to, from) = (y.as_mut_ptr(), x.map(<[f32]>::as_ptr));
    walk::<S>(count, |at, n| {
        // SAFETY: at + n <= count, the length of the shortest slice.
        unsafe { write(s, to.add(at), n, f(read(s, to.add(at), n), from.map(|x| read(s, x.add(at), n)))) }
    });
}

/// Calls `body(at, n)` for every full vector with the constant `n = LANES`, then for what is left.
#[inline(always)]
fn walk<S: Simd>(count: usize, body: impl Fn(usize, usize)) {
    let full = count - count % S::LANES;
    for at in (0..full).step_by(S::LANES) {
        body(at, S::LANES);
    }
    if full < count {
        body(full, count - full);
    }
}

#[inline(always)]
unsafe fn read<S: Simd>(s: S, from: *const f32, n: usize) -> S::V {
    // SAFETY: valid for n elements by the caller's word.
    unsafe { if n == S::LANES { s.load(from) } else { s.load_partial(from, n) } }
}

#[inline(always)]
unsafe fn write<S: Simd>(s: S, to: *mut f32, n: usize, a: S::V) {
    // SAFETY: valid for n elements by the caller's word.
    unsafe { if n == S::LANES { s.store(to, a) } else { s.store_partial(to, a, n) } }
}
