//! Finding the CUDA driver without being linked to it.
//!
//! `cudarc` looks names up in `libcuda` when they are first called, and panics where there is none; so the library is looked
//! for here first. `CONSORT_CUDA_DRIVER` names one by its path: the loader then answers every later request for
//! `libcuda.so.1` with it.

use super::error::failed;
use crate::Result;
use std::sync::OnceLock;

/// The environment variable that names a driver library by its path.
const NAMED: &str = "CONSORT_CUDA_DRIVER";
/// Where containers put the driver of their host, outside the loader's own search.
const PLACES: [&str; 2] = ["/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];

/// Loads the driver; an error when there is none.
pub(super) fn load() -> Result {
    static FOUND: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(look).clone().map_err(failed)
}

fn look() -> std::result::Result<(), String> {
    if let Some(path) = std::env::var_os(NAMED) {
        open(&path).map_err(|error| {
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), |why| why.to_string());
            format!("{NAMED} names {path:?}, which does not load: {why}")
        })?;
    } else if !present() {
        PLACES.iter().any(|path| open(path.as_ref()).is_ok());
    }
    if present() {
        return Ok(());
    }
    Err("there is no CUDA driver (libcuda) on this machine; install NVIDIA's, or use `--device cpu`".into())
}

fn present() -> bool {
    // SAFETY: loads the driver library, whose initialisers touch nothing of ours.
    unsafe { cudarc::driver::sys::is_culib_present() }
}

/// Loads a library for the rest of the process.
pub(super) fn open(path: &std::ffi::OsStr) -> std::result::Result<(), libloading::Error> {
    // SAFETY: the caller names a library of NVIDIA's, or a stand-in with the same entry points.
    let library = unsafe { libloading::Library::new(path) }?;
    std::mem::forget(library);
    Ok(())
}
