//! Machine code of the kernels, kept on disk.
//!
//! A cubin's file name is a hash of the compiler's version, the architecture, the headers and the source, so that what is
//! found is what would be compiled. Files are written aside and renamed. A folder that cannot be written costs the next
//! start its time, and nothing else.

use super::error::failed;
use super::{Source, nvrtc, sources};
use crate::Result;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The environment variable that says where machine code comes from.
const MODULES: &str = "CONSORT_CUDA_MODULES";

/// Whether the driver brings the kernels itself, as a stand-in does that runs them on the processor.
pub(super) fn are_builtin() -> bool {
    std::env::var_os(MODULES).is_some_and(|value| value == "builtin")
}

/// The machine code for one architecture.
pub(super) struct Cubins {
    architecture: String,
    builtin: bool,
    tell: Box<dyn Fn(&str) + Send + Sync>,
    compiled: Mutex<HashMap<&'static str, Vec<u8>>>,
}

impl Cubins {
    pub(super) fn new(architecture: String, tell: Box<dyn Fn(&str) + Send + Sync>) -> Cubins {
        Cubins { architecture, builtin: are_builtin(), tell, compiled: Mutex::default() }
    }

    /// The machine code of `source`: from disk, or compiled. The first that is missing has all compiled that are missing,
    /// on all cores.
    pub(super) fn of(&self, source: &Source) -> Result<Vec<u8>> {
        if self.builtin {
            return Ok(b"builtin\0".to_vec());
        }
        if let Some(image) = self.stored(source)? {
            return Ok(image);
        }
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if !compiled.contains_key(source.name) {
            *compiled = self.compile_missing()?;
        }
        match compiled.get(source.name) {
            Some(image) => Ok(image.clone()),
            None => Ok(nvrtc::compile(source, &self.architecture)?.image),
        }
    }

    fn compile_missing(&self) -> Result<HashMap<&'static str, Vec<u8>>> {
        let mut missing = vec![];
        for source in sources::ALL {
            if self.stored(source)?.is_none() {
                missing.push(*source);
            }
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        (self.tell)(&format!(
            "compiling {} files of GPU kernels for {}, once for this machine",
            missing.len(),
            self.architecture
        ));
        let (queue, done) = (Mutex::new(missing), Mutex::new(HashMap::new()));
        let work = || -> Result {
            while let Some(source) = take(&queue) {
                let image = nvrtc::compile(source, &self.architecture)?.image;
                self.store(source, &image)?;
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(source.name, image);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = |worker: std::thread::ScopedJoinHandle<'_, Result>| {
                worker.join().unwrap_or_else(|_| Err(failed("the compiler of GPU kernels failed")))
            };
            workers.into_iter().map(joined).collect::<Result<Vec<()>>>()
        })?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn stored(&self, source: &Source) -> Result<Option<Vec<u8>>> {
        Ok(self.path(source)?.and_then(|path| std::fs::read(path).ok()).filter(|image| !image.is_empty()))
    }

    /// Writes aside and renames. Disks that are full or not ours are no error.
    fn store(&self, source: &Source, image: &[u8]) -> Result {
        let Some(path) = self.path(source)? else { return Ok(()) };
        let aside = path.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&aside, image))
            .and_then(|()| std::fs::rename(&aside, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(aside);
        }
        Ok(())
    }

    fn path(&self, source: &Source) -> Result<Option<PathBuf>> {
        let Some(folder) = cache_folder() else { return Ok(None) };
        let (major, minor) = nvrtc::version()?;
        let mut hash = Fnv::default();
        hash.add(&format!("{major}.{minor} {}", self.architecture));
        for text in sources::HEADERS.iter().chain([source]) {
            hash.add(text.name);
            hash.add(text.text);
        }
        let stem = source.name.trim_end_matches(".cu");
        Ok(Some(folder.join("cubins").join(format!("{stem}-{}-{:016x}.cubin", self.architecture, hash.0))))
    }
}

fn take<'a>(queue: &Mutex<Vec<&'a Source>>) -> Option<&'a Source> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Where machine code is kept: `$CONSORT_CACHE`, `$XDG_CACHE_HOME/consort`, or `~/.cache/consort`.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("CONSORT_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("consort")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/consort")))
}

/// The FNV-1a hash, which is the same in every build.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
