//! The memory behind tensors, with an identity and a version.
//!
//! Invariant: the version moves with every in-place write, so a value saved for the backward pass, or packed for a kernel,
//! can be told from what is there now. Reads and in-place writes exclude each other without waiting: a clash is an error.

use crate::block::Block;
use crate::error::{Kind, Result};
use crate::{DType, Device, Layout};
use kernels::{Data, DataMut, View, ViewMut};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A block of a device's memory.
#[derive(Debug)]
pub struct Storage {
    block: RwLock<Option<Block>>,
    device: Device,
    id: u64,
    /// Whether its memory belongs to a recording.
    recorded: bool,
    version: AtomicU64,
    derived: Mutex<Vec<Derived>>,
}

/// Something computed from a storage's content and kept while that content stands, such as packed weights.
#[derive(Debug, Clone)]
struct Derived {
    key: u64,
    version: u64,
    value: Arc<Storage>,
}

impl Storage {
    pub(crate) fn new(op: &'static str, device: &Device, bytes: usize) -> Result<Arc<Storage>> {
        let block = device.pool().take(op, bytes)?;
        let storage = Arc::new(Storage {
            recorded: block.recording() != 0,
            block: RwLock::new(Some(block)),
            device: device.clone(),
            id: NEXT_ID.fetch_add(1, Relaxed),
            version: AtomicU64::new(0),
            derived: Mutex::default(),
        });
        if storage.recorded {
            device.takes_part().written.push(Arc::downgrade(&storage));
        }
        Ok(storage)
    }

    /// The device it lies on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Unique in the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How often it was written in place.
    pub fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// Keeps it alive for the recording under way, unless it was made in one.
    pub(crate) fn take_part(self: &Arc<Self>) {
        if self.device.is_recording() && !self.recorded {
            self.device.takes_part().kept.push(self.clone());
        }
    }

    /// Before it is written in place; what is recorded writes it again with every replay.
    pub(crate) fn bump(self: &Arc<Self>) {
        self.version.fetch_add(1, AcqRel);
        if self.device.is_recording() && !self.recorded {
            self.device.takes_part().written.push(Arc::downgrade(self));
        }
    }

    pub(crate) fn read(&self, op: &'static str) -> Result<Reading<'_>> {
        self.block.try_read().map(Reading).map_err(|_| Kind::Busy { op }.into())
    }

    pub(crate) fn write(&self, op: &'static str) -> Result<Writing<'_>> {
        self.block.try_write().map(Writing).map_err(|_| Kind::Busy { op }.into())
    }

    /// What was derived under `key` from the present content, made by `make` when it is not there.
    pub(crate) fn derived(&self, key: u64, make: impl FnOnce() -> Result<Arc<Storage>>) -> Result<Arc<Storage>> {
        let version = self.version();
        let mut list = self.derived.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(found) = list.iter().find(|entry| entry.key == key && entry.version == version) {
            return Ok(found.value.clone());
        }
        list.retain(|entry| entry.version == version);
        let value = make()?;
        list.push(Derived { key, version, value: value.clone() });
        Ok(value)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Some(block) = self.block.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            self.device.pool().give(block);
        }
    }
}

/// A storage while it is read.
pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Option<Block>>);

impl Reading<'_> {
    fn data(&self) -> Data<'_> {
        self.0.as_ref().map_or(Data::Host(&[]), Block::data)
    }
    /// The bytes, on the processor.
    pub(crate) fn bytes(&self, op: &'static str) -> Result<&[u8]> {
        Ok(self.data().host(op)?)
    }
    /// A copy of the bytes, from wherever they are.
    pub(crate) fn to_vec(&self) -> Result<Vec<u8>> {
        self.0.as_ref().map_or(Ok(vec![]), Block::to_vec)
    }
    pub(crate) fn view(&self, dtype: DType, layout: Layout) -> Result<View<'_>> {
        Ok(View::new(self.data(), dtype, layout)?)
    }
}

/// A storage while it is written.
pub(crate) struct Writing<'a>(RwLockWriteGuard<'a, Option<Block>>);

impl Writing<'_> {
    /// The bytes, to lend to a kernel.
    pub(crate) fn data(&mut self) -> DataMut<'_> {
        self.0.as_mut().map_or(DataMut::Host(&mut []), Block::data_mut)
    }
    /// Copies in as many bytes as there are, to wherever they are.
    pub(crate) fn fill(&mut self, from: &[u8]) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), |block| block.fill(from))
    }
    pub(crate) fn view(&mut self, dtype: DType, layout: Layout) -> Result<ViewMut<'_>> {
        Ok(ViewMut::new(self.data(), dtype, layout)?)
    }
}
