//! From a result to an exit status and one sentence on standard error: 0 done, 2 bad input or usage, 1 anything else.

use nn::files::in_words;
use std::fmt::Write;
use std::io;
use std::process::ExitCode;

/// Says what went wrong, if anything did; the status to exit with.
pub fn report(result: &anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if !is_broken_pipe(error) {
        eprintln!("error: {}", sentence(error));
    }
    ExitCode::from(status(error))
}

/// 2 when the user's input is at fault, 1 otherwise: what the innermost error of this project in the chain says.
pub fn status(error: &anyhow::Error) -> u8 {
    error.chain().find_map(is_usage).map_or(1, |usage| if usage { 2 } else { 1 })
}

/// Whether an error of one of our crates is the user's; `None` for another's.
fn is_usage(error: &(dyn std::error::Error + 'static)) -> Option<bool> {
    None.or_else(|| error.downcast_ref().map(crate::Error::is_usage))
        .or_else(|| error.downcast_ref().map(data::Error::is_usage))
        .or_else(|| error.downcast_ref().map(tensor::Error::is_usage))
        .or_else(|| error.downcast_ref().map(autograd::Error::is_usage))
        .or_else(|| error.downcast_ref().map(nn::Error::is_usage))
        .or_else(|| error.downcast_ref().map(methods::Error::is_usage))
}

/// The chain of causes as one sentence, without what a cause merely repeats.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(words).fold(String::new(), |mut said, cause| {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(cause.split(" (os error").next().unwrap_or(&cause)) {
            let _ = write!(said, ": {cause}");
        }
        said
    })
}

/// What an error says; where the system refused, with its way out.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(data::Error::Io { action, path, source }) => {
            format!("cannot {action} {}: {}", path.display(), in_words(source))
        }
        _ => error.to_string(),
    }
}

/// Whoever read our output has gone (`consort ... | head`): nothing to say, and nobody to say it to.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use anyhow::{Context, anyhow};
    use std::path::Path;

    #[test]
    fn whose_fault() {
        let missing = || data::Error::Missing("no such file".into());
        assert_eq!(status(&missing().into()), 2);
        assert_eq!(status(&anyhow::Result::<(), _>::Err(missing()).context("while loading").unwrap_err()), 2);
        assert_eq!(status(&data::Error::Fetch("no network".into()).into()), 1);
        assert_eq!(status(&Error::usage("no").into()), 2);
        assert_eq!(status(&anyhow!("a surprise")), 1);
        assert_eq!(status(&io::Error::from(io::ErrorKind::NotFound).into()), 1);
    }

    #[test]
    fn a_cause_is_said_once() {
        let full: anyhow::Error = Error::io("write", Path::new("a"))(io::Error::from_raw_os_error(28)).into();
        let want = "cannot write a: No space left on device; free some space, or give a folder on another disk";
        assert_eq!(sentence(&full), want);
        assert_eq!(sentence(&full.context("plot loss.svg")), format!("plot loss.svg: {want}"));
        let unread = data::png_io::read_mask(Path::new("nowhere.png"), 28, 28).unwrap_err().into();
        assert_eq!(status(&unread), 2);
        let want = "cannot open nowhere.png: No such file or directory; look for a slip in the path";
        assert_eq!(sentence(&unread), want);
        assert!(is_broken_pipe(&Error::io("write", Path::new("-"))(io::ErrorKind::BrokenPipe.into()).into()));
    }
}
