//! NVIDIA's run-time compiler: where it is found, and how a source becomes machine code.
//!
//! The library is looked for in `$CONSORT_NVRTC` (a folder), CUDA's own folders, Python wheels, and the cache folder where
//! `scripts/fetch-nvrtc` puts it. It is loaded by its absolute path, its built-ins first: it does not find them by itself,
//! and the loader then answers the request of `cudarc` with it.

use super::error::failed;
use super::{Source, cubins, driver, sources};
use crate::Result;
use cudarc::nvrtc::{result, sys};
use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Machine code for one architecture, and what the assembler said of every kernel in it.
pub struct Compiled {
    /// The cubin.
    pub image: Vec<u8>,
    /// The log: registers, spills and shared memory of each kernel, and warnings.
    pub log: String,
}

/// Compiles `source` for `architecture`, such as `sm_90a`. An error with the compiler's messages, or in one sentence when
/// there is no compiler.
pub fn compile(source: &Source, architecture: &str) -> Result<Compiled> {
    load()?;
    let options = [
        format!("--gpu-architecture={architecture}"),
        "--std=c++17".into(),
        "-default-device".into(),
        "--ptxas-options=-v".into(),
    ];
    let program = Program::new(source)?;
    // SAFETY: the program is alive; options hold no NUL.
    let compiled = unsafe { result::compile_program(program.0, &options) };
    // SAFETY: as above.
    let log = unsafe { result::get_program_log(program.0) }.unwrap_or_default();
    let log: Vec<u8> = log.into_iter().map(|c| c as u8).take_while(|&c| c != 0).collect();
    let log = String::from_utf8_lossy(&log).into_owned();
    compiled.map_err(|error| failed(format!("{} does not compile for {architecture}: {error}\n{log}", source.name)))?;
    Ok(Compiled { image: program.image(source, architecture)?, log })
}

/// The compiler's version, such as (13, 0).
pub fn version() -> Result<(i32, i32)> {
    load()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both outputs are ours.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) }.result().map_err(|error| failed(format!("NVRTC: {error}")))?;
    Ok((major, minor))
}

/// A program of the compiler, destroyed when dropped.
struct Program(sys::nvrtcProgram);

impl Program {
    fn new(source: &Source) -> Result<Program> {
        let text = |s: &str| CString::new(s).map_err(|_| failed(format!("{} holds a NUL", source.name)));
        let (name, code) = (text(source.name)?, text(source.text)?);
        let names = sources::HEADERS.iter().map(|header| text(header.name)).collect::<Result<Vec<CString>>>()?;
        let texts = sources::HEADERS.iter().map(|header| text(header.text)).collect::<Result<Vec<CString>>>()?;
        let point = |list: &[CString]| list.iter().map(|s| s.as_ptr()).collect::<Vec<*const c_char>>();
        let (name_list, text_list) = (point(&names), point(&texts));
        let mut program = std::ptr::null_mut();
        // SAFETY: strings end in NUL and outlive the call, which copies them; both lists have the length given.
        let made = unsafe {
            let (texts, names) = (text_list.as_ptr(), name_list.as_ptr());
            sys::nvrtcCreateProgram(&mut program, code.as_ptr(), name.as_ptr(), name_list.len() as i32, texts, names)
        };
        made.result().map_err(|error| failed(format!("{}: {error}", source.name)))?;
        Ok(Program(program))
    }

