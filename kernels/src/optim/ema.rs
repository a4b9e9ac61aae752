//! The exponential moving average of parameters.

use super::{CHUNK, chunk, same_order};
use crate::cpu::team::Parts;
use crate::cpu::{CpuContext, Kernel, Simd};
use crate::{Cost, DType, Device, KernelError, Real, Result, View, ViewMut};

const OP: &str = "ema";

/// The share of a parameter that an average takes up: `1 - decay`.
#[derive(Clone, Copy)]
pub enum Rate<'a> {
    /// Here.
    Given(f64),
    /// In the device's memory: `[1]`, f64; a recorded update of a GPU reads it anew at every replay.
    Table(View<'a>),
}

/// `ema = ema + rate * (param - ema)` of every (ema, param), in place: an average that has arrived stays put, bit for bit.
/// All f32 or all f64, the two of a pair dense, of one shape and storage order.
pub fn ema(d: &Device, rate: Rate, slots: &mut [(ViewMut, View)]) -> Result {
    for (ema, param) in &*slots {
        same_order(OP, "the average", ema.layout(), param.layout())?;
        if (ema.dtype(), param.dtype()) != (slots[0].0.dtype(), slots[0].0.dtype()) {
            return Err(KernelError::DType { op: OP, got: param.dtype(), want: slots[0].0.dtype().name() });
        }
    }
    if let Rate::Table(table) = rate
        && (table.dtype(), table.layout().count()) != (DType::F64, 1)
    {
        let what = format!("a rate of {:?} numbers in {}; one of f64 is wanted", table.layout().shape, table.dtype());
        return Err(KernelError::Parameter { op: OP, what });
    }
    let (cpu, rate) = match (d, rate) {
        (Device::Cuda(gpu), Rate::Given(rate)) => return super::cuda::ema(gpu, rate, None, slots),
        (Device::Cuda(gpu), Rate::Table(table)) => return super::cuda::ema(gpu, 0.0, Some(table), slots),
        (Device::Cpu(cpu), Rate::Given(rate)) => (cpu, rate),
        (Device::Cpu(cpu), Rate::Table(table)) => (cpu, table.data::<f64>(OP)?[table.layout().offset]),
    };
    for (ema, param) in slots {
        match ema.dtype() {
            DType::F32 => run::<f32>(cpu, rate, ema, param)?,
            DType::F64 => run::<f64>(cpu, rate, ema, param)?,
            got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
        }
    }
    Ok(())
}

/// Arithmetic and traffic of an update of `count` elements.
pub fn ema_cost(count: usize, dtype: DType) -> Cost {
    Cost { flops: 3 * count as u64, bytes: 3 * (count * dtype.size()) as u64 }
}

fn run<T: Real>(cpu: &CpuContext, rate: f64, ema: &mut ViewMut, param: &View) -> Result {
    let (rate, param) = (T::from_f64(rate), param.dense::<T>(OP)?);
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
