//! CUDA graphs: calls recorded once and replayed with one call of the driver.
//!
//! What a recording refers to must live and keep its address as long as the graph: the pool of `tensor` sees to that.

use super::CudaContext;
use super::error::{check, failed};
use crate::Result;
use cudarc::driver::{CudaGraph, sys};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Recorded calls.
pub struct Graph {
    graph: CudaGraph,
    cuda: Arc<CudaContext>,
}

// SAFETY: handles of the driver that any one thread may use; `replay` takes `&mut self`.
unsafe impl Send for Graph {}

impl CudaContext {
    /// Records the calls that `body` makes instead of running them. An error of `body`, or of a call that cannot be
    /// recorded, ends the recording.
    pub fn capture<E: From<crate::KernelError>>(
        self: &Arc<Self>,
        body: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Graph, E> {
        self.bind()?;
        if self.capturing.swap(true, SeqCst) {
            return Err(failed("a CUDA graph is being recorded already").into());
        }
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        let begun = check("starting to record", self.stream.begin_capture(mode));
        let ran = begun.map_err(E::from).and_then(|()| body());
        self.capturing.store(false, SeqCst);
        let graph = check("recording a graph", self.stream.end_capture(sys::CUgraphInstantiate_flags(0)));
        ran?;
        let graph = graph?.ok_or_else(|| failed("nothing was recorded"))?;
        check("uploading a graph", graph.upload())?;
        Ok(Graph { graph, cuda: self.clone() })
    }
}

impl Graph {
    /// Runs the recorded calls, in the order of the stream.
    pub fn replay(&mut self) -> Result {
        self.cuda.outside_capture("replaying a graph")?;
        check("replaying a graph", self.graph.launch())
    }
}
