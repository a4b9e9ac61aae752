//! How fast kernels and networks are: each is run on random numbers, timed, and told beside the roofs measured in the same
//! run. On a GPU time is taken by marks in the device's stream, and the last result flushed out of the cache before each
//! run; on the processor by the wall clock, with whatever the run before left in the cache, as peers' timings are.
//!
//! Peers are timed by `bench/gpu_peers.py` and `bench/cpu.py` under the same names; `scripts/gpu-bench` and the latter run
//! both and put them side by side.

mod busy;
mod clock;
mod controls;
mod memory;
mod networks;
mod processor;
mod products;

pub use busy::{busy_cores, reset_resident_peak, resident_peak};
pub(crate) use clock::Clock;
pub use controls::Controls;

use kernels::cuda::{CudaContext, Spent};
use std::sync::Arc;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Error, Result, Tensor};

/// One measurement.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was run, such as `matmul bf16 4096 v2`.
    pub name: String,
    /// Median time on the device, in milliseconds.
    pub milliseconds: f64,
    /// Arithmetic of one run.
    pub flops: f64,
    /// Bytes that one run must move: operands and results, once each.
    pub bytes: f64,
    /// The kernels of one run, if they were asked for.
    pub kernels: Vec<Spent>,
}

/// The measurements of a run.
pub struct Bench {
    device: Device,
    cuda: Option<Arc<CudaContext>>,
    clock: Clock,
    only: Option<String>,
    rehearsed: bool,
    profiled: bool,
    /// In the order they were made.
    pub rows: Vec<Row>,
    tell: Box<dyn FnMut(&Row)>,
}

impl Bench {
    /// On a device; `only` measurements whose name contains that text; if `rehearsed`, of sizes
    /// that an emulated GPU can run, once; if `profiled`, with the kernels that each spends its time in. `tell` hears of
    /// each as it is made.
    pub fn new(
        device: &Device,
        only: Option<String>,
        [rehearsed, profiled]: [bool; 2],
        tell: impl FnMut(&Row) + 'static,
    ) -> Result<Bench> {
        let (cuda, clock) = match device.kernels() {
            kernels::Device::Cuda(cuda) => (Some(cuda.clone()), Clock::new(device, rehearsed)?),
            kernels::Device::Cpu(_) => (None, Clock::warm(device, rehearsed)?),
        };
        let (device, tell) = (device.clone(), Box::new(tell));
        Ok(Bench { device, cuda, clock, only, rehearsed, profiled, rows: vec![], tell })
    }

    /// All that there are for the device.
    pub fn all(&mut self) -> nn::Result<()> {
        match self.cuda.clone() {
            Some(cuda) => {
                memory::all(self)?;
                products::all(self, &cuda)?;
            }
            None => processor::all(self)?,
        }
        networks::all(self)
    }

    /// `full`, or what is small enough to rehearse with.
    fn size<T>(&self, full: T, small: T) -> T {
        if self.rehearsed { small } else { full }
    }

    /// Whether `name` is asked for.
    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    /// Times `run`, whose work is what the engine counts while it runs.
    fn time<E: From<Error>>(
        &mut self,
        name: &str,
        mut run: impl FnMut() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if !self.wants(name) {
            return Ok(());
        }
        let before = self.device.work();
        run()?;
        let after = self.device.work();
        let [flops, bytes] = [after.flops - before.flops, after.bytes - before.bytes].map(|n| n as f64);
        self.time_counted(name, [flops, bytes], run)
    }

    /// Times `run`, whose FLOPs and bytes are given.
    fn time_counted<E: From<Error>>(
        &mut self,
        name: &str,
        [flops, bytes]: [f64; 2],
        mut run: impl FnMut() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if !self.wants(name) {
            return Ok(());
        }
        let milliseconds = self.clock.time(&mut run)?;
        let kernels = if self.profiled { self.kernels_of(run)? } else { vec![] };
        let row = Row { name: name.into(), milliseconds, flops, bytes, kernels };
        (self.tell)(&row);
        self.rows.push(row);
        Ok(())
    }

    /// The kernels that `run` spends its time in.
    fn kernels_of<E: From<Error>>(
        &self,
        run: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Vec<Spent>, E> {
        let mut ran = Ok(());
        let Some(cuda) = &self.cuda else { return Ok(vec![]) };
        let profile = cuda.profile(|| {
            ran = run();
            kernels::Result::Ok(())
        });
        ran?;
        Ok(profile.map_err(Error::from)?)
    }

    /// Numbers from a normal distribution, drawn on the device.
    fn draw(&self, dtype: DType, shape: &[usize]) -> Result<Tensor> {
        let stream = Stream { seed: 1, purpose: 0, step: 0 };
        Tensor::normal(&self.device, DType::F32, shape, &stream, 0)?.cast(dtype)
    }
}

impl Row {
    /// TFLOP/s.
    pub fn tflops(&self) -> f64 {
        self.flops / self.milliseconds / 1e9
    }

    /// GB/s.
    pub fn bandwidth(&self) -> f64 {
        self.bytes / self.milliseconds / 1e6
    }
}
