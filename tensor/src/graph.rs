//! Work that is recorded once and replayed with one call: a CUDA graph, and the memory that it writes.
//!
//! A recording refers to addresses. Tensors that were there before and take part are kept alive by the graph; memory that
//! was taken while recording is the graph's own, and what it holds is new after every replay. To feed a graph, write into
//! its inputs in place ([`Tensor::overwrite`]); to see results, keep the tensors that the recorded function returned.
//! Numbers of the host (coefficients, seeds) are recorded as they were.

use crate::error::{Kind, Result};
use crate::storage::Storage;
use crate::{Device, Tensor};
use kernels::KernelError;
use std::sync::{Arc, Mutex};

/// Recorded work.
pub struct Graph {
    inner: Option<kernels::cuda::Graph>,
    device: Device,
    number: u64,
    /// What was there before and takes part.
    _inputs: Vec<Arc<Storage>>,
}

/// What takes part in the recording under way.
pub(crate) type Inputs = Mutex<Vec<Arc<Storage>>>;

impl Device {
    /// Records what `body` asks for, instead of doing it, and gives back what it made.
    ///
    /// Run `body` once or twice before: kernels must be loaded and the pool must hold what it needs, since nothing can be
    /// allocated, loaded or waited for while recording; an attempt is an error. Only a GPU records.
    pub fn record<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<(Graph, T)> {
        let kernels::Device::Cuda(cuda) = self.kernels() else {
            let what = format!("`{}` does not record work; only a GPU does", self.name());
            return Err(Kind::Kernel(KernelError::Device { what }).into());
        };
        let number = self.pool().start_recording();
        let mut made = None;
        let recorded = cuda.capture(|| -> Result<()> {
            made = Some(body()?);
            Ok(())
        });
        self.pool().stop_recording();
        let _inputs = std::mem::take(&mut *self.inputs().lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        // Made before the error is looked at: its drop gives the blocks back.
        let mut graph = Graph { inner: None, device: self.clone(), number, _inputs };
        graph.inner = Some(recorded?);
        match made {
            Some(made) => Ok((graph, made)),
            None => Err(Kind::Kernel(KernelError::Device { what: "nothing was recorded".into() }).into()),
        }
    }
}

impl Graph {
    /// Does the recorded work again, in the order of the device's stream.
    pub fn replay(&mut self) -> Result<()> {
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
