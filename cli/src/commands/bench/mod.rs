//! `consort bench`: how fast this is.

mod bptt;
mod cpu;
mod cuda;
mod spread;

use crate::Summary;
use crate::args::{Bench, BenchTarget};

pub(super) fn run(arguments: &Bench) -> anyhow::Result<Summary> {
    match &arguments.target {
        BenchTarget::Cuda(arguments) => cuda::run(arguments),
        BenchTarget::Cpu(arguments) => cpu::run(arguments),
        BenchTarget::Bptt(arguments) => bptt::run(arguments),
    }
}
