//! The GPU: one context and one stream a device, kernels compiled at run time from the sources in this crate.
//!
//! Kernels are CUDA C++ beside the family they belong to (`src/combine/combine.cu`), written in the words of the headers in
//! `cuda/`, and named `combine_f32`: there are no generics over dtypes in Rust. Everything runs in the order of one stream,
//! so memory may be used again as soon as it is given back. The host waits in [`CudaContext::download`] and
//! [`CudaContext::wait`] alone.
//!
//! The program is built without a toolkit and starts without a driver: both are looked for when a device is opened.

mod cubins;
mod driver;
pub(crate) mod elementwise;
mod error;
mod event;
mod graph;
pub(crate) mod hopper_loop;
mod launch;
mod memory;
pub(crate) mod nest;
pub mod nvrtc;
mod profile;
pub mod sources;
pub(crate) mod tensor_map;
pub(crate) mod tensor_tile;

pub use event::Event;
pub use graph::Graph;
pub use launch::{Grid, Parameter};
pub use memory::DevicePtr;
pub use profile::Spent;
pub use sources::Source;

use crate::Result;
use cubins::Cubins;
use cudarc::driver::{CudaModule, CudaStream, sys};
use error::{check, failed};
use launch::Function;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The version of kernels that needs the instructions of Hopper.
const HOPPER: u8 = 3;

/// A GPU that ops run on.
pub struct CudaContext {
    context: Arc<cudarc::driver::CudaContext>,
    stream: Arc<CudaStream>,
    properties: Properties,
    cubins: Cubins,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    functions: RwLock<HashMap<(&'static str, &'static str), Arc<Function>>>,
    capturing: AtomicBool,
    allow_tf32: AtomicBool,
    highest_version: AtomicU8,
    /// Of the profile that is being taken, if one is.
    launches: Mutex<Option<Vec<profile::Launch>>>,
}

/// What a GPU can do.
#[derive(Clone, Debug)]
pub struct Properties {
    /// What it calls itself.
    pub name: String,
    /// Compute capability, such as (9, 0) for Hopper.
    pub capability: (i32, i32),
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// The most shared memory a block may ask for, in bytes.
    pub shared_memory: usize,
    /// Second-level cache, in bytes.
    pub l2_cache: usize,
    /// Memory, in bytes.
    pub memory: usize,
}

impl CudaContext {
    /// The GPU number `ordinal`. `tell` gets a line when kernels must be compiled first (once for a machine).
    ///
    /// An error in one sentence when there is no driver, no such device, or one older than compute capability 8.0.
    pub fn open(ordinal: usize, tell: impl Fn(&str) + Send + Sync + 'static) -> Result<CudaContext> {
        driver::load()?;
        let count = check("counting devices", cudarc::driver::CudaContext::device_count())?;
        if ordinal >= count as usize {
            return Err(failed(format!(
                "there is no device `cuda:{ordinal}`: the driver knows {count}, counted from 0; `--device cpu` needs none"
            )));
        }
        let context = check("opening the device", cudarc::driver::CudaContext::new(ordinal))?;
        // SAFETY: there is one stream, and every use of memory is in its order.
        unsafe { context.disable_event_tracking() };
        let properties = Properties::of(&context)?;
        let (major, minor) = properties.capability;
        if major < 8 {
            return Err(failed(format!(
                "`cuda:{ordinal}` ({}) has compute capability {major}.{minor}; 8.0 (Ampere) is the oldest that the \
                 kernels are written for; use `--device cpu`",
                properties.name
            )));
        }
        let stream = check("making a stream", context.new_stream())?;
        let cubins = Cubins::new(properties.architecture(), Box::new(tell));
        let (modules, functions) = (Mutex::default(), RwLock::default());
        let (capturing, allow_tf32) = (AtomicBool::new(false), AtomicBool::new(false));
        let is_limited = std::env::var_os("CONSORT_HOPPER").is_some_and(|set| set == "0");
        let highest_version = AtomicU8::new(if is_limited { HOPPER - 1 } else { u8::MAX });
        let launches = Mutex::new(None);
        let context = CudaContext {
            context,
            stream,
            properties,
            cubins,
            modules,
            functions,
            capturing,
            allow_tf32,
            highest_version,
            launches,
        };
        Ok(context)
    }

