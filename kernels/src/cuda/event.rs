//! Marks in the stream, and the time between two of them: how kernels are timed.

use super::CudaContext;
use super::error::check;
use crate::Result;
use cudarc::driver::{CudaEvent, sys};

/// A mark in the stream.
pub struct Event(CudaEvent);

impl CudaContext {
    /// A mark after everything asked for so far.
    pub fn mark(&self) -> Result<Event> {
        let event = check("making an event", self.context.new_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT)))?;
        check("recording an event", event.record(&self.stream))?;
        Ok(Event(event))
    }
}

impl Event {
    /// Milliseconds on the device from this mark to a later one. Waits for the later one.
    pub fn until(&self, end: &Event) -> Result<f64> {
        check("waiting for an event", end.0.synchronize())?;
        Ok(f64::from(check("timing", self.0.elapsed_ms(&end.0))?))
    }
}
