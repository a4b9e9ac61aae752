//! Memory that is used again. Steady state asks the system for nothing.
//!
//! Requests are rounded up to size classes of an eighth of a power of two; a freed block waits in its class. Blocks are
//! 64-byte aligned (256 on a GPU), zeroed once when they come from the system, so they are always initialised, and large
//! ones ask for huge pages. Two accounts: *requested* bytes (what tensors asked for: deterministic, what plans predict) and
//! *reserved* bytes (what was taken from the system).
//!
//! A GPU runs behind the host, but in the order of one stream: a block given back while a kernel still reads it is written
//! by later kernels only. Hence no block waits for an event. A recorded graph writes the blocks it was recorded with
//! whenever it is replayed: they are kept apart, used by that graph alone, for as long as it lives.

use crate::block::{Block, Source};
use crate::error::{Kind, Result};
use std::collections::BTreeMap;
use std::sync::Mutex;

const ALIGN: usize = 64;

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
    /// Times a recording was replayed.
    pub replays: usize,
}

/// A device's memory.
pub struct Pool {
    source: Source,
    state: Mutex<State>,
    limit: usize,
    reuse: bool,
}

#[derive(Debug, Default)]
struct State {
    free: BTreeMap<usize, Vec<Block>>,
    account: Account,
    /// The recording under way; 0 for none.
    recording: u64,
    recordings: u64,
    /// Of every recording that lives, the blocks that wait for use in it.
    kept: BTreeMap<u64, Vec<Block>>,
    rehearsal: Option<BTreeMap<usize, Demand>>,
}

/// How many blocks of a class a rehearsal took and has not given back: now, and at the most.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    now: isize,
    most: isize,
}

impl Demand {
    fn changes(&mut self, by: isize) {
        self.now += by;
        self.most = self.most.max(self.now);
    }
}

impl Pool {
    /// An empty pool that will hand out at most `limit` bytes of `source` at a time.
    pub fn new(source: Source, limit: usize) -> Pool {
        Pool { source, state: Mutex::default(), limit, reuse: true }
    }

    /// The same, but for finding mistakes: blocks have exactly the size asked for, and are freed as soon as they are given
    /// back, so that a tool that watches memory sees every access beside or after.
    pub fn strict(source: Source, limit: usize) -> Pool {
        Pool { reuse: false, ..Pool::new(source, limit) }
    }

    /// Whether blocks are used again.
    pub(crate) fn reuses(&self) -> bool {
        self.reuse
    }

    /// A block of `bytes` bytes of unspecified content, for `op`.
    pub fn take(&self, op: &'static str, bytes: usize) -> Result<Block> {
        let class = if self.reuse { size_class(bytes) } else { bytes.max(1) };
        let mut state = self.state();
        let live = state.account.requested;
        let full = || Kind::OutOfMemory { op, requested: bytes, live, limit: self.limit };
        if live.saturating_add(bytes) > self.limit {
            return Err(full().into());
        }
        let recording = state.recording;
        let own = state
            .kept
            .get_mut(&recording)
            .and_then(|own| own.iter().position(|block| block.capacity() == class).map(|at| own.swap_remove(at)));
        let mut block = match own.or_else(|| state.free.get_mut(&class).and_then(Vec::pop)) {
            Some(block) => block,
            None => self.add(&mut state, class).map_err(|error| error.of(op))?.ok_or_else(full)?,
        };
        state.demand(class, 1);
        block.set_used(bytes);
        block.set_recording(recording);
        state.account.requested += bytes;
        state.account.requested_peak = state.account.requested_peak.max(state.account.requested);
        Ok(block)
    }

    /// Takes a block back.
    pub fn give(&self, block: Block) {
        let mut state = self.state();
        state.account.requested -= block.used();
        state.demand(block.capacity(), -1);
        self.put(&mut state, block);
    }

    /// A block from the system; nothing when there are no more.
    fn add(&self, state: &mut State, class: usize) -> Result<Option<Block>> {
        let block = Block::new(&self.source, class)?;
        if block.is_some() {
            state.account.reserved += class;
            state.account.system_allocations += 1;
        }
        Ok(block)
    }

    /// From now on it is watched how many blocks of each class are in use at one time.
    pub(crate) fn start_rehearsal(&self) {
        self.state().rehearsal = Some(BTreeMap::new());
    }

