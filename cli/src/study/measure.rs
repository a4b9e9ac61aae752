//! How fast a version is, beside what the device was seen to do at best in the same run.
//!
//! The *roofs* are measured, not read from a data sheet: the bandwidth of a copy of a large tensor, and for each kind of
//! numbers the speed of one large matrix product of ours. So the percentages say how a kernel compares with our best on this
//! machine, now; they exceed 100 where an op needs less arithmetic than its definition counts (Winograd's convolutions on
//! the processor), or fits into a cache.

use super::{Numbers, Operands, Problem, Version, families, run, versions};
use crate::bench::Clock;
use tensor::{DType, Device, Result, Tensor};

/// A problem timed in a version.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What.
    pub problem: Problem,
    /// In which version.
    pub version: Version,
    /// Median time, in milliseconds.
    pub milliseconds: f64,
    /// Arithmetic, as the engine counts it.
    pub flops: f64,
    /// Bytes that must move: operands and results, once each.
    pub bytes: f64,
    /// The largest error at the sizes to check with, in units of what is allowed.
    pub error: f64,
}

/// What the device can do at best.
#[derive(Clone, Debug)]
pub struct Roofs {
    /// Bytes a second.
    pub bandwidth: f64,
    /// FLOPs a second, of each kind of numbers.
    pub compute: Vec<(Numbers, f64)>,
}

/// Numbers of f32 in the tensor that is copied, and to rehearse with.
const COPIED: [usize; 2] = [32 << 20, 32 << 10];

impl Measured {
    /// FLOPs a second.
    pub fn speed(&self) -> f64 {
        1e3 * self.flops / self.milliseconds
    }

    /// Bytes a second.
    pub fn bandwidth(&self) -> f64 {
        1e3 * self.bytes / self.milliseconds
    }

    /// FLOPs a byte.
    pub fn intensity(&self) -> f64 {
        self.flops / self.bytes
    }
}

impl Roofs {
    /// Measures them for these kinds of numbers.
    pub(crate) fn new(device: &Device, numbers: &[Numbers], clock: &mut Clock, is_rehearsed: bool) -> Result<Roofs> {
        let count = COPIED[usize::from(is_rehearsed)];
        let from = Tensor::full(device, DType::F32, &[count], 1.0)?;
        let mut to = from.copy()?;
        let milliseconds = clock.time(|| to.overwrite(&from))?;
        let bandwidth = 2e3 * (DType::F32.size() * count) as f64 / milliseconds;
        let mut compute = vec![];
        for &numbers in numbers {
            let product = Roofs::product(device, numbers, is_rehearsed);
            let mut speed = 0.0;
            for version in versions(product.family, device, None) {
                let measured = measure(device, &product, version, clock, 0)?;
                speed = measured.map_or(speed, |measured| measured.speed().max(speed));
            }
            compute.push((numbers, speed));
        }
        Ok(Roofs { bandwidth, compute })
    }

    /// The product whose speed is the roof.
    pub fn product(device: &Device, numbers: Numbers, is_rehearsed: bool) -> Problem {
        let size: &[usize] = match () {
            () if is_rehearsed => &[128; 3],
            () if device.is_cpu() => &[1536; 3],
            () if numbers.dtype() == DType::F32 => &[4096; 3],
            () => &[8192; 3],
        };
        Problem { family: &families::MATMUL, case: &families::MATMUL.cases[0], numbers, size }
    }

    /// FLOPs a second at best, in those numbers.
    pub fn compute(&self, numbers: Numbers) -> f64 {
        self.compute.iter().find(|(of, _)| *of == numbers).map_or(f64::NAN, |(_, speed)| *speed)
    }

    /// The least time that the roofs leave it, as a part of the time that it took.
    pub fn part(&self, measured: &Measured) -> f64 {
        let seconds = (measured.bytes / self.bandwidth).max(measured.flops / self.compute(measured.problem.numbers));
        1e3 * seconds / measured.milliseconds
    }
}

/// Times a version of a problem; none where another version runs in its place. `error` is left for the caller to tell.
pub(crate) fn measure(
    device: &Device,
    problem: &Problem,
    version: Version,
    clock: &mut Clock,
    seed: u64,
) -> Result<Option<Measured>> {
    run::set(device, problem.numbers, version, || {
        let mut run = (problem.case.make)(&Operands::on(device, problem.numbers, seed), problem.size)?;
        let before = device.work();
        let (_, ran) = run::watched(device, problem, &mut run)?;
        let after = device.work();
        if ran != version {
            return Ok(None);
        }
        let milliseconds = clock.time(|| run().map(drop))?;
        let [flops, bytes] = [after.flops - before.flops, after.bytes - before.bytes].map(|n| n as f64);
        Ok(Some(Measured { problem: *problem, version, milliseconds, flops, bytes, error: 0.0 }))
    })
}
