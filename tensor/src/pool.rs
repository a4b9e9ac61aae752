//! Memory that is used again. Steady state asks the system for nothing.
//!
//! Requests are rounded up to size classes of an eighth of a power of two; a freed block waits in its class. Blocks are
//! 64-byte aligned, zeroed once when they come from the system, so they are always initialised, and large ones ask for
//! huge pages. Two accounts: *requested* bytes (what tensors asked for: deterministic, what plans predict) and *reserved*
//! bytes (what was taken from the system).

use crate::error::{Kind, Result};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;

const ALIGN: usize = 64;
const HUGE: usize = 2 << 20;

/// What a pool has handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Bytes that live tensors asked for.
    pub requested: usize,
    /// The most that was ever asked for at one time, since the last [`Pool::reset_peak`].
    pub requested_peak: usize,
    /// Bytes taken from the system.
    pub reserved: usize,
    /// Blocks ever taken from the system.
    pub system_allocations: usize,
    /// Times the host waited for, or read back from, the device.
    pub syncs: usize,
}

/// A device's memory.
#[derive(Debug)]
pub struct Pool {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    free: BTreeMap<usize, Vec<Block>>,
    account: Account,
}

/// Owned, initialised memory.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    capacity: usize,
    used: usize,
}

// SAFETY: a block owns its memory, like a `Box<[u8]>`.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

impl Pool {
    /// An empty pool that will hand out at most `limit` bytes at a time.
    pub fn new(limit: usize) -> Pool {
        Pool { state: Mutex::default(), limit }
    }

    /// A block of `bytes` bytes of unspecified content.
    pub fn take(&self, bytes: usize) -> Result<Block> {
        let class = size_class(bytes);
        let mut state = self.state();
        let live = state.account.requested;
        let full = || Kind::OutOfMemory { requested: bytes, live, limit: self.limit };
        if live.saturating_add(bytes) > self.limit {
            return Err(full().into());
        }
        let mut block = match state.free.get_mut(&class).and_then(Vec::pop) {
            Some(block) => block,
            None => {
                let block = Block::from_system(class).ok_or_else(full)?;
                state.account.reserved += class;
                state.account.system_allocations += 1;
                block
            }
        };
        block.used = bytes;
        state.account.requested += bytes;
        state.account.requested_peak = state.account.requested_peak.max(state.account.requested);
        Ok(block)
    }

    /// Takes a block back.
    pub fn give(&self, block: Block) {
        let mut state = self.state();
        state.account.requested -= block.used;
        state.free.entry(block.capacity).or_default().push(block);
    }

    /// What was handed out.
    pub fn account(&self) -> Account {
        self.state().account
    }

    /// Forgets the peak.
    pub fn reset_peak(&self) {
        let mut state = self.state();
        state.account.requested_peak = state.account.requested;
    }

    /// Counts a sync.
    pub fn count_sync(&self) {
        self.state().account.syncs += 1;
    }

    /// Gives blocks that wait for use back to the system.
    pub fn trim(&self) {
        let mut state = self.state();
        let freed: usize = state.free.values().flatten().map(|block| block.capacity).sum();
        state.free.clear();
        state.account.reserved -= freed;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while the lock is held leaves plain numbers and lists, all valid.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// `bytes` rounded up to the next eighth of a power of two, at least 64.
fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(ALIGN);
    let step = (bytes.next_power_of_two() / 16).max(ALIGN);
    bytes.div_ceil(step).saturating_mul(step)
}

impl Block {
    fn from_system(capacity: usize) -> Option<Block> {
        let layout = Block::layout(capacity)?;
        // SAFETY: the size is at least 64, so not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        #[cfg(target_os = "linux")]
        if capacity >= HUGE {
            // SAFETY: advice about memory we own; it may be ignored.
            unsafe { libc::madvise(start.as_ptr().cast(), capacity, libc::MADV_HUGEPAGE) };
        }
        Some(Block { start, capacity, used: 0 })
    }

    fn layout(capacity: usize) -> Option<Layout> {
        // Huge pages want their own alignment.
        Layout::from_size_align(capacity, if capacity >= HUGE { HUGE } else { ALIGN }).ok()
    }

    /// The bytes asked for.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `used <= capacity` initialised bytes that we own.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.used) }
    }

    /// The bytes asked for, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.used) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(layout) = Block::layout(self.capacity) {
            // SAFETY: allocated in `from_system` with this very layout.
            unsafe { dealloc(self.start.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_waste_at_most_an_eighth() {
        for bytes in [0, 1, 64, 65, 1000, 4096, 4097, 1 << 20, (1 << 20) + 1, 123_456_789] {
            let class = size_class(bytes);
            assert!(class >= bytes && (bytes < 1024 || class - bytes <= bytes / 8 + 64), "{bytes}: {class}");
        }
    }

    #[test]
    fn a_freed_block_is_used_again_and_the_accounts_tell() {
        let pool = Pool::new(1 << 20);
        let first = pool.take(1000).unwrap();
        let address = first.bytes().as_ptr();
        pool.give(first);
        let second = pool.take(990).unwrap();
        assert_eq!(second.bytes().as_ptr(), address);
        let account = pool.account();
        assert_eq!((account.requested, account.requested_peak, account.system_allocations), (990, 1000, 1));
        pool.give(second);
        pool.trim();
        assert_eq!(pool.account().reserved, 0);
    }

    #[test]
    fn the_limit_is_an_error_with_numbers() {
        let pool = Pool::new(100);
        let error = pool.take(101).unwrap_err().to_string();
        assert!(error.contains("101 bytes") && error.contains("limit 100"), "{error}");
    }
}
