//! Launching a kernel: its grid, and its parameters by address.
//!
//! The sizes of a kernel's parameters are asked of the driver when it is loaded, and compared at every launch: a call whose
//! parameters do not fit the kernel's is an error, never a kernel that reads past them.

use super::error::{check, failed};
use super::{CudaContext, Source};
use crate::Result;
use cudarc::driver::{CudaFunction, CudaModule, result, sys};
use std::ffi::c_void;
use std::sync::{Arc, PoisonError};

/// Shared memory a kernel may have without being asked, in bytes.
const SHARED_UNASKED: usize = 48 << 10;

/// Blocks, threads a block, and bytes of dynamic shared memory a block.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Blocks along x, y, z.
    pub blocks: [usize; 3],
    /// Threads of a block.
    pub threads: usize,
    /// Dynamic shared memory of a block, in bytes.
    pub shared: usize,
}

impl Grid {
    /// `blocks` blocks of `threads` threads.
    pub fn new(blocks: usize, threads: usize) -> Grid {
        Grid { blocks: [blocks, 1, 1], threads, shared: 0 }
    }

    /// Enough blocks of 256 threads for `count` items, at most so many that every multiprocessor is full a few times over:
    /// the kernel strides through the rest.
    pub fn stride(cuda: &CudaContext, count: usize) -> Grid {
        Grid::new(count.div_ceil(256).clamp(1, 16 * cuda.properties().multiprocessors), 256)
    }

    /// The same with dynamic shared memory.
    pub fn shared(self, bytes: usize) -> Grid {
        Grid { shared: bytes, ..self }
    }
}

/// A value that is passed to a kernel as it lies in memory.
pub trait Parameter {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
}

impl<T: bytemuck::NoUninit> Parameter for T {
    fn bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }
}

/// A loaded kernel.
pub(super) struct Function {
    handle: CudaFunction,
    raw: sys::CUfunction,
    parameters: Vec<usize>,
}

// SAFETY: a handle of the driver, which may be used from any thread.
unsafe impl Send for Function {}
// SAFETY: as above; it is never written.
unsafe impl Sync for Function {}

impl Function {
    /// The kernel `name` of a module, allowed all the shared memory there is.
    pub(super) fn load(module: &Arc<CudaModule>, name: &'static str, shared: usize) -> Result<Function> {
        let handle = check(name, module.load_function(name))?;
        let raw = handle.cu_function();
        let own = check(name, handle.shared_size_bytes())?.max(0) as usize;
        let most = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        if shared.saturating_sub(own) > SHARED_UNASKED {
            check(name, handle.set_attribute(most, (shared - own) as i32))?;
        }
        Ok(Function { handle, raw, parameters: parameters(name, raw)? })
    }

    /// Registers a thread has, and bytes it spills to memory.
    pub(super) fn registers(&self) -> Result<(usize, usize)> {
        let count = check("asking a kernel", self.handle.num_regs())?;
        let spilled = check("asking a kernel", self.handle.local_size_bytes())?;
        Ok((count.max(0) as usize, spilled.max(0) as usize))
    }
}

/// The sizes of a kernel's parameters, in order.
fn parameters(name: &str, function: sys::CUfunction) -> Result<Vec<usize>> {
    let mut sizes = vec![];
    loop {
        let (mut offset, mut size) = (0, 0);
        // SAFETY: `function` is a loaded kernel; both outputs are ours.
        let answer = unsafe { sys::cuFuncGetParamInfo(function, sizes.len(), &mut offset, &mut size) };
        match answer {
            sys::CUresult::CUDA_ERROR_INVALID_VALUE => return Ok(sizes), // past the last
            // Any other is of the context: what ran before has failed.
            answer => check(name, answer.result())?,
        }
        sizes.push(size);
    }
}

impl CudaContext {
    /// Runs the kernel `name` of `source` over `grid`, in the order of the stream. A grid without blocks runs nothing.
    ///
    /// An error when the parameters are not those of the kernel, in number or size.
    pub fn launch(
        &self,
        source: &'static Source,
        name: &'static str,
        grid: Grid,
        parameters: &[&dyn Parameter],
    ) -> Result {
        if grid.blocks.contains(&0) {
            return Ok(());
        }
        self.bind()?;
        let function = self.function(source, name)?;
        let given = parameters.iter().map(|parameter| parameter.bytes().len());
        if !given.clone().eq(function.parameters.iter().copied()) {
            let (given, want) = (given.collect::<Vec<_>>(), &function.parameters);
            return Err(failed(format!(
                "the kernel `{name}` takes parameters of {want:?} bytes, and was given {given:?}"
            )));
        }
        let mut addresses = [std::ptr::null_mut::<c_void>(); 32];
        let Some(addresses) = addresses.get_mut(..parameters.len()) else {
            return Err(failed(format!("the kernel `{name}` takes more parameters than are passed on")));
        };
        for (address, parameter) in addresses.iter_mut().zip(parameters) {
            *address = parameter.bytes().as_ptr().cast_mut().cast();
        }
        let size = |n: usize| {
            u32::try_from(n).map_err(|_| failed(format!("`{name}`: {grid:?} is more than the device takes")))
        };
        let [x, y, z] = grid.blocks;
        let (blocks, threads) = ((size(x)?, size(y)?, size(z)?), (size(grid.threads)?, 1, 1));
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        let before = launches.as_ref().map(|_| self.mark()).transpose()?;
        // SAFETY: parameters have the sizes the kernel was compiled with and are copied by the call; what they point to is
        // borrowed by the views of the caller, and freed in the order of the same stream.
        let launched = unsafe {
            let stream = self.stream.cu_stream();
            result::launch_kernel(function.raw, blocks, threads, size(grid.shared)?, stream, addresses)
        };
        check(name, launched)?;
        if let (Some(launches), Some(before)) = (launches.as_mut(), before) {
            launches.push((name, before, self.mark()?));
        }
        Ok(())
    }

    /// Registers a thread of a kernel has, and bytes it spills.
    pub fn registers(&self, source: &'static Source, name: &'static str) -> Result<(usize, usize)> {
        self.bind()?;
        self.function(source, name)?.registers()
    }
}