    fn image(&self, source: &Source, architecture: &str) -> Result<Vec<u8>> {
        let mut size = 0;
        // SAFETY: a compiled program; the buffer has the size asked for.
        let got = unsafe {
            sys::nvrtcGetCUBINSize(self.0, &mut size).result().and_then(|()| {
                let mut image = vec![0u8; size];
                sys::nvrtcGetCUBIN(self.0, image.as_mut_ptr().cast()).result().map(|()| image)
            })
        };
        match got {
            Ok(image) if !image.is_empty() => Ok(image),
            _ => Err(failed(format!("{}: no machine code for {architecture}", source.name))),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed once. There is nothing to do about an error.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Loads the compiler; an error that lists the places when there is none.
fn load() -> Result {
    static FOUND: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(look).clone().map_err(failed)
}

fn look() -> std::result::Result<(), String> {
    let places = places();
    let found = places.iter().any(|folder| load_from(folder));
    // SAFETY: loads NVIDIA's library, whose initialisers touch nothing of ours.
    if found || unsafe { sys::is_culib_present() } {
        return Ok(());
    }
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(format!(
        "NVRTC, which compiles the GPU kernels, was not found (looked in {}); install the CUDA toolkit, run \
         `scripts/fetch-nvrtc`, or name its folder in CONSORT_NVRTC",
        places.join(", ")
    ))
}

/// Loads the newest NVRTC in a folder, its built-ins first.
fn load_from(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let newest = |start: &str| {
        let fits = |path: &&PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                    && !name.contains("alt")
            })
        };
        names.iter().filter(fits).max()
    };
    let Some(library) = newest("libnvrtc.so.") else { return false };
    if let Some(builtins) = newest("libnvrtc-builtins.so.") {
        let _ = driver::open(builtins.as_os_str());
    }
    driver::open(library.as_os_str()).is_ok()
}

/// Folders that may hold the compiler, the surest first.
fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("CONSORT_NVRTC").map(PathBuf::from).into_iter().collect();
    for toolkit in ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os) {
        places.push(Path::new(&toolkit).join("lib64"));
    }
    places.extend(cubins::cache_folder().map(|cache| cache.join("cu13/nvidia/cu13/lib")));
    places.push("/usr/local/cuda/lib64".into());
    places.push("/usr/local/cuda/targets/x86_64-linux/lib".into());
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let roots = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter();
    let roots = roots.chain(home.map(|home| home.join(".local"))).chain(["/usr/local".into(), "/usr".into()]);
    for root in roots {
        for python in list(&root.join("lib")).filter(|path| named(path, "python3")) {
            for packages in ["site-packages", "dist-packages"] {
                places.push(python.join(packages).join("nvidia/cu13/lib"));
                places.push(python.join(packages).join("nvidia/cuda_nvrtc/lib"));
            }
        }
    }
    places.retain(|place| place.is_dir());
    places
}

fn list(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn named(path: &Path, start: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(start))
}

/// What the assembler says of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The kernel.
    pub kernel: String,
    /// Registers of a thread.
    pub registers: usize,
    /// Bytes a thread spills, stores and loads together.
    pub spilled: usize,
    /// Bytes of static shared memory.
    pub shared: usize,
}

/// The usage of every kernel in a compiler's log, in the order of the log.
pub fn usages(log: &str) -> Vec<Usage> {
    let mut usages: Vec<Usage> = vec![];
    for line in log.lines() {
        if let Some(rest) = line.split("Compiling entry function '").nth(1) {
            let kernel = rest.split('\'').next().unwrap_or_default().into();
            usages.push(Usage { kernel, registers: 0, spilled: 0, shared: 0 });
        }
        let Some(usage) = usages.last_mut() else { continue };
        let before = |word: &str| {
            let number = line.split(word).next()?.split_whitespace().next_back()?;
            line.contains(word).then(|| number.parse::<usize>().ok()).flatten()
        };
        usage.registers = before(" registers").unwrap_or(usage.registers);
        usage.shared = before(" bytes smem").unwrap_or(usage.shared);
        usage.spilled += before(" bytes spill stores").unwrap_or(0) + before(" bytes spill loads").unwrap_or(0);
    }
    usages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assemblers_log_is_read() {
        let log = "ptxas info    : 0 bytes gmem\nptxas info    : Compiling entry function 'one' for 'sm_90a'\n\
                   ptxas info    : Function properties for one\n\
                   ptxas         .     648 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n\
                   ptxas info    : Used 40 registers, used 1 barriers, 2048 bytes smem\n\
                   ptxas info    : Compiling entry function 'two' for 'sm_90a'\n\
                   ptxas info    : Used 7 registers, used 0 barriers\n";
        let one = Usage { kernel: "one".into(), registers: 40, spilled: 20, shared: 2048 };
        let two = Usage { kernel: "two".into(), registers: 7, spilled: 0, shared: 0 };
        assert_eq!(usages(log), [one, two]);
    }
}
