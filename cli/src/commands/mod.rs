//! What each command does: from its arguments to a [`crate::Summary`].

mod bench;
mod compare;
mod compose;
mod data;
mod evaluate;
mod forward;
mod kernels;
mod sample;
mod train;

use crate::Error;
use crate::args::{Arguments, Command, Output};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Runs the command that was typed and tells what it came to.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let begun = Instant::now();
    let summary = match &arguments.command {
        Command::Bench(arguments) => bench::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Compose(arguments) => compose::run(&arguments.method),
        Command::Data(arguments) => data::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(arguments),
        Command::Forward(arguments) => forward::run(arguments),
        Command::Kernels(arguments) => kernels::run(arguments),
        Command::Sample(arguments) => sample::run(arguments),
        Command::Train(arguments) => train::run(&arguments.job),
    }?;
    Ok(summary.tell(arguments.command.output(), begun.elapsed())?)
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
