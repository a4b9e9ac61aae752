//! Random numbers, and the updates of parameters in place. Bound by memory.

use super::{F32, REALS, give, gives, moved, one, rung};
use crate::study::{Case, Family};
use tensor::Tensor;
use tensor::ops::optim::{self, Adam, AdamStep, Numbers, Rate, Slot};
use tensor::ops::pointwise::Function;
use tensor::ops::random::Stream;

const ELEMENTS: &str = "elements";
const SMALL: &[&[usize]] = &[&[1000]];
const CPU: &[&[usize]] = &[&[4194304]];
const GPU: &[&[usize]] = &[&[33554432]];
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
    gpu: &[rung("a list of tensors a launch, one pass, 16 bytes at a time", &["optim/optim.cu"])],
    cases: &[
        Case {
            op: "adam",
            axes: ELEMENTS,
            numbers: F32,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: one,
            make: |operands, size| {
                let (param, gradient) = (operands.normal(size)?, operands.normal(size)?);
                let (m, v) = (operands.normal(size)?, operands.normal(size)?.map(Function::Square, 0)?);
                let (step, slots) = (AdamStep::new(&Adam::default(), 1e-3, 10, 1.0), [Slot { param, gradient, m, v }]);
                give(move || {
                    optim::adam(Numbers::Given(&step), &slots)?;
                    let [Slot { param, m, v, .. }] = &slots;
                    Ok(vec![param.clone(), m.clone(), v.clone()])
                })
            },
        },
        Case {
            op: "moving average",
            axes: ELEMENTS,
            numbers: F32,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: one,
            make: |operands, size| {
                let pair = [(operands.normal(size)?, operands.normal(size)?)];
                gives(move || optim::ema(Rate::Given(0.1), &pair).map(|()| pair[0].0.clone()))
            },
        },
        Case {
            op: "sum of squares",
            axes: ELEMENTS,
            numbers: REALS,
            small: SMALL,
            cpu: CPU,
            gpu: GPU,
            terms: |size| size[0],
            make: |operands, size| {
                let x = operands.normal(size)?;
                gives(move || x.sum_of_squares())
            },
        },
    ],
};
