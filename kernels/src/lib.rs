//! Arithmetic on raw buffers. Knows nothing of tensors or gradients.
//!
//! One folder or file an op family: its entry points take a [`Device`], the parameters, and [`View`]s; beside each stands
//! its scratch size (`*_scratch`, bytes), its [`Cost`], and, where it computes, a plain `reference` in the order of the
//! definition, generic over [`Real`]: in f64 it is the oracle of the tests and the f64 path of the engine. What only moves
//! numbers, or draws them, is as plain for every dtype, and has its oracle in its tests.
//!
//! Promises every family keeps: results do not depend on the number of threads, and row `i` of a batch does not depend on
//! the rest of the batch, bit for bit on one instruction-set path.

pub mod attention;
mod blocks;
pub mod cholesky;
pub mod combine;
pub mod conv;
pub mod copy;
pub mod cost;
pub mod cpu;
pub mod cross_entropy;
pub mod cuda;
pub mod dtype;
mod epilogue;
pub mod error;
pub mod gather;
pub mod gram;
pub mod layout;
pub mod matmul;
mod matrix;
pub mod multiply;
pub mod nest;
pub mod norm;
pub mod optim;
pub mod patches;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod resize;
pub mod rope;
mod rows;
mod scratch;
pub mod softmax;
mod tile;
pub mod triangular;
pub mod view;
mod window;
pub mod woodbury;

#[cfg(test)]
mod testing;

pub use cost::Cost;
pub use cpu::CpuContext;
pub use cuda::CudaContext;
pub use dtype::{DType, Element, Real};
pub use epilogue::Epilogue;
pub use error::KernelError;
pub use layout::{Dims, Layout};
pub use scratch::Scratch;
pub use view::{Data, DataMut, View, ViewMut};

use std::sync::Arc;

/// Where an op runs.
#[derive(Clone)]
pub enum Device {
    /// The processor: a team of threads and an instruction-set path.
    Cpu(Arc<CpuContext>),
    /// A GPU: a stream and the kernels loaded so far.
    Cuda(Arc<CudaContext>),
}

/// What an entry point returns.
pub type Result<T = ()> = std::result::Result<T, KernelError>;

impl Device {
    /// The processor; an error on a GPU.
    pub(crate) fn cpu(&self) -> Result<&CpuContext> {
        match self {
            Device::Cpu(cpu) => Ok(cpu),
            Device::Cuda(_) => Err(KernelError::Device { what: "this form of the op is the processor's alone".into() }),
        }
    }
}
