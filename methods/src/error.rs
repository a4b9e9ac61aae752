//! What the methods refuse, in a sentence.

/// An error of this layer, one pointer wide.
#[derive(Debug)]
pub struct Error(Box<Kind>);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// An op or a derivative failed.
    #[error(transparent)]
    Autograd(#[from] autograd::Error),
    /// A network failed.
    #[error(transparent)]
    Network(#[from] nn::Error),
    /// Arguments that do not belong together.
    #[error("{0}")]
    Argument(String),
    /// A time at which a process cannot be evaluated.
    #[error("{process}: t = {t} is outside {domain}")]
    Time {
        /// The process.
        process: &'static str,
        /// The time.
        t: f64,
        /// Where it is defined.
        domain: String,
    },
}

/// What this layer returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// Arguments that do not belong together.
    pub fn argument(what: impl Into<String>) -> Error {
        Kind::Argument(what.into()).into()
    }

    /// Whether the caller's input is at fault, rather than the machine.
    pub fn is_usage(&self) -> bool {
        match self.kind() {
            Kind::Autograd(error) => error.is_usage(),
            Kind::Network(error) => error.is_usage(),
            _ => true,
        }
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

impl From<nn::Error> for Error {
    fn from(error: nn::Error) -> Error {
        Kind::Network(error).into()
    }
}

/// For the steps of a loop, which answer to `autograd`.
impl From<Error> for autograd::Error {
    fn from(error: Error) -> autograd::Error {
        match *error.0 {
            Kind::Autograd(error) => error,
            kind => autograd::Error::other(Error::from(kind)),
        }
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
