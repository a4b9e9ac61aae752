//! What the command line refuses and what the disk refuses, in sentences that end with the way out.

use nn::files::in_words;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command could not read its input or write its output.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something the user gave.
    #[error("{0}")]
    Usage(String),
    /// A file the user named that cannot be read.
    #[error("cannot read {}: {}", path.display(), in_words(source))]
    Input {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused to write.
    #[error("cannot {action} {}: {}", path.display(), in_words(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of a run that could not be written.
    #[error(transparent)]
    File(#[from] nn::Error),
}

/// What this package's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refusal of something the user gave: a sentence with the way out.
    pub fn usage(sentence: impl Into<String>) -> Error {
        Error::Usage(sentence.into())
    }

    /// For `map_err`: a file the user named that cannot be read.
    pub fn input(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Input { path, source }
    }

    /// For `map_err`: names what was tried on which path.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }

    /// Whether the user's input is at fault (exit status 2) and not the machine (1).
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Usage(_) | Error::Input { .. } => true,
            Error::Io { .. } => false,
            Error::File(error) => error.is_usage(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_in_sentences() {
        for (code, want) in [
            (28, "No space left on device; free some space, or give a folder on another disk"),
            (13, "Permission denied; give a path that you have the rights for"),
        ] {
            let error = Error::io("write", Path::new("runs/a"))(io::Error::from_raw_os_error(code));
            assert_eq!(error.to_string(), format!("cannot write runs/a: {want}"));
            assert!(!error.is_usage());
        }
        let error = Error::input(Path::new("my.toml"))(io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "cannot read my.toml: No such file or directory; look for a slip in the path");
        assert!(error.is_usage());
    }
}
