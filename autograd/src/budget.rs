//! The fastest way to remember a loop within a number of bytes, from one step that is run and reversed to see what it takes.

use crate::backward::{Grad, grad_all};
use crate::error::{Error, Result};
use crate::scan::{Memory, Scan, Step, taped};
use crate::store::Store;
use crate::var::Var;
use tensor::Tensor;

/// Bytes of a loop.
struct Bytes {
    /// Asked for before it begins.
    held: usize,
    /// The state between steps.
    state: usize,
    /// Whether kept states are counted, which they are not in a file.
    are_here: bool,
    /// The tape of a step.
    tape: usize,
    /// The most while a step runs and is reversed.
    step: usize,
    /// The parameters' gradients, summed over steps.
    sums: usize,
}

/// The choice for `scan` that stays within `budget` bytes, all counted that tensors on its device ask for at one time. An
/// error with the smallest budget that would do.
pub(crate) fn choose(scan: &Scan, step: &Step, init: &[Var], budget: usize) -> Result<Memory> {
    let bytes = Bytes::of(scan, step, init)?;
    let steps = scan.steps;
    if let Some(memory) = [Memory::StoreAll, Memory::States].into_iter().find(|all| bytes.peak(steps, *all) <= budget) {
        return Ok(memory);
    }
    let room = budget.saturating_sub(bytes.peak(steps, Memory::Revolve { slots: 0 }));
    match if bytes.are_here { room / bytes.state.max(1) } else { 0 } {
        0 => {
            let least = bytes.peak(steps, Memory::Revolve { slots: 1 }).min(bytes.peak(steps, Memory::StoreAll));
            Err(Error::argument(format!(
                "scan: {budget} bytes are too few for a loop of {steps} steps: give {least} or more"
            )))
        }
        slots => Ok(Memory::Revolve { slots }),
    }
}

impl Bytes {
    fn of(scan: &Scan, step: &Step, init: &[Var]) -> Result<Bytes> {
        let size = |vars: &[Var]| vars.iter().map(|x| x.value().count() * x.dtype().size()).sum::<usize>();
        let (state, sums) = (size(init), size(&scan.with));
        let Some(pool) = init.first().map(|x| x.device().pool()) else { return Err(Error::argument("scan: no state")) };
        let held = pool.account().requested;
        let (tape, peak) = pool.watch_peak(|| -> Result<usize> {
            let state: Vec<Var> = init.iter().map(Var::detach).collect();
            let (leaves, outputs) = taped(scan, step, &state, 0)?;
            let tape = pool.account().requested - held;
            let ones = |x: &Var| crate::Result::Ok(Var::constant(Tensor::full(x.device(), x.dtype(), x.shape(), 1.0)?));
            let results = outputs.iter().map(|x| Ok((x, ones(x)?))).collect::<Result<Vec<_>>>()?;
            let wrt: Vec<&Var> = leaves.iter().chain(&scan.with).collect();
            grad_all(&results, &wrt, Grad::default())?;
            Ok(tape)
        });
        let are_here = scan.store == Store::Memory;
        Ok(Bytes { held, state, are_here, tape: tape?, step: peak - held, sums })
    }

    /// The most that is asked for at one time.
    fn peak(&self, steps: usize, memory: Memory) -> usize {
        // A step has its own share of the parameters' gradients, its cotangent and its result; beside it stand the sums so
        // far and the loop's result. The first state is the caller's.
        let base = self.held + self.step + self.sums + self.state;
        match memory {
            Memory::StoreAll => base + steps.saturating_sub(1) * self.tape,
            Memory::States | Memory::Revolve { .. } if !self.are_here => {
                base + steps.saturating_sub(1).min(1) * self.state
            }
            Memory::States => base + steps.saturating_sub(1) * self.state,
            // One is at hand; and the cotangent of the loop's result is not the step's any more.
            Memory::Revolve { slots } => base + (slots + 1).min(steps.saturating_sub(1)) * self.state,
            Memory::Budget(_) => usize::MAX,
        }
    }
}
