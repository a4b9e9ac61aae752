//! The ops, one file a family, named as in `kernels` and `autograd`.
//!
//! Here a kernel gets its result: checks that operands belong together, copies where a kernel needs another storage order,
//! allocates the result, asks for scratch, runs, and puts the kernel's cost on the device's account. No op has a fallback
//! that changes what it computes.

pub mod attention;
pub mod cholesky;
pub mod combine;
pub mod conv;
pub mod copy;
pub mod cross_entropy;
pub mod epilogue;
pub mod gather;
pub mod gram;
pub mod matmul;
pub mod multiply;
pub mod norm;
pub mod optim;
pub mod orthonormal;
pub mod patches;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod resize;
pub mod rope;
pub mod shape;
pub mod softmax;
pub mod triangular;
pub mod woodbury;

use crate::error::{Error, Kind, Result};
use crate::{DType, Device, Dims, Layout, Tensor};
use kernels::layout::broadcast_shapes;

/// The device and dtype that all operands share.
#[track_caller]
pub(crate) fn common(op: &'static str, operands: &[&Tensor]) -> Result<(Device, DType)> {
    let first = operands[0];
    for other in &operands[1..] {
        if other.device() != first.device() {
            return Err(Kind::Device { op }.into());
        }
        if other.dtype() != first.dtype() {
            return Err(Kind::DType { op, got: other.dtype(), want: first.dtype().name() }.into());
        }
    }
    Ok((first.device().clone(), first.dtype()))
}

/// The shape that all operands broadcast to.
#[track_caller]
pub(crate) fn common_shape(op: &'static str, operands: &[&Tensor]) -> Result<Dims> {
    operands[1..].iter().try_fold(operands[0].dims(), |shape, other| {
        broadcast_shapes(&shape, other.shape()).ok_or_else(|| {
            let shapes: Vec<_> = operands.iter().map(|operand| operand.shape()).collect();
            Error::shape(
                op,
                format!("shapes {shapes:?} do not broadcast to one; sizes must be equal or 1, from the right"),
            )
        })
    })
}

/// A dense layout over `shape` in the storage order of the first dense operand that fills it.
pub(crate) fn result_layout(shape: Dims, operands: &[&Tensor]) -> Layout {
    let full = |operand: &&&Tensor| operand.dims() == shape && operand.layout().is_dense();
    let partial = |operand: &&&Tensor| operand.rank() >= 3 && operand.layout().is_dense() && operand.count() > 1;
    match operands.iter().find(full).or_else(|| operands.iter().find(partial)) {
        Some(operand) => operand.layout().like(shape),
        None => Layout::contiguous(shape),
    }
}

/// Bytes of scratch from the device's pool, given back when dropped.
pub(crate) fn scratch(op: &'static str, device: &Device, bytes: usize) -> Result<Tensor> {
    Tensor::empty(op, device, DType::U8, Layout::contiguous(crate::tensor::dims(op, &[bytes])?))
}
