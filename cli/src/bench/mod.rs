//! How fast a GPU's kernels are: each is run on random numbers, timed by marks in the device's stream, its last result
//! flushed out of the cache before each run, and told beside the roofs measured in the same run.
//!
//! Peers are timed by `bench/gpu_peers.py` under the same names; `scripts/gpu-bench` runs both and puts them side by side.

mod memory;
mod networks;
mod products;

use kernels::cuda::{CudaContext, Spent};
use std::sync::Arc;
use std::time::Instant;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Error, Result, Tensor};

/// Numbers of f32 that are copied between two runs: 64 MB read and 64 MB written, more than a second-level cache holds.
const FLUSH: usize = 16 << 20;
/// Runs that are not counted; runs that are, at most; seconds after which there are enough.
const WARM: usize = 2;
const RUNS: usize = 30;
const ENOUGH: f64 = 0.3;

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
    cuda: Arc<CudaContext>,
    flush: [Tensor; 2],
    only: Option<String>,
    rehearsed: bool,
    profiled: bool,
    /// In the order they were made.
    pub rows: Vec<Row>,
    tell: Box<dyn FnMut(&Row)>,
}

impl Bench {
    /// For a GPU, nothing for the processor; `only` measurements whose name contains that text; if `rehearsed`, of sizes
    /// that an emulated GPU can run, once; if `profiled`, with the kernels that each spends its time in. `tell` hears of
    /// each as it is made.
    pub fn new(
        device: &Device,
        only: Option<String>,
        [rehearsed, profiled]: [bool; 2],
        tell: impl FnMut(&Row) + 'static,
    ) -> Result<Option<Bench>> {
        let kernels::Device::Cuda(cuda) = device.kernels() else { return Ok(None) };
        let space = || Tensor::zeros(device, DType::F32, &[if rehearsed { 16 } else { FLUSH }]);
        let flush = [space()?, space()?];
        Ok(Some(Bench {
            device: device.clone(),
            cuda: cuda.clone(),
            flush,
            only,
            rehearsed,
            profiled,
            rows: vec![],
            tell: Box::new(tell),
        }))
    }

    /// All of them.
    pub fn all(&mut self) -> nn::Result<()> {
        memory::all(self)?;
        products::all(self)?;
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
        let (warm, runs) = if self.rehearsed { (0, 1) } else { (WARM, RUNS) };
        for _ in 0..warm {
            run()?;
        }
        self.device.wait()?;
        let (begun, mut marks) = (Instant::now(), vec![]);
        while marks.len() < runs && (marks.len() < 5 || begun.elapsed().as_secs_f64() < ENOUGH) {
            let [to, from] = &mut self.flush;
            to.overwrite(from)?;
            let start = self.mark()?;
            run()?;
            marks.push((start, self.mark()?));
            if marks.len().is_multiple_of(5) {
                self.device.wait()?; // so that the clock sees the work
            }
        }
        let times = marks.iter().map(|(start, end)| start.until(end)).collect::<kernels::Result<Vec<f64>>>();
        let mut times = times.map_err(Error::from)?;
        times.sort_by(f64::total_cmp);
        let kernels = if self.profiled { self.kernels_of(run)? } else { vec![] };
        let row = Row { name: name.into(), milliseconds: times[times.len() / 2], flops, bytes, kernels };
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
        let profile = self.cuda.profile(|| {
            ran = run();
            kernels::Result::Ok(())
        });
        ran?;
        Ok(profile.map_err(Error::from)?)
    }

    fn mark(&self) -> Result<kernels::cuda::Event> {
        Ok(self.cuda.mark()?)
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
