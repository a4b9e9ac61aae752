//! Where tensors live and ops run: a kernel device with its memory pool, and an account of the work it was given.

use crate::Cost;
use crate::block::Source;
use crate::error::{Kind, Result};
use crate::graph::Parts;
use crate::pool::Pool;
use kernels::cpu::Isa;
use kernels::{CpuContext, CudaContext};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A device. Cloning shares it: one team of threads, one pool.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    kernels: kernels::Device,
    pool: Pool,
    flops: AtomicU64,
    bytes: AtomicU64,
    name: String,
    parts: Mutex<Parts>,
    graphs: AtomicBool,
}

impl Device {
    /// The processor, with `threads` threads (0: one for each core) and the best instruction set, or the one that
    /// `CONSORT_ISA` names.
    pub fn cpu(threads: usize) -> Device {
        Device::cpu_with(threads, Isa::from_env(), usize::MAX)
    }

    /// The processor with a named instruction set, and at most `limit` bytes for tensors.
    pub fn cpu_with(threads: usize, isa: Isa, limit: usize) -> Device {
        let threads = if threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { threads };
        let kernels = kernels::Device::Cpu(Arc::new(CpuContext::new(threads, isa)));
        Device::of(kernels, Pool::new(Source::Host, limit), "cpu".into())
    }

    /// The GPU number `ordinal`. `tell` gets a line when kernels must be compiled first. With `CONSORT_POISON` in the
    /// environment its memory is not used again ([`Pool::strict`]).
    ///
    /// An error in one sentence when there is no driver or no such device.
    pub fn cuda(ordinal: usize, tell: impl Fn(&str) + Send + Sync + 'static) -> Result<Device> {
        Device::cuda_with(ordinal, std::env::var_os("CONSORT_POISON").is_some(), tell)
    }

    /// The same; whether its memory is not used again is said here.
    pub fn cuda_with(ordinal: usize, strict: bool, tell: impl Fn(&str) + Send + Sync + 'static) -> Result<Device> {
        let cuda = CudaContext::open(ordinal, tell).map_err(|error| Kind::NoDevice(error.to_string()))?;
        let cuda = Arc::new(cuda);
        let source = Source::Device(cuda.clone());
        let pool = if strict { Pool::strict(source, usize::MAX) } else { Pool::new(source, usize::MAX) };
        Ok(Device::of(kernels::Device::Cuda(cuda), pool, format!("cuda:{ordinal}")))
    }

    fn of(kernels: kernels::Device, pool: Pool, name: String) -> Device {
        let (flops, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let graphs = AtomicBool::new(std::env::var_os("CONSORT_GRAPHS").is_none_or(|set| set != "0"));
        Device(Arc::new(Inner { kernels, pool, flops, bytes, name, parts: Mutex::default(), graphs }))
    }

    /// `cpu`, `cuda:0` (1, ..) for a GPU, or `auto`: the first GPU, or the processor where there is none. `threads` are of
    /// the processor; `tell` is as in [`Device::cuda`]. An error with the names there are for any other.
    pub fn parse(name: &str, threads: usize, tell: impl Fn(&str) + Send + Sync + 'static) -> Result<Device> {
        let ordinal = name.strip_prefix("cuda").and_then(|rest| match rest {
            "" => Some(0),
            rest => rest.strip_prefix(':')?.parse().ok(),
        });
        match (name, ordinal) {
            ("cpu", _) => Ok(Device::cpu(threads)),
            ("auto", _) if CudaContext::missing().is_some() => Ok(Device::cpu(threads)),
            ("auto", _) => Device::cuda(0, tell),
            (_, Some(ordinal)) => Device::cuda(ordinal, tell),
            _ => Err(Kind::NoDevice(format!(
                "there is no device `{name}`; use `--device cpu`, `cuda:0` for a GPU, or `auto` for the best there is"
            ))
            .into()),
        }
    }

    /// What takes part in the recording under way.
    pub(crate) fn takes_part(&self) -> MutexGuard<'_, Parts> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether steps are recorded; see [`Device::records`].
    pub(crate) fn graphs(&self) -> &AtomicBool {
        &self.0.graphs
    }

    /// Whether work is being recorded rather than done.
    pub(crate) fn is_recording(&self) -> bool {
        matches!(self.kernels(), kernels::Device::Cuda(cuda) if cuda.is_capturing())
    }

    /// Whether ops run on the processor.
    pub fn is_cpu(&self) -> bool {
        matches!(self.kernels(), kernels::Device::Cpu(_))
    }

    /// Waits until everything asked for has run; on the processor it has.
    pub fn wait(&self) -> Result<()> {
        self.pool().count_sync();
        match self.kernels() {
            kernels::Device::Cpu(_) => Ok(()),
            kernels::Device::Cuda(cuda) => Ok(cuda.wait()?),
        }
    }

    /// From here on products of f32 on a GPU may, or may not, round their operands to tf32, which has 10 bits of mantissa.
    /// They do not unless asked to; the processor never does.
    pub fn allow_tf32(&self, allow: bool) {
        if let kernels::Device::Cuda(cuda) = self.kernels() {
            cuda.allow_tf32(allow);
        }
    }

    /// From here on the kernels of a GPU are of that version at most, where there is a choice; `u8::MAX` for the best.
    pub fn limit_version(&self, highest: u8) {
        if let kernels::Device::Cuda(cuda) = self.kernels() {
            cuda.limit_version(highest);
        }
    }

    /// What kernels run on.
    pub fn kernels(&self) -> &kernels::Device {
        &self.0.kernels
    }

    /// Its memory.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// What all ops that ran on it cost, each by the count of its kernel: a function of shapes, not of threads. Draws of
    /// random numbers count as writing them.
    pub fn work(&self) -> Cost {
        Cost { flops: self.0.flops.load(Relaxed), bytes: self.0.bytes.load(Relaxed) }
    }

    /// Adds a kernel's cost to the account.
    pub(crate) fn count(&self, cost: Cost) {
        self.0.flops.fetch_add(cost.flops, Relaxed);
        self.0.bytes.fetch_add(cost.bytes, Relaxed);
    }

    /// Takes back what was counted since `before`, and answers it: work that was recorded, not done.
    pub(crate) fn discount(&self, before: Cost) -> Cost {
        let after = self.work();
        let cost = Cost { flops: after.flops - before.flops, bytes: after.bytes - before.bytes };
        self.0.flops.fetch_sub(cost.flops, Relaxed);
        self.0.bytes.fetch_sub(cost.bytes, Relaxed);
        cost
    }

    /// `cpu`, `cuda:0`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Threads of the processor that ops run on.
    pub fn threads(&self) -> usize {
        match self.kernels() {
            kernels::Device::Cpu(cpu) => cpu.team.threads(),
            kernels::Device::Cuda(_) => 1,
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
