//! What each command does: from its arguments to a [`crate::Summary`].

mod data;
mod forward;
mod train;

use crate::args::{Arguments, Command};
use std::time::Instant;

/// Runs the command that was typed and tells what it came to.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let begun = Instant::now();
    let summary = match &arguments.command {
        Command::Data(arguments) => data::run(arguments),
        Command::Forward(arguments) => forward::run(arguments),
        Command::Train(arguments) => train::run(&arguments.job),
    }?;
    Ok(summary.tell(arguments.command.output(), begun.elapsed())?)
}
