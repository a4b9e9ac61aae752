//! Copies, constants and conversions on a GPU.

use super::convert::Number;
use crate::cuda::elementwise::Elementwise;
use crate::cuda::{CudaContext, Source};
use crate::{DType, Result, View, ViewMut};
use half::{bf16, f16};

pub(crate) static SOURCE: Source = Source { name: "copy.cu", text: include_str!("copy.cu") };

/// `x` and `y` have one dtype.
pub(crate) fn copy(cuda: &CudaContext, x: View, y: ViewMut) -> Result {
    let (dtype, operands) = (y.dtype(), Elementwise::<2>::new("copy", &[x], &y)?);
    let name = sized(dtype, ["copy_u8", "copy_u16", "copy_u32", "copy_u64"]);
    operands.launch(cuda, &SOURCE, name, dtype, &[])
}

pub(super) fn fill(cuda: &CudaContext, value: f64, y: ViewMut) -> Result {
    let (dtype, operands) = (y.dtype(), Elementwise::<1>::new("fill", &[], &y)?);
    let bits = match dtype {
        DType::F32 => u64::from((value as f32).to_bits()),
        DType::F64 => value.to_bits(),
        DType::BF16 => u64::from(bf16::round(value).to_bits()),
        DType::F16 => u64::from(f16::round(value).to_bits()),
        DType::U8 => u64::from(u8::round(value)),
        DType::I64 => i64::round(value) as u64,
    };
    let name = sized(dtype, ["fill_u8", "fill_u16", "fill_u32", "fill_u64"]);
    operands.launch(cuda, &SOURCE, name, dtype, &[&bits])
}

/// Dtypes differ.
pub(super) fn cast(cuda: &CudaContext, x: View, y: ViewMut) -> Result {
    let (dtype, operands) = (y.dtype(), Elementwise::<2>::new("cast", &[x], &y)?.strided());
    let name = match dtype {
        DType::F32 => "cast_to_f32",
        DType::F64 => "cast_to_f64",
        DType::BF16 => "cast_to_bf16",
        DType::F16 => "cast_to_f16",
        DType::U8 => "cast_to_u8",
        DType::I64 => "cast_to_i64",
    };
    operands.launch(cuda, &SOURCE, name, dtype, &[&code(x.dtype())])
}

/// The name for elements of 1, 2, 4 or 8 bytes.
fn sized(dtype: DType, names: [&'static str; 4]) -> &'static str {
    names[dtype.size().trailing_zeros() as usize]
}

/// The dtype's number in `copy.cu`.
fn code(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 0,
        DType::F64 => 1,
        DType::BF16 => 2,
        DType::F16 => 3,
        DType::U8 => 4,
        DType::I64 => 5,
    }
}
