//! Where tensors live and ops run: a kernel device with its memory pool, and an account of the work it was given.

use crate::Cost;
use crate::error::{Kind, Result};
use crate::pool::Pool;
use kernels::CpuContext;
use kernels::cpu::Isa;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A device. Cloning shares it: one team of threads, one pool.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    kernels: kernels::Device,
    pool: Pool,
    flops: AtomicU64,
    bytes: AtomicU64,
    name: &'static str,
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
        let (flops, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Device(Arc::new(Inner { kernels, pool: Pool::new(limit), flops, bytes, name: "cpu" }))
    }

    /// `cpu`, or `auto` for the best there is. An error with the names there are for any other.
    pub fn parse(name: &str, threads: usize) -> Result<Device> {
        match name {
            "cpu" | "auto" => Ok(Device::cpu(threads)),
            _ => Err(Kind::NoDevice(format!(
                "there is no device `{name}` in this build; use `--device cpu`, or `auto` for the best there is"
            ))
            .into()),
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

    /// `cpu`.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Threads that ops run on.
    pub fn threads(&self) -> usize {
        let kernels::Device::Cpu(cpu) = self.kernels();
        cpu.team.threads()
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
