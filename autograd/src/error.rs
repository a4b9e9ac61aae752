//! What differentiation refuses, in a sentence.

use std::panic::Location;
use std::path::PathBuf;

/// An error of the autograd layer, one pointer wide.
#[derive(Debug)]
pub struct Error(Box<Kind>);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// The op itself failed.
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
    /// A derivative that does not exist or is not offered.
    #[error("{op}: {reason}")]
    Forbidden {
        /// The op.
        op: &'static str,
        /// Why, and the way out.
        reason: String,
    },
    /// A second backward pass over a graph whose values were freed by the first.
    #[error(
        "{op} at {at}: its saved values were freed by an earlier backward pass; keep them with `Grad {{ retain: true, .. }}`"
    )]
    Freed {
        /// The op.
        op: &'static str,
        /// Where it was recorded.
        at: &'static Location<'static>,
    },
    /// A saved value that was updated in place since.
    #[error(
        "{op} at {at}: a value it saved was updated in place before the backward pass; take gradients first, then step"
    )]
    Stale {
        /// The op.
        op: &'static str,
        /// Where it was recorded.
        at: &'static Location<'static>,
    },
    /// A gradient asked for with respect to something the result does not depend on.
    #[error("there is no gradient for {what}: the result does not depend on it; is it detached, frozen, or unused?")]
    Missing {
        /// Which.
        what: String,
    },
    /// A value that is not finite.
    #[error("{op} at {at}: the first result that is not finite")]
    NonFinite {
        /// The op.
        op: &'static str,
        /// Where it was recorded.
        at: &'static Location<'static>,
    },
    /// A file of states that could not be made, written or read.
    #[error("states of a loop, {bytes} bytes so far, in {}: {source}; give a folder with room for them", folder.display())]
    Store {
        /// Where.
        folder: PathBuf,
        /// How far it came.
        bytes: u64,
        /// Why.
        source: std::io::Error,
    },
    /// Arguments that do not belong together.
    #[error("{0}")]
    Argument(String),
    /// The error of a function that was called back, such as the step of a loop.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// What differentiable ops return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// A derivative that is not offered.
    pub fn forbidden(op: &'static str, reason: impl Into<String>) -> Error {
        Kind::Forbidden { op, reason: reason.into() }.into()
    }

    /// Arguments that do not belong together.
    pub fn argument(what: impl Into<String>) -> Error {
        Kind::Argument(what.into()).into()
    }

    /// The error of a function that is called back.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Kind::Other(Box::new(error)).into()
    }

    /// Whether the caller's input is at fault, rather than the machine.
    pub fn is_usage(&self) -> bool {
        match self.kind() {
            Kind::Tensor(error) => error.is_usage(),
            Kind::Store { .. } => false,
            _ => true,
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error(Box::new(kind))
    }
}

impl From<tensor::Error> for Error {
    fn from(error: tensor::Error) -> Error {
        Kind::Tensor(error).into()
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
