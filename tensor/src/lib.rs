//! Values: numbers with a shape, on a device. Knows nothing of gradients.
//!
//! A [`Tensor`] is a reference-counted [`Storage`](storage) seen through a layout. Ops make new tensors; the few in-place
//! ones say so in their name and move the storage's version, so that whoever saved the old value can notice. A result
//! takes the storage order of its first dense operand ("channels last" thus spreads by itself, see `kernels::layout`).
//! Memory comes from the device's [`pool`] and goes back to it at once when the last reference drops.

pub mod block;
pub mod device;
pub mod error;
pub mod graph;
pub mod ops;
pub mod pool;
pub mod storage;
mod tensor;

pub use device::Device;
pub use error::{Error, Kind, Result};
pub use graph::Graph;
pub use kernels::{Cost, DType, Dims, Element, Layout};
pub use tensor::Tensor;
