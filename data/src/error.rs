//! What goes wrong with files, in sentences.

use std::io;
use std::path::{Path, PathBuf};

/// Why data could not be read, written or fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that is not what it should be; `what` goes on from its name and ends with the way out.
    #[error("{} {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Files that are not there.
    #[error("{0}")]
    Missing(String),
    /// An argument that does not fit the others.
    #[error("{0}")]
    Argument(String),
    /// A download that failed.
    #[error("{0}")]
    Fetch(String),
}

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the user's input is at fault (exit status 2) and not the machine or the network (1).
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Format { .. } | Error::Missing(_) | Error::Argument(_) => true,
            // What is opened the user named; what is created may find no room.
            Error::Io { action, source, .. } => *action == "open" || source.kind() == io::ErrorKind::NotFound,
            Error::Fetch(_) => false,
        }
    }

    pub(crate) fn format(path: &Path, what: impl Into<String>) -> Error {
        Error::Format { path: path.to_owned(), what: what.into() }
    }

    /// For `map_err`: names what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }
}
