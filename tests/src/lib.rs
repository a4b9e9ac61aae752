//! What crosses crates: parity with recorded runs of other software, and steps that settle into a steady state.

use std::path::PathBuf;

/// A file or folder among the recorded fixtures; `fixtures/NOTES.md` says what they are.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}
