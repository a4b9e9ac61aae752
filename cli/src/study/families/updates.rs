//! Random numbers, and the updates of parameters in place. Bound by memory.

use super::{F32, give, gives, moved, one, rung, sizes};
use crate::study::{Case, Family};
use tensor::ops::optim::{self, Adam, AdamStep, Rate, Slot};
use tensor::ops::pointwise::Function;
use tensor::ops::random::Stream;
use tensor::{Result, Tensor};

const ELEMENTS: &str = "elements";
const SMALL: &[&[usize]] = &[&[1000]];
const CPU: &[&[usize]] = &[&[4194304]];
const GPU: &[&[usize]] = &[&[33554432]];
const LISTS: &str = "parameters x elements";
const SMALL_LISTS: &[&[usize]] = &[&[3, 1003]];
const CPU_LISTS: &[&[usize]] = &[&[1, 4194304]];
const GPU_LISTS: &[&[usize]] = &[&[1, 33554432], &[64, 65536]];
const STREAM: Stream = Stream { seed: 7, purpose: 1, step: 0 };

pub(crate) static RANDOM: Family = Family {
    name: "random",
    processor: [
        rung("Philox, each number a function of its place; the bits of every path", &["random/philox.rs"]),
        rung("the same on vectors of counters", &["random/mod.rs", "random/floats.rs"]),
    ],
    gpu: &[rung("a thread a block of four numbers, with the bits of the processor", &["random/random.cu"])],
    cases: &[
        Case {
            op: "normal",
            axes: ELEMENTS,
            numbers: F32,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: moved,
            make: |operands, size| {
                let (device, dtype, shape) = (operands.device().clone(), operands.dtype(), [1, size[0]]);
                gives(move || Tensor::normal(&device, dtype, &shape, &STREAM, 0))
            },
        },
        Case {
            op: "uniform",
            axes: ELEMENTS,
            numbers: F32,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: moved,
            make: |operands, size| {
                let (device, dtype, shape) = (operands.device().clone(), operands.dtype(), [1, size[0]]);
                gives(move || Tensor::uniform(&device, dtype, &shape, &STREAM, 0))
            },
        },
    ],
};

pub(crate) static OPTIM: Family = Family {
    name: "optim",
    processor: [
        rung("the same loops, without fused steps", &["optim/adam.rs", "optim/ema.rs"]),
        rung("compiled for each instruction set, one pass", &["optim/adam.rs", "optim/sum_of_squares.rs"]),
    ],
    gpu: &[rung("a list of parameters a launch, one pass, 16 bytes at a time", &["optim/optim.cu"])],
    cases: &[
        Case {
            op: "adam",
            axes: LISTS,
            numbers: F32,
            small: SMALL_LISTS,
            cpu: CPU_LISTS,
            gpu: GPU_LISTS,
            terms: one,
            make: |operands, size| {
                let [count, elements] = sizes(size);
                let draw = || operands.normal(&[elements]);
                let slot =
                    || Ok(Slot { param: draw()?, gradient: draw()?, m: draw()?, v: draw()?.map(Function::Square, 0)? });
                let slots = (0..count).map(|_| slot()).collect::<Result<Vec<_>>>()?;
                let step = AdamStep::new(&Adam::default(), 1e-3, 10, 1.0);
                give(move || {
                    optim::adam(optim::Numbers::Given(&step), &slots)?;
                    Ok(slots.iter().flat_map(|slot| [&slot.param, &slot.m, &slot.v]).cloned().collect())
                })
            },
        },
        Case {
            op: "moving average",
            axes: LISTS,
            numbers: F32,
            small: SMALL_LISTS,
            cpu: CPU_LISTS,
            gpu: GPU_LISTS,
            terms: one,
            make: |operands, size| {
                let [count, elements] = sizes(size);
                let slot = |_| Ok((operands.normal(&[elements])?, operands.normal(&[elements])?));
                let slots = (0..count).map(slot).collect::<Result<Vec<_>>>()?;
                give(move || {
                    optim::ema(Rate::Given(0.1), &slots)?;
                    Ok(slots.iter().map(|(average, _)| average.clone()).collect())
                })
            },
        },
        Case {
            op: "sums of squares",
            axes: LISTS,
            numbers: F32,
            small: SMALL_LISTS,
            cpu: CPU_LISTS,
            gpu: GPU_LISTS,
            terms: |size| size[1],
            make: |operands, size| {
                let [count, elements] = sizes(size);
                let all = (0..count).map(|_| operands.normal(&[elements])).collect::<Result<Vec<_>>>()?;
                gives(move || optim::squares(&all.iter().collect::<Vec<_>>()))
            },
        },
    ],
};