    /// Why no GPU can be used, or nothing when at least one can: there is a driver, it knows a device, and there is a
    /// compiler for the kernels.
    pub fn missing() -> Option<String> {
        let counted =
            driver::load().and_then(|()| check("counting devices", cudarc::driver::CudaContext::device_count()));
        match (counted, cubins::are_builtin()) {
            (Err(error), _) => Some(error.to_string()),
            (Ok(0), _) => Some("the CUDA driver knows no device".into()),
            (Ok(_), true) => None,
            (Ok(_), false) => nvrtc::version().err().map(|error| error.to_string()),
        }
    }

    /// What it can do.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Waits until everything asked for has run. An error of a kernel that ran earlier comes back here.
    pub fn wait(&self) -> Result {
        self.outside_capture("waiting for the device")?;
        check("waiting for the device", self.stream.synchronize())
    }

    /// Whether calls are being recorded into a [`Graph`] rather than run.
    pub fn is_capturing(&self) -> bool {
        self.capturing.load(Relaxed)
    }

    /// An error while calls are recorded: `what` would stop the recording.
    pub fn outside_capture(&self, what: &str) -> Result {
        if !self.is_capturing() {
            return Ok(());
        }
        Err(failed(format!("{what} while a CUDA graph is recorded; rehearse it first")))
    }

    /// Whether products of f32 may round their operands to tf32, which has 10 bits of mantissa: not unless asked for.
    pub fn allows_tf32(&self) -> bool {
        self.allow_tf32.load(Relaxed)
    }

    /// From here on products of f32 may, or may not, round their operands to tf32.
    pub fn allow_tf32(&self, allow: bool) {
        self.allow_tf32.store(allow, Relaxed);
    }

    /// Whether kernels of that version, where there is a choice, may be chosen: the device has the instructions, and
    /// [`CudaContext::limit_version`] allows them.
    pub fn allows_version(&self, version: u8) -> bool {
        version <= self.highest_version() && (version < HOPPER || self.properties.capability == (9, 0))
    }

    /// The highest version that may be chosen, on a device that has the instructions: any, or 2 where `CONSORT_HOPPER=0`
    /// was set when the device was opened, unless [`CudaContext::limit_version`] said otherwise.
    pub fn highest_version(&self) -> u8 {
        self.highest_version.load(Relaxed)
    }

    /// From here on the kernels of every op are of that version at most; `u8::MAX` for the best there are. Version 1 takes
    /// every operand, so what was computed can be computed.
    pub fn limit_version(&self, highest: u8) {
        self.highest_version.store(highest, Relaxed);
    }

    /// The kernel `name` of `source`, loaded, and compiled if need be.
    fn function(&self, source: &'static Source, name: &'static str) -> Result<Arc<Function>> {
        let key = (source.name, name);
        if let Some(found) = self.functions.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(found.clone());
        }
        self.outside_capture(&format!("loading the kernel `{name}`"))?;
        let function = Arc::new(Function::load(&self.module(source)?, name, self.properties.shared_memory)?);
        self.functions.write().unwrap_or_else(PoisonError::into_inner).insert(key, function.clone());
        Ok(function)
    }

    fn module(&self, source: &'static Source) -> Result<Arc<CudaModule>> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = modules.get(source.name) {
            return Ok(found.clone());
        }
        let image = cudarc::nvrtc::Ptx::from_binary(self.cubins.of(source)?);
        let module = check(source.name, self.context.load_module(image))?;
        modules.insert(source.name, module.clone());
        Ok(module)
    }

    /// Makes this thread use the device.
    fn bind(&self) -> Result {
        check("using the device", self.context.bind_to_thread())
    }
}

impl Properties {
    fn of(context: &cudarc::driver::CudaContext) -> Result<Properties> {
        use sys::CUdevice_attribute::*;
        let attribute = |which| check("asking the device", context.attribute(which)).map(|value| value as usize);
        Ok(Properties {
            name: check("asking the device", context.name())?,
            capability: check("asking the device", context.compute_capability())?,
            multiprocessors: attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            shared_memory: attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            l2_cache: attribute(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?,
            memory: check("asking the device", context.total_mem())?,
        })
    }

    /// What kernels are compiled for: `sm_90a` has instructions that only Hopper has.
    pub fn architecture(&self) -> String {
        match self.capability {
            (9, 0) => "sm_90a".into(),
            (major, minor) => format!("sm_{major}{minor}"),
        }
    }
}
