//! `consort kernels`: every family and version, listed, checked, timed.

mod bench;
mod list;
mod verify;

use super::say;
use crate::Summary;
use crate::args::{Kernels, KernelsAction};

pub(super) fn run(arguments: &Kernels) -> anyhow::Result<Summary> {
    match &arguments.action {
        KernelsAction::List(arguments) => list::run(arguments),
        KernelsAction::Verify(arguments) => verify::run(arguments),
        KernelsAction::Bench(arguments) => bench::run(arguments),
    }
}
