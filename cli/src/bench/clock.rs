//! How long a run takes on a device: between marks in the stream of a GPU, by the wall clock on the processor. What the run
//! before left in the cache is flushed out first, unless the clock is a warm one.

use kernels::cuda::Event;
use std::time::Instant;
use tensor::{DType, Device, Error, Result, Tensor};

/// Numbers of f32 that are copied between two runs: 64 MB read and 64 MB written, more than a second-level cache holds.
const FLUSH: usize = 16 << 20;
/// Runs that are not counted; runs that are, at most; seconds after which there are enough.
const WARM: usize = 2;
const RUNS: usize = 30;
const ENOUGH: f64 = 0.3;

/// Times runs on one device.
pub(crate) struct Clock {
    device: Device,
    flush: Option<[Tensor; 2]>,
    warm: usize,
    runs: usize,
}

/// A moment of the device.
enum Mark {
    Device(Event),
    Host(Instant),
}

impl Clock {
    /// If `rehearsed`, each run is timed once, and nothing is flushed.
    pub(crate) fn new(device: &Device, rehearsed: bool) -> Result<Clock> {
        let space = || Tensor::zeros(device, DType::F32, &[if rehearsed { 16 } else { FLUSH }]);
        Ok(Clock { flush: Some([space()?, space()?]), ..Clock::warm(device, rehearsed)? })
    }

    /// One that leaves the cache as it is.
    pub(crate) fn warm(device: &Device, rehearsed: bool) -> Result<Clock> {
        let (warm, runs) = if rehearsed { (0, 1) } else { (WARM, RUNS) };
        Ok(Clock { device: device.clone(), flush: None, warm, runs })
    }

    /// The median of the times that `run` takes, in milliseconds.
    pub(crate) fn time<E: From<Error>>(
        &mut self,
        mut run: impl FnMut() -> std::result::Result<(), E>,
    ) -> std::result::Result<f64, E> {
        for _ in 0..self.warm {
            run()?;
        }
        self.device.wait()?;
        let (begun, mut marks) = (Instant::now(), vec![]);
        while marks.len() < self.runs && (marks.len() < 5 || begun.elapsed().as_secs_f64() < ENOUGH) {
            if let Some([to, from]) = &mut self.flush {
                to.overwrite(from)?;
            }
            let start = self.mark()?;
            run()?;
            marks.push((start, self.mark()?));
            if marks.len().is_multiple_of(5) {
                self.device.wait()?; // so that the clock sees the work
            }
        }
        let mut times = marks.iter().map(|(start, end)| start.until(end)).collect::<Result<Vec<f64>>>()?;
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    fn mark(&self) -> Result<Mark> {
        match self.device.kernels() {
            kernels::Device::Cuda(cuda) => Ok(Mark::Device(cuda.mark()?)),
            kernels::Device::Cpu(_) => Ok(Mark::Host(Instant::now())),
        }
    }
}

impl Mark {
    /// Milliseconds to a later mark of the same device.
    fn until(&self, end: &Mark) -> Result<f64> {
        match (self, end) {
            (Mark::Device(start), Mark::Device(end)) => Ok(start.until(end)?),
            (Mark::Host(start), Mark::Host(end)) => Ok(1e3 * end.duration_since(*start).as_secs_f64()),
            _ => Ok(f64::NAN), // of two devices: a clock has one
        }
    }
}
