//! Data, time, error and the roof.

use kernels::cpu::{CpuContext, Isa, Kernel, Simd};
use kernels::{Device, Dims, KernelError};
use std::sync::Arc;
use std::time::Instant;

pub(crate) fn device(threads: usize) -> Device {
    Device::Cpu(Arc::new(CpuContext::new(threads, Isa::from_env())))
}

pub(crate) fn dims(sizes: &[usize]) -> Dims {
    Dims::new(sizes).unwrap_or(Dims::filled(0, 0))
}

/// `count` numbers in [-1, 1).
pub(crate) fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut numbers = with_large_pages(count);
    numbers.extend((0..count).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }));
    numbers
}

/// Zeroed scratch.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = with_large_pages(count);
    bytes.resize(count, 0);
    bytes
}

/// Fresh memory in large pages, as the engine's pool has it.
fn with_large_pages<T>(count: usize) -> Vec<T> {
    let mut fresh = Vec::<T>::with_capacity(count);
    #[cfg(target_os = "linux")]
    if size_of::<T>() * count >= 2 << 20 {
        let (start, page) = (fresh.as_mut_ptr(), 4096);
        let skip = start.align_offset(page);
        let len = (size_of::<T>() * (count - skip)) & !(page - 1);
        // SAFETY: whole pages inside one allocation; the advice changes no contents.
        unsafe { libc::madvise(start.add(skip).cast(), len, libc::MADV_HUGEPAGE) };
    }
    fresh
}

/// The shortest of many runs, in seconds.
pub(crate) fn best(mut work: impl FnMut() -> Result<(), KernelError>) -> Result<f64, KernelError> {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    for round in 0.. {
        let before = Instant::now();
        work()?;
        best = best.min(before.elapsed().as_secs_f64());
        if round >= 5 && start.elapsed().as_secs_f64() > 0.2 {
            break;
        }
    }
    Ok(best)
}

/// The largest error in units of `sqrt(K) eps (|x| * |w|)`, of which 4 are allowed; `sizes` is `|x| * |w|`.
pub(crate) fn error(got: &[f32], want: &[f64], sizes: &[f64], products: usize) -> f64 {
    let unit = (products.max(1) as f64).sqrt() * f64::from(f32::EPSILON);
    let errors = got.iter().zip(want).zip(sizes).map(|((&y, want), size)| (f64::from(y) - want).abs() / (unit * size));
    errors.fold(0.0, f64::max)
}

/// Prints one line: the error, then for one and two threads the rate and its share of the roof.
pub(crate) fn line(name: &str, error: f64, flops: u64, seconds: [f64; 2], roofs: &[f64; 2]) {
    print!("{name:48} max err {error:4.2} of 4 allowed");
    for (seconds, roof) in seconds.into_iter().zip(roofs) {
        let rate = flops as f64 / seconds / 1e9;
        print!("  {:9.1} us {rate:6.1} GFLOP/s {:3.0} %", 1e6 * seconds, 100.0 * rate / roof);
    }
    println!();
}

/// Multiply-adds on registers alone, GFLOP/s on all threads together.
pub(crate) fn roof(threads: usize) -> f64 {
    const TURNS: usize = 200_000;
    let Device::Cpu(cpu) = device(threads) else { unreachable!("made above") };
    let lanes = cpu.isa.run(Spin(0));
    let seconds = best(|| {
        cpu.team.run(threads, |_| {
            std::hint::black_box(cpu.isa.run(Spin(TURNS)));
        });
        Ok(())
    });
    (2 * threads * TURNS * CHAINS * lanes) as f64 / seconds.unwrap_or(f64::INFINITY) / 1e9
}

const CHAINS: usize = 12;

/// Some turns of [`CHAINS`] independent multiply-adds; answers the number of lanes.
struct Spin(usize);

impl Kernel for Spin {
    type Out = usize;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let mut sums = [s.splat(1.0); CHAINS];
        let (a, b) = (s.splat(std::hint::black_box(0.5)), s.splat(std::hint::black_box(1.0)));
        for _ in 0..self.0 {
            (0..CHAINS).for_each(|i| sums[i] = s.fma(sums[i], a, b));
        }
        sums.into_iter().for_each(|sum| _ = std::hint::black_box(s.sum(sum)));
        S::LANES
    }
}
