//! The CPU: a [`Team`] of threads and an instruction-set path ([`Isa`]), chosen once when the context is made.

pub mod isa;
pub mod simd;
pub mod team;

pub use isa::Isa;
pub use simd::{Kernel, Simd};
pub use team::Team;

/// Threads and instruction set of a CPU device.
pub struct CpuContext {
    /// The threads.
    pub team: Team,
    /// The widest vectors in use.
    pub isa: Isa,
}

impl CpuContext {
    /// `threads` threads (at least 1, the caller included) on `isa`.
    pub fn new(threads: usize, isa: Isa) -> CpuContext {
        CpuContext { team: Team::new(threads), isa }
    }
}
