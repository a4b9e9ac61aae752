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

/// A parameter with what moves it: all f32 or all f64, dense, of one shape and storage order.
pub struct Slot<'a> {
    /// The parameter.
    pub param: ViewMut<'a>,
    /// Its gradient.
    pub grad: View<'a>,
    /// The running mean of the gradient.
    pub m: ViewMut<'a>,
    /// The running mean of its square.
    pub v: ViewMut<'a>,
}

/// Where the coefficients of a step are.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    /// Here.
    Given(&'a AdamStep),
    /// In the device's memory: `AdamStep::array`, `[8]`, f64; a recorded step of a GPU reads them anew at every replay.
    Table(View<'a>),
}

/// One step, in place on every parameter and its moments `m` and `v`:
///
/// ```text
/// g     = gradient_scale * grad
/// param = param * (1 - lr * weight_decay)
/// m     = m + (1 - beta1) * (g - m)
/// v     = beta2 * v + (1 - beta2) * g^2
/// param = param - lr / bias_correction1 * m / (sqrt(v) / sqrt(bias_correction2) + eps)
/// ```
///
/// The scalars are computed in f64 and rounded once. Nothing is updated where `gradient_scale` is not a number.
pub fn adam(d: &Device, numbers: Numbers, slots: &mut [Slot]) -> Result {
    for Slot { param, grad, m, v } in &*slots {
        same_order(OP, "the gradient", grad.layout(), param.layout())?;
        same_order(OP, "the first moment", m.layout(), param.layout())?;
        same_order(OP, "the second moment", v.layout(), param.layout())?;
        if [grad.dtype(), m.dtype(), v.dtype()] != [slots[0].param.dtype(); 3] || param.dtype() != grad.dtype() {
            return Err(KernelError::DType { op: OP, got: grad.dtype(), want: slots[0].param.dtype().name() });
        }
    }
    let cpu = match (d, numbers) {
        (Device::Cpu(cpu), _) => cpu,
        (Device::Cuda(gpu), Numbers::Given(step)) => return super::cuda::adam(gpu, step.array(), None, slots),
        (Device::Cuda(gpu), Numbers::Table(table)) => {
            return super::cuda::adam(gpu, [0.0; 8], Some(AdamStep::table(table)?), slots);
        }
    };
    let step = match numbers {
        Numbers::Given(step) => *step,
        Numbers::Table(table) => AdamStep::read(table)?,
    };
    if step.gradient.is_nan() {
        return Ok(());
    }
    for Slot { param, grad, m, v } in slots {
        match param.dtype() {
            DType::F32 => run::<f32>(cpu, &step, param, grad, m, v)?,
            DType::F64 => run::<f64>(cpu, &step, param, grad, m, v)?,
            got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
        }
    }
    Ok(())
}

/// Arithmetic and traffic of a step on `count` elements.
pub fn adam_cost(count: usize, dtype: DType) -> Cost {
    Cost { flops: 15 * count as u64, bytes: 7 * (count * dtype.size()) as u64 }
}

/// The coefficients of a step, as the formula takes them.
pub type AdamStep = Scalars<f64>;

/// The coefficients of a step in `T`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars<T> {
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
    /// Step `k`, counted from 1; `gradient_scale` is the factor of clipping, or 1. The bias corrections are `1 - beta^k`.
    pub fn new(p: &Adam, lr: f64, k: u64, gradient_scale: f64) -> AdamStep {
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(k).unwrap_or(i32::MAX));
        Scalars {
            gradient: gradient_scale,
            keep: 1.0 - lr * p.weight_decay,
            mean: 1.0 - p.beta1,
            beta2: p.beta2,
            square: 1.0 - p.beta2,
            step: -lr / correction(p.beta1),
            root: correction(p.beta2).sqrt(),
            eps: p.eps,
        }
    }

    /// In the order of `optim.cu`, the factor of the gradient first.
    pub fn array(&self) -> [f64; 8] {
        let Scalars { gradient, keep, mean, beta2, square, step, root, eps } = *self;
        [gradient, keep, mean, beta2, square, step, root, eps]
    }

    /// A table of them, if it is one.
    fn table(table: View) -> Result<View> {
        match (table.dtype(), &table.layout().shape[..], table.layout().is_contiguous()) {
            (DType::F64, [8], true) => Ok(table),
            (got, shape, _) => {
                let what = format!("a table of {shape:?} numbers in {got}; [8] of f64 are a step's");
                Err(KernelError::Parameter { op: OP, what })
            }
        }
    }

    /// Those of a table in the processor's memory.
    fn read(table: View) -> Result<AdamStep> {
        let at = AdamStep::table(table)?.layout().offset;
        let [gradient, keep, mean, beta2, square, step, root, eps] =
            std::array::from_fn(|i| table.data::<f64>(OP).map_or(f64::NAN, |all| all[at + i]));
        Ok(Scalars { gradient, keep, mean, beta2, square, step, root, eps })
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
