//! What the tests of this crate share.

use autograd::{Device, Tensor, Var};
use std::sync::LazyLock;

/// The one device of the tests: values of two devices do not meet.
pub(crate) fn device() -> &'static Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| Device::cpu(2));
    &DEVICE
}

/// Numbers as a constant.
pub(crate) fn constant(shape: &[usize], numbers: &[f64]) -> Var {
    Var::constant(Tensor::from_slice(device(), shape, numbers).unwrap())
}

/// The numbers of a value, row-major.
pub(crate) fn numbers(x: &Var) -> Vec<f64> {
    x.value().to_f64().unwrap()
}
