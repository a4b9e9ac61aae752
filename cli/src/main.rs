//! `consort`: from the command line to a command, and from its result to an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    match consort::args::parse() {
        Ok(arguments) => consort::exit::report(&consort::commands::run(&arguments)),
        Err(status) => status,
    }
}
