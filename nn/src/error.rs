//! What goes wrong with models and their files, in sentences.

use crate::files;
use crate::report::Report;
use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate, one pointer wide.
#[derive(Debug)]
pub struct Error(Box<Kind>);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// An op failed.
    #[error(transparent)]
    Autograd(#[from] autograd::Error),
    /// An architecture that is not offered, or does not fit together.
    #[error("{0}")]
    Config(String),
    /// Arguments that do not belong together.
    #[error("{0}")]
    Argument(String),
    /// A file that is not what it should be; `what` goes on from its name and ends with the way out.
    #[error("{} {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Weights that do not belong to the model.
    #[error("{}: {report}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        report: Report,
    },
    /// The system refused.
    #[error("cannot {action} {}: {}", path.display(), files::in_words(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A gradient that is not finite.
    #[error(
        "the gradient of {parameter} is not finite in step {step}, so nothing was updated; use a lower learning rate, or \
         clip the gradient's norm"
    )]
    Diverged {
        /// The first such parameter.
        parameter: String,
        /// The optimiser's step, counted from 1.
        step: u64,
    },
}

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// Whether the caller's input is at fault (exit status 2), rather than the machine (1).
    pub fn is_usage(&self) -> bool {
        match self.kind() {
            Kind::Autograd(error) => error.is_usage(),
            Kind::Config(_) | Kind::Argument(_) | Kind::Format { .. } | Kind::Load { .. } => true,
            Kind::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Kind::Diverged { .. } => false,
        }
    }

    /// A configuration that an [`Architecture`](crate::Architecture) does not offer.
    pub fn config(what: impl Into<String>) -> Error {
        Kind::Config(what.into()).into()
    }

    pub(crate) fn argument(what: impl Into<String>) -> Error {
        Kind::Argument(what.into()).into()
    }

    pub(crate) fn format(path: &Path, what: impl Into<String>) -> Error {
        Kind::Format { path: path.to_owned(), what: what.into() }.into()
    }

    /// For `map_err`: names what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Kind::Io { action, path, source }.into()
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error(Box::new(kind))
    }
}

impl From<autograd::Error> for Error {
    fn from(error: autograd::Error) -> Error {
        Kind::Autograd(error).into()
    }
}

impl From<tensor::Error> for Error {
    fn from(error: tensor::Error) -> Error {
        autograd::Error::from(error).into()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