    /// Lets as many blocks wait as were in use at one time, so that a recording of the same can take them. Whether there is
    /// memory for them.
    pub(crate) fn stop_rehearsal(&self) -> Result<bool> {
        let mut state = self.state();
        if !self.reuse {
            return Ok(false);
        }
        for (class, demand) in state.rehearsal.take().unwrap_or_default() {
            while (state.free.get(&class).map_or(0, Vec::len) as isize) < demand.most {
                let Some(block) = self.add(&mut state, class)? else { return Ok(false) };
                self.put(&mut state, block);
            }
        }
        Ok(true)
    }

    /// From now on blocks are those of a new recording, whose number this is.
    pub(crate) fn start_recording(&self) -> u64 {
        let mut state = self.state();
        state.recordings += 1;
        state.recording = state.recordings;
        let number = state.recording;
        state.kept.insert(number, vec![]);
        number
    }

    /// Blocks are anybody's again; those of the recording stay with it.
    pub(crate) fn stop_recording(&self) {
        self.state().recording = 0;
    }

    /// The recording is gone: its blocks are anybody's.
    pub(crate) fn forget_recording(&self, number: u64) {
        let mut state = self.state();
        for block in state.kept.remove(&number).unwrap_or_default() {
            self.put(&mut state, block);
        }
    }

    /// Where a block waits that nobody uses.
    fn put(&self, state: &mut State, block: Block) {
        if let Some(own) = state.kept.get_mut(&block.recording()) {
            own.push(block);
        } else if self.reuse {
            state.free.entry(block.capacity()).or_default().push(block);
        } else {
            state.account.reserved -= block.capacity();
        }
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

    /// What `body` answers, and the most that was asked for at one time meanwhile. The peak goes on as if nobody had looked.
    pub fn watch_peak<T>(&self, body: impl FnOnce() -> T) -> (T, usize) {
        let before = self.account().requested_peak;
        self.reset_peak();
        let answer = body();
        let mut state = self.state();
        let peak = state.account.requested_peak;
        state.account.requested_peak = peak.max(before);
        (answer, peak)
    }

    /// Counts a sync.
    pub fn count_sync(&self) {
        self.state().account.syncs += 1;
    }

    /// Counts a replay.
    pub(crate) fn count_replay(&self) {
        self.state().account.replays += 1;
    }

    /// Gives blocks that wait for use back to the system.
    pub fn trim(&self) {
        let mut state = self.state();
        let freed: usize = state.free.values().flatten().map(Block::capacity).sum();
        state.free.clear();
        state.account.reserved -= freed;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while the lock is held leaves plain numbers and lists, all valid.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// Tells a rehearsal under way.
    fn demand(&mut self, class: usize, change: isize) {
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.entry(class).or_default().changes(change);
        }
    }
}

/// `bytes` rounded up to the next eighth of a power of two, at least 64.
fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(ALIGN);
    let step = (bytes.next_power_of_two() / 16).max(ALIGN);
    bytes.div_ceil(step).saturating_mul(step)
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
        let pool = Pool::new(Source::Host, 1 << 20);
        let first = pool.take("test", 1000).unwrap();
        let address = |block: &Block| block.data().host("test").unwrap().as_ptr();
        let before = address(&first);
        pool.give(first);
        let second = pool.take("test", 990).unwrap();
        assert_eq!(address(&second), before);
        let account = pool.account();
        assert_eq!((account.requested, account.requested_peak, account.system_allocations), (990, 1000, 1));
        pool.give(second);
        pool.trim();
        assert_eq!(pool.account().reserved, 0);
    }

    #[test]
    fn after_a_rehearsal_what_it_took_at_one_time_waits() {
        let pool = Pool::new(Source::Host, 1 << 20);
        pool.start_rehearsal();
        let held = [pool.take("test", 1000).unwrap(), pool.take("test", 1000).unwrap()];
        pool.give(pool.take("test", 5000).unwrap());
        pool.give(pool.take("test", 5000).unwrap());
        assert!(pool.stop_rehearsal().unwrap());
        let before = pool.account().system_allocations;
        assert_eq!(before, 5, "two held, two like them, and one that was given back");
        let again =
            [pool.take("test", 1000).unwrap(), pool.take("test", 1000).unwrap(), pool.take("test", 5000).unwrap()];
        assert_eq!(pool.account().system_allocations, before);
        held.into_iter().chain(again).for_each(|block| pool.give(block));
    }

    #[test]
    fn the_limit_is_an_error_with_numbers() {
        let pool = Pool::new(Source::Host, 100);
        let error = pool.take("test", 101).unwrap_err().to_string();
        assert!(error.contains("101 bytes") && error.contains("limit 100"), "{error}");
    }
}
