//! A team of threads for parallel regions of a few microseconds.
//!
//! `run(chunks, f)` calls `f(0), f(1), .., f(chunks - 1)`, each once, on whichever thread claims it first. What chunk `i`
//! writes is fixed by `i` alone, so results do not depend on the number of threads. The caller claims chunks too and
//! finishes alone if no worker is scheduled: a worker that lost its core can delay a region only by the chunk it holds.
//! Workers spin for about 50 microseconds after a region, then park: a wake-up costs some 10 microseconds, a spinning
//! worker starts in under one.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

const SPIN: Duration = Duration::from_micros(50);

/// Floating-point operations below which one thread is done before another has woken.
pub(crate) const WORTH_WAKING: u64 = 20_000;

/// A parallel region in progress. Lives on the caller's stack; workers reach it through a pointer that the caller takes
/// back, and waits until nobody holds, before it returns.
struct Region<'a> {
    body: &'a (dyn Fn(usize) + Sync),
    chunks: usize,
    next: AtomicUsize,
    panicked: AtomicBool,
}

struct Shared {
    /// The open region, or null.
    region: AtomicPtr<Region<'static>>,
    /// Counts regions; a worker looks for work when it changes.
    epoch: AtomicU64,
    /// Workers that may hold the region's pointer.
    inside: AtomicUsize,
    stop: AtomicBool,
    parked: Vec<AtomicBool>,
}

/// Threads that share the chunks of a region. One region at a time: a second caller, or a region inside a region, runs
/// its chunks by itself.
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<(Thread, Option<JoinHandle<()>>)>,
    busy: Mutex<()>,
}

thread_local! {
    static IN_REGION: Cell<bool> = const { Cell::new(false) };
}

impl Team {
    /// A team of `threads` (at least 1), the caller counted. Threads that the system refuses are done without.
    pub fn new(threads: usize) -> Team {
        let count = threads.max(1) - 1;
        let shared = Arc::new(Shared {
            region: AtomicPtr::new(std::ptr::null_mut()),
            epoch: AtomicU64::new(0),
            inside: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            parked: (0..count).map(|_| AtomicBool::new(false)).collect(),
        });
        let workers = (0..count)
            .filter_map(|index| {
                let shared = shared.clone();
                let name = format!("consort-{index}");
                let handle = std::thread::Builder::new().name(name).spawn(move || work(&shared, index)).ok()?;
                Some((handle.thread().clone(), Some(handle)))
            })
            .collect();
        Team { shared, workers, busy: Mutex::new(()) }
    }

    /// Threads, the caller counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body(i)` once for every `i < chunks`, in parallel, and returns when all are done. A panic in a chunk is
    /// raised again here.
    pub fn run(&self, chunks: usize, body: impl Fn(usize) + Sync) {
        let free =
            if chunks > 1 && !self.workers.is_empty() && !IN_REGION.get() { self.busy.try_lock().ok() } else { None };
        if free.is_none() {
            return (0..chunks).for_each(body);
        }
        let region = Region { body: &body, chunks, next: AtomicUsize::new(0), panicked: AtomicBool::new(false) };
        self.open(&region);
        region.claim();
        self.close();
        if region.panicked.load(Relaxed) {
            drop(free);
            panic!("a chunk of a parallel region panicked");
        }
    }

    /// Like [`Team::run`], for work that needs room of its own: calls `body(slot, item)` once for every `item < items`, and
    /// no two calls that run at the same time share a `slot < threads`.
    pub fn run_with_slots(&self, items: usize, body: impl Fn(usize, usize) + Sync) {
        let next = AtomicUsize::new(0);
        self.run(self.threads().min(items), |slot| {
            loop {
                let item = next.fetch_add(1, Relaxed);
                if item >= items {
                    break;
                }
                body(slot, item);
            }
        });
    }

    /// Cuts `0..items` into ranges and calls `body` on each, in parallel; in one piece when `flops`, the work of all
    /// items together, would not pay for waking a thread. What `body` does for an item must not depend on the range.
    pub fn share(&self, items: usize, flops: u64, body: impl Fn(Range<usize>) + Sync) {
        let pieces = if flops < WORTH_WAKING { 1 } else { 16 * self.threads() };
        let each = items.div_ceil(pieces).max(1);
        self.run(items.div_ceil(each), |piece| body(piece * each..items.min((piece + 1) * each)));
    }

    fn open(&self, region: &Region<'_>) {
        let pointer = std::ptr::from_ref(region).cast_mut().cast::<Region<'static>>();
        self.shared.region.store(pointer, SeqCst);
        self.shared.epoch.fetch_add(1, SeqCst);
        for ((thread, _), parked) in self.workers.iter().zip(&self.shared.parked) {
            if parked.swap(false, SeqCst) {
                thread.unpark();
            }
        }
    }

    /// Takes the region back: nobody can enter it any more, and everybody who was inside has left.
    fn close(&self) {
        self.shared.region.store(std::ptr::null_mut(), SeqCst);
        let mut spins = 0u32;
        while self.shared.inside.load(SeqCst) != 0 {
            spins += 1;
            if spins.is_multiple_of(1 << 12) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        for (thread, handle) in &mut self.workers {
            thread.unpark();
            if let Some(handle) = handle.take() {
                let _ = handle.join();
            }
        }
    }
}

impl Region<'_> {
    fn claim(&self) {
        let outer = IN_REGION.replace(true);
        loop {
            let chunk = self.next.fetch_add(1, Relaxed);
            if chunk >= self.chunks {
                break;
            }
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.body)(chunk))).is_err() {
                self.panicked.store(true, Relaxed);
            }
        }
        IN_REGION.set(outer);
    }
}

fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    while !shared.stop.load(Relaxed) {
        if !wait_for_region(shared, index, &mut seen) {
            continue;
        }
        shared.inside.fetch_add(1, SeqCst);
        let region = shared.region.load(SeqCst);
        if !region.is_null() {
            // SAFETY: `inside` was raised before the pointer was read, and `close` nulls the pointer and then waits for
            // `inside` to fall to zero before the region leaves the caller's stack; all accesses are SeqCst, so a pointer
            // that is not null here is to a region whose caller is still waiting.
            unsafe { (*region).claim() };
        }
        shared.inside.fetch_sub(1, SeqCst);
    }
}

/// True when a region was opened since `seen`; false after a park, to look at `stop`.
fn wait_for_region(shared: &Shared, index: usize, seen: &mut u64) -> bool {
    let mut since: Option<Instant> = None;
    for spin in 0u32.. {
        let epoch = shared.epoch.load(SeqCst);
        if epoch != *seen {
            *seen = epoch;
            return true;
        }
        if spin % 64 == 63 && since.get_or_insert_with(Instant::now).elapsed() > SPIN {
            break;
        }
        std::hint::spin_loop();
    }
    shared.parked[index].store(true, SeqCst);
    // A region opened between the last look and the flag would not unpark us: look once more.
    if shared.epoch.load(SeqCst) == *seen && !shared.stop.load(SeqCst) {
        std::thread::park();
    }
    shared.parked[index].store(false, SeqCst);
    false
}

/// A slice whose parts are written by different chunks of a region.
pub struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: `Parts` hands out disjoint `&mut` parts of a slice it borrows exclusively; sending them is sending `&mut T`.
unsafe impl<T: Send> Sync for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    /// Borrows `slice` for the length of a region.
    pub fn new(slice: &'a mut [T]) -> Self {
        Parts { start: slice.as_mut_ptr(), len: slice.len(), slice: std::marker::PhantomData }
    }

    /// Elements `range` as a slice of their own.
    ///
    /// # Safety
    /// No two chunks of a region may ask for ranges that overlap.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "part {range:?} of {}", self.len);
        // SAFETY: inside the borrowed slice (checked above), and disjoint from every other part by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The start of the slice, for kernels that write rows with strides.
    ///
    /// The pointer is valid for the whole slice; chunks must write disjoint elements through it.
    pub fn pointer(&self) -> *mut T {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_runs_once() {
        for threads in [1, 2, 4] {
            let team = Team::new(threads);
            for chunks in [0, 1, 2, 3, 7, 64, 1000] {
                let counts: Vec<AtomicUsize> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
                team.run(chunks, |i| {
                    counts[i].fetch_add(1, Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Relaxed) == 1), "{threads} threads, {chunks} chunks");
            }
        }
    }

    #[test]
    fn slots_are_held_by_one_thread_at_a_time() {
        let team = Team::new(3);
        let held: Vec<AtomicBool> = (0..3).map(|_| AtomicBool::new(false)).collect();
        let total = AtomicUsize::new(0);
        team.run_with_slots(100, |slot, item| {
            assert!(!held[slot].swap(true, SeqCst));
            total.fetch_add(item, Relaxed);
            held[slot].store(false, SeqCst);
        });
        assert_eq!(total.load(Relaxed), 4950);
    }

    #[test]
    fn shared_ranges_cover_every_item_once() {
        let team = Team::new(2);
        for (items, flops) in [(0, 0), (1, 1 << 20), (31, 1 << 20), (33, 1 << 20), (1000, 10), (1000, 1 << 20)] {
            let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            team.share(items, flops, |range| {
                range.for_each(|i| _ = counts[i].fetch_add(1, Relaxed));
            });
            assert!(counts.iter().all(|count| count.load(Relaxed) == 1), "{items} items");
        }
    }

    #[test]
    fn many_small_regions_and_pauses_that_park() {
        let team = Team::new(2);
        let total = AtomicUsize::new(0);
        for round in 0..2000 {
            team.run(3, |i| {
                total.fetch_add(i + 1, Relaxed);
            });
            if round % 500 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        assert_eq!(total.load(Relaxed), 2000 * 6);
    }

    #[test]
    fn a_region_inside_a_region_and_two_callers_finish() {
        let team = Team::new(2);
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    team.run(8, |_| {
                        team.run(4, |_| {
                            total.fetch_add(1, Relaxed);
                        })
                    })
                });
            }
        });
        assert_eq!(total.load(Relaxed), 64);
    }

    #[test]
    fn a_panic_in_a_chunk_reaches_the_caller_and_the_team_lives_on() {
        let team = Team::new(2);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.run(4, |i| assert!(i != 2, "chunk 2"));
        }));
        assert!(failed.is_err());
        team.run(4, |_| {});
    }

    #[test]
    fn parts_are_disjoint_pieces() {
        let mut data = vec![0; 10];
        let parts = Parts::new(&mut data);
        Team::new(2).run(5, |i| {
            // SAFETY: ranges of different i do not overlap.
            unsafe { parts.part(2 * i..2 * i + 2) }.fill(i);
        });
        assert_eq!(data, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
