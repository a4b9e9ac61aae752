//! Scratch memory: bytes a caller lends, taken as aligned f32 on the processor, as an address on a GPU.

use crate::cuda::DevicePtr;
use crate::view::DataMut;
use crate::{KernelError, Result};

/// Bytes lent for the time of one call, of unspecified content.
pub type Scratch<'a> = DataMut<'a>;

const ALIGN: usize = 64;

/// Bytes to ask for so that [`floats`] finds `len` f32.
pub(crate) fn bytes(len: usize) -> usize {
    if len == 0 { 0 } else { len * size_of::<f32>() + ALIGN }
}

/// The first `len` f32 of `scratch` on a cache line of their own.
pub(crate) fn floats<'a>(scratch: &'a mut [u8], len: usize, op: &'static str) -> Result<&'a mut [f32]> {
    if len == 0 {
        return Ok(&mut []);
    }
    let (got, skip) = (scratch.len(), scratch.as_ptr().align_offset(ALIGN));
    scratch
        .get_mut(skip..)
        .and_then(|rest| rest.get_mut(..len.checked_mul(size_of::<f32>())?))
        .and_then(|part| bytemuck::try_cast_slice_mut(part).ok())
        .ok_or(KernelError::Buffer { op, got: got / size_of::<f32>(), want: bytes(len) / size_of::<f32>() })
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
