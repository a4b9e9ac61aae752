//! What the tests of every family share: seeded data, both sides of a guard page, all paths and thread counts, and the
//! error bound of the project: `|y - y64| <= 4 sqrt(K) eps (|x| * |w|)` for sums of K products.

use crate::cpu::{CpuContext, Isa};
use crate::{Device, Dims, Layout};
use std::sync::Arc;

/// Every CPU device worth testing: each instruction-set path with 1 and 2 threads.
pub(crate) fn devices() -> impl Iterator<Item = Device> {
    Isa::available().flat_map(|isa| [1, 2].map(|threads| Device::Cpu(Arc::new(CpuContext::new(threads, isa)))))
}

/// A device's name for messages.
pub(crate) fn name(device: &Device) -> String {
    let Device::Cpu(cpu) = device;
    format!("{:?}, {} threads", cpu.isa, cpu.team.threads())
}

/// `count` numbers in [-1, 1), a function of the seed.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// The same numbers in f32.
pub(crate) fn singles(seed: u64, count: usize) -> Vec<f32> {
    numbers(seed, count).into_iter().map(|x| x as f32).collect()
}

/// A row-major layout.
pub(crate) fn row_major(sizes: &[usize]) -> Layout {
    Layout::contiguous(Dims::new(sizes).unwrap())
}

/// A channels-last layout.
pub(crate) fn channels_last(sizes: &[usize]) -> Layout {
    Layout::channels_last(Dims::new(sizes).unwrap())
}

/// Which edge of the buffer touches unmapped memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edge {
    /// Reading before the start faults.
    Start,
    /// Reading past the end faults.
    End,
}

/// A copy of a slice with an unmapped page right before or right after it: a kernel that touches one byte beyond its
/// operand dies. (On other systems a plain copy.)
pub(crate) struct Guarded<T> {
    start: *mut T,
    len: usize,
    #[cfg(unix)]
    map: (*mut libc::c_void, usize),
    #[cfg(not(unix))]
    _own: Vec<T>,
}

impl<T: Copy> Guarded<T> {
    #[cfg(unix)]
    pub(crate) fn new(data: &[T], edge: Edge) -> Guarded<T> {
        const PAGE: usize = 1 << 14;
        let bytes = std::mem::size_of_val(data);
        let inner = bytes.div_ceil(PAGE).max(1) * PAGE;
        // SAFETY: a fresh anonymous mapping; the first and last page lose all rights; the data lie between them.
        unsafe {
            let (rw, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let map = libc::mmap(std::ptr::null_mut(), inner + 2 * PAGE, rw, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(map, PAGE, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(map.byte_add(PAGE + inner), PAGE, libc::PROT_NONE), 0);
            let skip = match edge {
                Edge::Start => 0,
                Edge::End => inner - bytes,
            };
            let start = map.byte_add(PAGE + skip).cast::<T>();
            std::ptr::copy_nonoverlapping(data.as_ptr(), start, data.len());
            Guarded { start, len: data.len(), map: (map, inner + 2 * PAGE) }
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new(data: &[T], _edge: Edge) -> Guarded<T> {
        let mut own = data.to_vec();
        Guarded { start: own.as_mut_ptr(), len: data.len(), _own: own }
    }
}

impl<T> std::ops::Deref for Guarded<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialised elements, alive as long as self.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}
impl<T> std::ops::DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}
#[cfg(unix)]
impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`.
        unsafe { libc::munmap(self.map.0, self.map.1) };
    }
}
