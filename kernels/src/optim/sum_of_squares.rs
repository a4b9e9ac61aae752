//! The sum of squares of a tensor: the global norm of a gradient is the root of the sum of these.

use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::dtype::with_real;
use crate::{Cost, DType, Device, KernelError, Real, Result, Scratch, View, ViewMut};

const OP: &str = "sum_of_squares";

/// Pieces that are summed apart, at most, and the least elements of one. Both fixed, so that the order of the sum
/// depends on the number of elements alone.
const PIECES: usize = 64;
const LEAST: usize = 1 << 12;
const LANES: usize = 32;

/// `y = sum of x^2`. `x` is dense, f32 or f64, and summed in f64 in storage order; `y` has one element, f32 or f64.
///
/// `scratch` is at least [`sum_of_squares_scratch`] bytes long.
pub fn sum_of_squares(d: &Device, x: View, mut y: ViewMut, scratch: Scratch) -> Result {
    if y.layout().count() != 1 {
        let what = format!("the result is one number, not {:?}", y.layout().shape);
        return Err(KernelError::Shape { op: OP, what });
    }
    if !x.layout().is_dense() {
        return Err(KernelError::Order { op: OP, what: "an operand", want: "dense" });
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return super::cuda::sum_of_squares(gpu, &x, &y, scratch),
    };
    let total = with_real(x.dtype(), OP, || Ok(sum(cpu, x.dense::<f32>(OP)?)), || Ok(sum(cpu, x.dense::<f64>(OP)?)))?;
    match y.dtype() {
        DType::F32 => y.dense::<f32>(OP)?[0] = total as f32,
        DType::F64 => y.dense::<f64>(OP)?[0] = total,
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// Bytes of scratch of [`sum_of_squares`] of `count` elements.
pub fn sum_of_squares_scratch(d: &Device, count: usize) -> usize {
    if let Device::Cuda(_) = d { super::cuda::sum_of_squares_scratch(count) } else { 0 }
}

/// `y[i]` = the sum of squares of `x[i]`, `y` `[x.len()]`, f64. All of `x` f32 or all f64, dense.
///
/// `scratch` is at least [`squares_scratch`] bytes long.
pub fn squares(d: &Device, x: &[View], mut y: ViewMut, scratch: Scratch) -> Result {
    if y.layout().shape[..] != [x.len()] || y.dtype() != DType::F64 || !y.layout().is_contiguous() {
        let what = format!("{} sums in {:?} of {}; f64, one each", x.len(), y.layout().shape, y.dtype());
        return Err(KernelError::Shape { op: OP, what });
    }
    for x in x {
        if !x.layout().is_dense() {
            return Err(KernelError::Order { op: OP, what: "an operand", want: "dense" });
        }
    }
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return super::cuda::squares(gpu, x, &y, scratch),
    };
    for (y, x) in y.dense::<f64>(OP)?.iter_mut().zip(x) {
        *y = with_real(x.dtype(), OP, || Ok(sum(cpu, x.dense::<f32>(OP)?)), || Ok(sum(cpu, x.dense::<f64>(OP)?)))?;
    }
    Ok(())
}

/// Bytes of scratch of [`squares`] of tensors of `counts` elements.
pub fn squares_scratch(d: &Device, counts: impl Iterator<Item = usize>) -> usize {
    if let Device::Cuda(_) = d { super::cuda::squares_scratch(counts) } else { 0 }
}

/// The norm of all gradients together from the sums of `squares` `[n]` of each, and the factor that brings it down to
/// `most` (as PyTorch's `clip_grad_norm_`: `most / (norm + eps)`, at most 1), not a number where the norm is not finite.
/// All f64, one number each.
pub fn clip(d: &Device, squares: View, most: f64, eps: f64, mut factor: ViewMut, mut norm: ViewMut) -> Result {
    if [squares.dtype(), factor.dtype(), norm.dtype()] != [DType::F64; 3] || !squares.layout().is_contiguous() {
        return Err(KernelError::DType { op: "clip", got: squares.dtype(), want: "f64" });
    }
    if let Device::Cuda(gpu) = d {
        return super::cuda::clip(gpu, squares, most, eps, &factor, &norm);
    }
    let total = squares.dense::<f64>(OP)?.iter().sum::<f64>();
    let scale = (most / (total.sqrt() + eps)).min(1.0);
    norm.dense::<f64>(OP)?[0] = total.sqrt();
    factor.dense::<f64>(OP)?[0] = if total.is_finite() { scale } else { f64::NAN };
    Ok(())
}

/// Arithmetic and traffic for `count` elements.
pub fn sum_of_squares_cost(count: usize, dtype: DType) -> Cost {
    Cost { flops: 2 * count as u64, bytes: (count * dtype.size()) as u64 }
}

fn sum<T: Real>(cpu: &CpuContext, x: &[T]) -> f64 {
    let piece = x.len().div_ceil(PIECES).next_multiple_of(LANES).max(LEAST);
    let mut sums = [0.0; PIECES];
    let parts = Parts::new(&mut sums);
    cpu.team.run(x.len().div_ceil(piece), |index| {
        // SAFETY: one place per chunk.
        let slot = unsafe { parts.part(index..index + 1) };
        slot[0] = cpu.isa.run(Piece(&x[index * piece..x.len().min((index + 1) * piece)]));
    });
    sums.iter().sum()
}

struct Piece<'a, T>(&'a [T]);

impl<T: Real> Kernel for Piece<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; LANES];
        let (blocks, tail) = self.0.as_chunks::<LANES>();
        for block in blocks {
            for i in 0..LANES {
                let x = block[i].to_f64();
                sums[i] += x * x;
            }
        }
        for (sum, x) in sums.iter_mut().zip(tail) {
            *sum += x.to_f64() * x.to_f64();
        }
        sums.iter().sum()
    }
}
