//! Owned memory of a device: what a pool hands out.

use crate::error::Result;
use kernels::cuda::DevicePtr;
use kernels::{CudaContext, Data, DataMut};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

const ALIGN: usize = 64;
const HUGE: usize = 2 << 20;

/// Where memory comes from.
#[derive(Clone)]
pub enum Source {
    /// The system.
    Host,
    /// A GPU, in the order of its stream.
    Device(Arc<CudaContext>),
}

/// Owned memory: initialised on the processor, of unspecified content on a GPU.
#[derive(Debug)]
pub struct Block {
    memory: Memory,
    capacity: usize,
    used: usize,
    /// The recording that refers to its address; 0 for none.
    recording: u64,
}

enum Memory {
    Host(NonNull<u8>),
    Device(DevicePtr, Arc<CudaContext>),
}

// SAFETY: a block owns its memory, like a `Box<[u8]>`.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    /// `capacity` bytes, at least [`ALIGN`]; nothing when there are no more.
    pub(crate) fn new(source: &Source, capacity: usize) -> Result<Option<Block>> {
        let memory = match source {
            Source::Host => from_system(capacity).map(Memory::Host),
            Source::Device(cuda) => cuda.allocate(capacity)?.map(|start| Memory::Device(start, cuda.clone())),
        };
        Ok(memory.map(|memory| Block { memory, capacity, used: 0, recording: 0 }))
    }

    /// The bytes it was asked for, to read.
    pub(crate) fn data(&self) -> Data<'_> {
        match &self.memory {
            // SAFETY: `used <= capacity` initialised bytes that we own.
            Memory::Host(start) => Data::Host(unsafe { std::slice::from_raw_parts(start.as_ptr(), self.used) }),
            Memory::Device(start, _) => Data::Device(*start, self.used, PhantomData),
        }
    }

    /// The bytes it was asked for, to write.
    pub(crate) fn data_mut(&mut self) -> DataMut<'_> {
        match &self.memory {
            // SAFETY: as above, borrowed exclusively.
            Memory::Host(start) => DataMut::Host(unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.used) }),
            Memory::Device(start, _) => DataMut::Device(*start, self.used, PhantomData),
        }
    }

    /// Copies bytes in; as many as were asked for.
    pub(crate) fn fill(&mut self, from: &[u8]) -> Result<()> {
        debug_assert_eq!(from.len(), self.used);
        let count = from.len().min(self.used);
        match &self.memory {
            // SAFETY: `count` is at most what we own.
            Memory::Host(start) => unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), start.as_ptr(), count) },
            // SAFETY: as above.
            Memory::Device(start, cuda) => unsafe { cuda.upload(&from[..count], *start) }?,
        }
        Ok(())
    }

    /// The bytes, copied to the processor's memory.
    pub(crate) fn to_vec(&self) -> Result<Vec<u8>> {
        match (&self.memory, self.data()) {
            (Memory::Device(start, cuda), _) => {
                let mut bytes = vec![0; self.used];
                // SAFETY: `used` bytes that we own.
                unsafe { cuda.download(*start, &mut bytes) }?;
                Ok(bytes)
            }
            (_, Data::Host(bytes)) => Ok(bytes.to_vec()),
            _ => Ok(vec![]),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The recording that refers to its address; 0 for none.
    pub(crate) fn recording(&self) -> u64 {
        self.recording
    }

    /// Says which recording refers to its address.
    pub(crate) fn set_recording(&mut self, recording: u64) {
        self.recording = recording;
    }

    /// The bytes asked for.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Says how many of its bytes are asked for.
    pub(crate) fn set_used(&mut self, bytes: usize) {
        self.used = bytes.min(self.capacity);
    }
}

fn from_system(capacity: usize) -> Option<NonNull<u8>> {
    let layout = layout(capacity)?;
    // SAFETY: the size is at least 64, so not zero.
    let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    #[cfg(target_os = "linux")]
    if capacity >= HUGE {
        // SAFETY: advice about memory we own; it may be ignored.
        unsafe { libc::madvise(start.as_ptr().cast(), capacity, libc::MADV_HUGEPAGE) };
    }
    Some(start)
}

fn layout(capacity: usize) -> Option<Layout> {
    // Huge pages want their own alignment.
    Layout::from_size_align(capacity.max(ALIGN), if capacity >= HUGE { HUGE } else { ALIGN }).ok()
}

impl Drop for Block {
    fn drop(&mut self) {
        match &self.memory {
            Memory::Host(start) => {
                if let Some(layout) = layout(self.capacity) {
                    // SAFETY: allocated in `from_system` with this very layout.
                    unsafe { dealloc(start.as_ptr(), layout) };
                }
            }
            // SAFETY: allocated in `new` by this very context. What goes wrong comes back from the next call.
            Memory::Device(start, cuda) => drop(unsafe { cuda.free(*start) }),
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Memory::Host(start) => write!(f, "{start:?}"),
            Memory::Device(start, _) => write!(f, "{start:?}"),
        }
    }
}
