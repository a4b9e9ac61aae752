//! What the TMA unit knows of a tensor: passed to a kernel by value, as `TensorMap` of `cuda/tma.cuh`.

use super::error::{check, failed};
use super::{CudaContext, DevicePtr};
use crate::{DType, Result};
use cudarc::driver::sys;
use sys::{CUtensorMapDataType as Type, CUtensorMapFloatOOBfill as Outside, CUtensorMapInterleave as Interleave};
use sys::{CUtensorMapL2promotion as Promotion, CUtensorMapSwizzle as Swizzle};

/// A tensor in global memory and the box that a tile spans, its chunks permuted in swizzle rows of 128 bytes.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct TensorMap([u64; 16]);

// SAFETY: u64 throughout, 128 bytes at an alignment of 64: no padding.
unsafe impl bytemuck::Zeroable for TensorMap {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for TensorMap {}

impl TensorMap {
    /// Axes innermost first: `sizes`, and `steps` between neighbours on all but the first, in elements. An error where the
    /// unit cannot: an address or a step off the 16-byte boundaries, a side of the box beyond 256.
    pub(crate) fn new(
        cuda: &CudaContext,
        dtype: DType,
        start: DevicePtr,
        sizes: [usize; 3],
        steps: [usize; 2],
        tile: [u32; 3],
    ) -> Result<TensorMap> {
        let numbers = match dtype {
            DType::BF16 => Type::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
            DType::F16 => Type::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
            DType::F32 => Type::CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
            other => return Err(failed(format!("no tiles of {other} are loaded"))),
        };
        cuda.bind()?;
        let (sizes, bytes) = (sizes.map(|n| n as u64), steps.map(|n| (n * dtype.size()) as u64));
        let mut map = sys::CUtensorMap { opaque: [0; 16] };
        // SAFETY: the arrays have as many entries as the rank asks for, all read during the call; `start` is only noted.
        let answer = unsafe {
            sys::cuTensorMapEncodeTiled(
                &mut map,
                numbers,
                3,
                start.address() as *mut _,
                sizes.as_ptr(),
                bytes.as_ptr(),
                tile.as_ptr(),
                [1; 3].as_ptr(),
                Interleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                Swizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                Outside::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
        };
        check("describing a tensor to the TMA unit", answer.result())?;
        Ok(TensorMap(map.opaque))
    }
}
