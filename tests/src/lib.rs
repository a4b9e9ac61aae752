//! What crosses crates: parity with recorded runs of other software, and steps that settle into a steady state.

use std::path::PathBuf;

/// A file or folder among the recorded fixtures; `fixtures/NOTES.md` says what they are.
pub fn fixture(name: &str) -> PathBuf {
    folder().join("fixtures").join(name)
}

/// Where this package lies: when the tests run, or else where they were built.
fn folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).into()
}
