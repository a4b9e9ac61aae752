//! What crosses crates: parity with recorded runs of other software, and steps that settle into a steady state.

use std::path::PathBuf;
use tensor::Device;

/// The first GPU, or the stand-in of `scripts/emulated-gpu`; nothing, and a line that says so, where there is no driver,
/// unless `CONSORT_NEED_CUDA` is set.
pub fn gpu() -> Option<Device> {
    found(Device::cuda(0, |line| eprintln!("{line}")))
}

/// The same, with memory that is used again whatever the environment says: what recording needs.
pub fn recording_gpu() -> Option<Device> {
    found(Device::cuda_with(0, false, |line| eprintln!("{line}")))
}

fn found(gpu: tensor::Result<Device>) -> Option<Device> {
    let missing = gpu.as_ref().err().map(ToString::to_string);
    if let Some(missing) = missing {
        assert!(std::env::var_os("CONSORT_NEED_CUDA").is_none(), "{missing}");
        eprintln!("NOT TESTED: {missing}");
    }
    gpu.ok()
}

/// A file or folder among the recorded fixtures; `fixtures/NOTES.md` says what they are.
pub fn fixture(name: &str) -> PathBuf {
    folder().join("fixtures").join(name)
}

/// Where this package lies: when the tests run, or else where they were built.
fn folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).into()
}
