//! Memory of the device, and copies between it and the host.

use super::CudaContext;
use super::error::check;
use crate::Result;
use cudarc::driver::result;

/// An address in the memory of a device. The host never follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct DevicePtr(u64);

// SAFETY: a plain number, of which every bit pattern is one.
unsafe impl bytemuck::Zeroable for DevicePtr {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for DevicePtr {}

impl DevicePtr {
    /// No memory: for operands that may be left out.
    pub const NULL: DevicePtr = DevicePtr(0);

    /// The address `bytes` further on.
    pub fn offset(self, bytes: usize) -> DevicePtr {
        DevicePtr(self.0 + bytes as u64)
    }

    /// The address as a number: for alignment and tensor maps.
    pub fn address(self) -> u64 {
        self.0
    }
}

impl CudaContext {
    /// `bytes` bytes of memory, of unspecified content, aligned to 256. `None` when the device has no more.
    pub fn allocate(&self, bytes: usize) -> Result<Option<DevicePtr>> {
        self.outside_capture("allocating memory")?;
        self.bind()?;
        // SAFETY: the stream is alive; the memory is freed in its order by `free`.
        let taken = unsafe {
            if self.context.has_async_alloc() {
                result::malloc_async(self.stream.cu_stream(), bytes.max(1))
            } else {
                result::malloc_sync(bytes.max(1))
            }
        };
        match taken {
            Err(error) if error.0 == cudarc::driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Ok(None),
            taken => check("allocating memory", taken).map(|address| Some(DevicePtr(address))),
        }
    }

    /// Gives memory back once everything asked for so far has run.
    ///
    /// # Safety
    /// `pointer` comes from [`CudaContext::allocate`] of this context and is not used again.
    pub unsafe fn free(&self, pointer: DevicePtr) -> Result {
        self.bind()?;
        // SAFETY: promised by the caller.
        let freed = unsafe {
            if self.context.has_async_alloc() {
                result::free_async(pointer.0, self.stream.cu_stream())
            } else {
                result::free_sync(pointer.0)
            }
        };
        check("freeing memory", freed)
    }

    /// Copies bytes to the device.
    ///
    /// # Safety
    /// `to` is the start of at least as many bytes of this device's memory, which nothing else writes.
    pub unsafe fn upload(&self, from: &[u8], to: DevicePtr) -> Result {
        if from.is_empty() {
            return Ok(());
        }
        self.outside_capture("copying to the device")?;
        self.bind()?;
        // SAFETY: the size is promised by the caller; pageable memory has been read when the call returns.
        check("copying to the device", unsafe { result::memcpy_htod_async(to.0, from, self.stream.cu_stream()) })
    }

    /// Copies bytes to the host, and waits for them.
    ///
    /// # Safety
    /// `from` is the start of at least as many bytes of this device's memory.
    pub unsafe fn download(&self, from: DevicePtr, to: &mut [u8]) -> Result {
        if to.is_empty() {
            return Ok(());
        }
        self.outside_capture("copying to the host")?;
        self.bind()?;
        // SAFETY: the size is promised by the caller, and `to` is borrowed until the copy has been waited for.
        check("copying to the host", unsafe { result::memcpy_dtoh_async(to, from.0, self.stream.cu_stream()) })?;
        self.wait()
    }

    /// Sets `bytes` bytes to `value`.
    ///
    /// # Safety
    /// `to` is the start of as many bytes of this device's memory, which nothing else uses.
    pub unsafe fn set(&self, to: DevicePtr, value: u8, bytes: usize) -> Result {
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: promised by the caller.
        check("setting memory", unsafe { result::memset_d8_async(to.0, value, bytes, self.stream.cu_stream()) })
    }

    /// Bytes of the device's memory that are free, and all there are.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.bind()?;
        check("asking for memory", self.context.mem_get_info())
    }
}
