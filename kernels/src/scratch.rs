//! Scratch memory: bytes a caller lends, taken as aligned f32 on the processor, as an address on a GPU.

use crate::cuda::DevicePtr;
use crate::view::DataMut;
use crate::{Element, KernelError, Result};

/// Bytes lent for the time of one call, of unspecified content.
pub type Scratch<'a> = DataMut<'a>;

const ALIGN: usize = 64;

/// Bytes to ask for so that [`floats`] finds `len` f32.
pub(crate) fn bytes(len: usize) -> usize {
    bytes_for::<f32>(len)
}

/// Bytes to ask for so that [`numbers`] finds `len` of them.
pub(crate) fn bytes_for<T: Element>(len: usize) -> usize {
    if len == 0 { 0 } else { len * size_of::<T>() + ALIGN }
}

/// The first `len` f32 of `scratch` on a cache line of their own.
pub(crate) fn floats<'a>(scratch: &'a mut [u8], len: usize, op: &'static str) -> Result<&'a mut [f32]> {
    numbers(scratch, len, op)
}

/// The first `len` numbers of `scratch` on a cache line of their own.
pub(crate) fn numbers<'a, T: Element>(scratch: &'a mut [u8], len: usize, op: &'static str) -> Result<&'a mut [T]> {
    if len == 0 {
        return Ok(&mut []);
    }
    let (got, skip) = (scratch.len(), scratch.as_ptr().align_offset(ALIGN));
    scratch
        .get_mut(skip..)
        .and_then(|rest| rest.get_mut(..len.checked_mul(size_of::<T>())?))
        .and_then(|part| bytemuck::try_cast_slice_mut(part).ok())
        .ok_or(KernelError::Buffer { op, got: got / size_of::<T>(), want: bytes_for::<T>(len) / size_of::<T>() })
}

/// The address of `want` bytes of a GPU's scratch; no address when none are wanted.
pub(crate) fn device(scratch: &Scratch, want: usize, op: &'static str) -> Result<DevicePtr> {
    match scratch {
        _ if want == 0 => Ok(DevicePtr::NULL),
        DataMut::Device(start, got, _) if *got >= want => Ok(*start),
        DataMut::Device(_, got, _) => Err(KernelError::Buffer { op, got: *got, want }),
        DataMut::Host(_) => Err(KernelError::Order { op, what: "scratch", want: "in the GPU's memory" }),
    }
}
