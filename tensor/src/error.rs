//! What a tensor op refuses, in a sentence that says what is wrong, with the numbers, and the way out.

use kernels::{DType, KernelError};
use std::panic::Location;

/// An error of the tensor layer: one pointer wide, with the place in the caller's source it came from.
#[derive(Debug)]
pub struct Error(Box<(Kind, &'static Location<'static>)>);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// Shapes that do not fit the op.
    #[error("{op}: {what}")]
    Shape {
        /// The op.
        op: &'static str,
        /// The sentence, with the shapes and the way out.
        what: String,
    },
    /// An element type that the op does not take.
    #[error("{op}: got {got}, expected {want}; convert with `cast`")]
    DType {
        /// The op.
        op: &'static str,
        /// The dtype given.
        got: DType,
        /// What it takes.
        want: &'static str,
    },
    /// Operands on two devices.
    #[error("{op}: the operands are on different devices; move one with `to_device`")]
    Device {
        /// The op.
        op: &'static str,
    },
    /// A device that is not there.
    #[error("{0}")]
    NoDevice(String),
    /// The pool's limit, or the machine's.
    #[error("{op}: out of memory: {requested} bytes asked for with {live} in use (limit {limit}); use a smaller batch")]
    OutOfMemory {
        /// The op.
        op: &'static str,
        /// Bytes asked for.
        requested: usize,
        /// Bytes in use.
        live: usize,
        /// The limit.
        limit: usize,
    },
    /// An in-place update of a tensor that is being read, or the other way round.
    #[error("{op}: a tensor cannot be read and updated in place at the same time; use a copy for one of the two")]
    Busy {
        /// The op.
        op: &'static str,
    },
    /// A kernel's refusal.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// What tensor ops return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A shape error.
    #[track_caller]
    pub fn shape(op: &'static str, what: impl Into<String>) -> Error {
        Kind::Shape { op, what: what.into() }.into()
    }

    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.0.0
    }

    /// The same, of a device that did not do what `op` needs: that names the op.
    pub(crate) fn of(self, op: &'static str) -> Error {
        match *self.0 {
            (Kind::Kernel(KernelError::Device { what }), at) => {
                Error(Box::new((Kind::Kernel(KernelError::Device { what: format!("{op}: {what}") }), at)))
            }
            other => Error(Box::new(other)),
        }
    }

    /// Where in the caller's source.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.1
    }

    /// Whether the caller's input is at fault, rather than the machine.
    pub fn is_usage(&self) -> bool {
        !matches!(self.kind(), Kind::OutOfMemory { .. } | Kind::Kernel(KernelError::Device { .. }))
    }
}

impl From<Kind> for Error {
    #[track_caller]
    fn from(kind: Kind) -> Error {
        Error(Box::new((kind, Location::caller())))
    }
}

impl From<KernelError> for Error {
    #[track_caller]
    fn from(error: KernelError) -> Error {
        Kind::Kernel(error).into()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind().fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind().source()
    }
}
