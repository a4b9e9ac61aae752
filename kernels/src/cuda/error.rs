//! What the driver says, as a sentence.

use crate::{KernelError, Result};
use cudarc::driver::DriverError;

/// An error of the device.
pub(crate) fn failed(what: impl Into<String>) -> KernelError {
    KernelError::Device { what: what.into() }
}

/// A driver's answer, with what was being done.
pub(super) fn check<T>(doing: &str, answer: std::result::Result<T, DriverError>) -> Result<T> {
    answer.map_err(|error| {
        let name = error.error_name().map(|name| name.to_string_lossy().into_owned());
        failed(format!(
            "{doing}: the CUDA driver says {}",
            name.unwrap_or_else(|_| format!("error {}", error.0 as u32))
        ))
    })
}
