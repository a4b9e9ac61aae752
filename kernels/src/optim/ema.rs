//! The exponential moving average of parameters.

use super::{CHUNK, chunk, same_order};
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::{Cost, DType, Device, KernelError, Real, Result, View, ViewMut};

const OP: &str = "ema";

/// `ema = ema + (1 - decay) * (param - ema)`, in place: an average that has arrived stays put, bit for bit.
/// Both f32 or both f64, dense, of one shape and storage order.
pub fn ema(d: &Device, decay: f64, mut ema: ViewMut, param: View) -> Result {
    same_order(OP, "the average", ema.layout(), param.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return super::cuda::ema(gpu, 1.0 - decay, &ema, &param),
    };
    match ema.dtype() {
        DType::F32 => run::<f32>(cpu, decay, &mut ema, &param),
        DType::F64 => run::<f64>(cpu, decay, &mut ema, &param),
        got => Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
}

/// Arithmetic and traffic of an update of `count` elements.
pub fn ema_cost(count: usize, dtype: DType) -> Cost {
    Cost { flops: 3 * count as u64, bytes: 3 * (count * dtype.size()) as u64 }
}

fn run<T: Real>(cpu: &CpuContext, decay: f64, ema: &mut ViewMut, param: &View) -> Result {
    let (rate, param) = (T::from_f64(1.0 - decay), param.dense::<T>(OP)?);
    let ema = Parts::new(ema.dense::<T>(OP)?);
    cpu.team.run(param.len().div_ceil(CHUNK), |index| {
        let range = chunk(index, param.len());
        // SAFETY: ranges of different chunks do not overlap.
        let ema = unsafe { ema.part(range.clone()) };
        cpu.isa.run(Step { rate, ema, param: &param[range] });
    });
    Ok(())
}

struct Step<'a, T> {
    rate: T,
    ema: &'a mut [T],
    param: &'a [T],
}

impl<T: Real> Kernel for Step<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (ema, &param) in self.ema.iter_mut().zip(self.param) {
            *ema += self.rate * (param - *ema);
        }
    }
}
