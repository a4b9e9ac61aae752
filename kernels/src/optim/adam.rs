//! Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), in the order of PyTorch's `AdamW`.

use super::{CHUNK, chunk, same_order};
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::{Cost, DType, Device, KernelError, Real, Result, View, ViewMut};

const OP: &str = "adam";

/// What stays fixed over a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the mean of gradients, in [0, 1).
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in [0, 1).
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay: the parameter shrinks by `lr * weight_decay` before the step.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// One step, in place on the parameter and its moments `m` and `v`:
///
/// ```text
/// g     = gradient_scale * grad
/// param = param * (1 - lr * weight_decay)
/// m     = m + (1 - beta1) * (g - m)
/// v     = beta2 * v + (1 - beta2) * g^2
/// param = param - lr / bias_correction1 * m / (sqrt(v) / sqrt(bias_correction2) + eps)
/// ```
///
/// `bias_correction1` is `1 - beta1^k` in step `k` counted from 1; `gradient_scale` is the factor of clipping, or 1. The
/// scalars are computed in f64 and rounded once. All operands f32 or all f64, dense, of one shape and storage order.
pub fn adam(
    d: &Device,
    p: &Adam,
    lr: f64,
    bias_correction1: f64,
    bias_correction2: f64,
    gradient_scale: f64,
    mut param: ViewMut,
    grad: View,
    mut m: ViewMut,
    mut v: ViewMut,
) -> Result {
    same_order(OP, "the gradient", grad.layout(), param.layout())?;
    same_order(OP, "the first moment", m.layout(), param.layout())?;
    same_order(OP, "the second moment", v.layout(), param.layout())?;
    let scalars = Scalars {
        gradient: gradient_scale,
        keep: 1.0 - lr * p.weight_decay,
        mean: 1.0 - p.beta1,
        beta2: p.beta2,
        square: 1.0 - p.beta2,
        step: -lr / bias_correction1,
        root: bias_correction2.sqrt(),
        eps: p.eps,
    };
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return super::cuda::adam(gpu, scalars.array(), &param, &grad, &m, &v),
    };
    match param.dtype() {
        DType::F32 => run::<f32>(cpu, &scalars, &mut param, &grad, &mut m, &mut v),
        DType::F64 => run::<f64>(cpu, &scalars, &mut param, &grad, &mut m, &mut v),
        got => Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
}

/// Arithmetic and traffic of a step on `count` elements.
pub fn adam_cost(count: usize, dtype: DType) -> Cost {
    Cost { flops: 15 * count as u64, bytes: 7 * (count * dtype.size()) as u64 }
}

/// The coefficients of a step.
struct Scalars<T> {
    gradient: T,
    keep: T,
    mean: T,
    beta2: T,
    square: T,
    step: T,
    root: T,
    eps: T,
}

impl Scalars<f64> {
    /// In the order of `optim.cu`.
    fn array(&self) -> [f64; 8] {
        let Scalars { gradient, keep, mean, beta2, square, step, root, eps } = *self;
        [gradient, keep, mean, beta2, square, step, root, eps]
    }

    fn rounded<T: Real>(&self) -> Scalars<T> {
        let Scalars { gradient, keep, mean, beta2, square, step, root, eps } = *self;
        Scalars {
            gradient: T::from_f64(gradient),
            keep: T::from_f64(keep),
            mean: T::from_f64(mean),
            beta2: T::from_f64(beta2),
            square: T::from_f64(square),
            step: T::from_f64(step),
            root: T::from_f64(root),
            eps: T::from_f64(eps),
        }
    }
}

fn run<T: Real>(
    cpu: &CpuContext,
    scalars: &Scalars<f64>,
    param: &mut ViewMut,
    grad: &View,
    m: &mut ViewMut,
    v: &mut ViewMut,
) -> Result {
    let (scalars, grad) = (scalars.rounded::<T>(), grad.dense::<T>(OP)?);
    let (param, m, v) = (Parts::new(param.dense::<T>(OP)?), Parts::new(m.dense(OP)?), Parts::new(v.dense(OP)?));
    cpu.team.run(grad.len().div_ceil(CHUNK), |index| {
        let range = chunk(index, grad.len());
        // SAFETY: ranges of different chunks do not overlap.
        let (param, m, v) = unsafe { (param.part(range.clone()), m.part(range.clone()), v.part(range.clone())) };
        cpu.isa.run(Step { scalars: &scalars, param, grad: &grad[range], m, v });
    });
    Ok(())
}

struct Step<'a, T> {
    scalars: &'a Scalars<T>,
    param: &'a mut [T],
    grad: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
}

impl<T: Real> Kernel for Step<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Scalars { gradient, keep, mean, beta2, square, step, root, eps } = *self.scalars;
        for (((param, &grad), m), v) in self.param.iter_mut().zip(self.grad).zip(self.m).zip(self.v) {
            let g = gradient * grad;
            *m += mean * (g - *m);
            *v = beta2 * *v + square * g * g;
            *param = keep * *param + step * *m / (v.sqrt() / root + eps);
        }
    }
}
