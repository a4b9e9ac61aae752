//! Work that is recorded once and replayed with one call: a CUDA graph, and the memory that it writes.
//!
//! A recording refers to addresses. Tensors that were there before and take part are kept alive by the graph; memory that
//! was taken while recording is the graph's own, and what it holds is new after every replay. To feed a graph, write into
//! its inputs in place ([`Tensor::overwrite`]); to see results, keep the tensors that the recorded function returned.
//! Numbers of the host (coefficients, seeds) are recorded as they were.

use crate::error::{Error, Kind, Result};
use crate::storage::Storage;
use crate::{Cost, Device, Tensor};
use kernels::KernelError;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

/// Recorded work.
pub struct Graph {
    inner: Option<kernels::cuda::Graph>,
    device: Device,
    number: u64,
    /// What one replay costs.
    cost: Cost,
    parts: Parts,
}

/// What takes part in a recording.
#[derive(Default)]
pub(crate) struct Parts {
    /// What was there before.
    pub(crate) kept: Vec<Arc<Storage>>,
    /// What every replay writes: of that, and of what was made; versions move with it.
    pub(crate) written: Vec<Weak<Storage>>,
}

impl Device {
    /// Does what `body` asks for, so that it can be recorded next: its kernels are loaded then, and blocks wait for all that
    /// it takes. Whether there was memory for that.
    pub fn rehearse<T, E: From<Error>>(
        &self,
        body: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, bool), E> {
        self.pool().start_rehearsal();
        let made = body();
        let ready = self.pool().stop_rehearsal()?;
        Ok((made?, ready))
    }

    /// Records what `body` asks for, instead of doing it, and gives back what it made.
    ///
    /// [`Device::rehearse`] `body` before: nothing can be allocated, loaded or waited for while recording; an attempt is an
    /// error. Only a GPU records.
    pub fn record<T, E: From<Error>>(
        &self,
        body: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<(Graph, T), E> {
        let failed = |what: String| E::from(Kind::Kernel(KernelError::Device { what }).into());
        let kernels::Device::Cuda(cuda) = self.kernels() else {
            return Err(failed(format!("`{}` does not record work; only a GPU does", self.name())));
        };
        let before = self.work();
        let number = self.pool().start_recording();
        let mut made = None;
        let recorded = cuda.capture(|| -> Result<()> {
            made = Some(body());
            // What was asked for until `body` failed is dropped with the graph.
            Ok(())
        });
        self.pool().stop_recording();
        let mut parts = std::mem::take(&mut *self.takes_part());
        parts.written.retain(|storage| storage.strong_count() > 0);
        // Made before the error is looked at: its drop gives the blocks back.
        let mut graph = Graph { inner: None, device: self.clone(), number, cost: self.discount(before), parts };
        let made = made.transpose()?;
        graph.inner = Some(recorded?);
        made.map(|made| (graph, made)).ok_or_else(|| failed("nothing was recorded".into()))
    }

    /// Whether a recording can succeed here: on a GPU whose memory is used again, unless [`Device::prefer_graphs`] or
    /// `CONSORT_GRAPHS=0` says no.
    pub fn records(&self) -> bool {
        !self.is_cpu() && self.pool().reuses() && self.graphs().load(Relaxed)
    }

    /// From here on methods that run one step many times record it, or do not. They do unless told; the bits are the same.
    pub fn prefer_graphs(&self, prefer: bool) {
        self.graphs().store(prefer, Relaxed);
    }
}

impl Graph {
    /// Does the recorded work again, in the order of the device's stream.
    pub fn replay(&mut self) -> Result<()> {
        self.device.count(self.cost);
        self.device.pool().count_replay();
        self.parts.written.iter().filter_map(Weak::upgrade).for_each(|storage| storage.bump());
        self.inner.as_mut().map_or(Ok(()), |inner| Ok(inner.replay()?))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // What is still to run refers to the blocks; later work that gets them comes after it in the stream.
        self.inner = None;
        self.device.pool().forget_recording(self.number);
    }
}

impl Tensor {
    /// Writes the numbers of `from`, of the same shape and dtype, into this tensor's memory: how a recorded graph gets new
    /// inputs. Moves the storage's version. An error when shape, dtype or device differ.
    #[track_caller]
    pub fn overwrite(&mut self, from: &Tensor) -> Result<()> {
        let (device, _) = crate::ops::common("overwrite", &[self, from])?;
        if self.shape() != from.shape() {
            let what = format!("{:?} does not fit into {:?}", from.shape(), self.shape());
            return Err(crate::Error::shape("overwrite", what));
        }
        self.storage().bump();
        let from = from.read("overwrite")?;
        let from = from.view()?;
        let cost = kernels::copy::copy_cost(self.layout(), self.dtype(), self.dtype());
        self.fill_with(cost, |to| kernels::copy::copy(device.kernels(), from, to))
    }
}
