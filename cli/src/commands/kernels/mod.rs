//! `consort kernels`: every family and version, listed, checked, timed.

mod bench;
mod list;
mod verify;

use crate::args::{Kernels, KernelsAction, Output};
use crate::{Error, Summary};
use std::io::Write;
use std::path::Path;

pub(super) fn run(arguments: &Kernels) -> anyhow::Result<Summary> {
    match &arguments.action {
        KernelsAction::List(arguments) => list::run(arguments),
        KernelsAction::Verify(arguments) => verify::run(arguments),
        KernelsAction::Bench(arguments) => bench::run(arguments),
    }
}

/// Says a line of a result as soon as it is known, unless a program listens.
fn say(output: &Output, line: &str) -> crate::Result<()> {
    if output.json || output.quiet {
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    let said = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    said.map_err(Error::io("write", Path::new("standard output")))
}
