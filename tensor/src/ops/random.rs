//! Random numbers as a function of seed, purpose, step and sample; see `kernels::random`.

use crate::error::Result;
use crate::{DType, Device, Layout, Tensor};
pub use kernels::random::{Stream, words};

impl Tensor {
    /// Standard normal numbers. Row `r` of `shape` is sample `first + r`: its numbers depend on the stream, the sample and
    /// their row-major place in the row alone. Drawn in f32, and widened for f64.
    #[track_caller]
    pub fn normal(device: &Device, dtype: DType, shape: &[usize], stream: &Stream, first: u64) -> Result<Tensor> {
        let out = Tensor::empty("normal", device, dtype, Layout::contiguous(crate::tensor::dims("normal", shape)?))?;
        let cost = kernels::copy::fill_cost(out.layout(), dtype);
        out.fill_with(cost, |y| kernels::random::normal(device.kernels(), stream, first, y))?;
        Ok(out)
    }

    /// Uniform numbers in [0, 1), likewise.
    #[track_caller]
    pub fn uniform(device: &Device, dtype: DType, shape: &[usize], stream: &Stream, first: u64) -> Result<Tensor> {
        let out = Tensor::empty("uniform", device, dtype, Layout::contiguous(crate::tensor::dims("uniform", shape)?))?;
        let cost = kernels::copy::fill_cost(out.layout(), dtype);
        out.fill_with(cost, |y| kernels::random::uniform(device.kernels(), stream, first, y))?;
        Ok(out)
    }
}
