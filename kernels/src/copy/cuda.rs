//! Copies, constants and conversions on a GPU.

use super::convert::Number;
use crate::cuda::elementwise::Elementwise;
use crate::cuda::{CudaContext, Grid, Parameter, Source};
use crate::{DType, Result, View, ViewMut};
use half::{bf16, f16};

pub(crate) static COPY: Source = Source { name: "copy.cu", text: include_str!("copy.cu") };
pub(crate) static CAST: Source = Source { name: "cast.cu", text: include_str!("cast.cu") };

/// Side of the tiles of a transpose, as in `copy.cu`, and the least side of a matrix that is worth them.
const SIDE: usize = 64;
const SHORT: u32 = 8;

/// `x` and `y` have one dtype.
pub(crate) fn copy(cuda: &CudaContext, x: View, y: ViewMut) -> Result {
    let (size, operands) = (y.dtype().size(), Elementwise::<2>::new("copy", &[x], &y)?);
    if operands.is_in_vectors() {
        return operands.launch(cuda, &COPY, copies(size), &[]);
    }
    if let Some(turned) = operands.transposed(SHORT) {
        let names = ["transpose_u8", "transpose_u16", "transpose_u32", "transpose_u64"];
        let [y, x] = operands.pointers();
        let ([across, y_pitch], [down, x_pitch]) = (turned.across, turned.down);
        let tiles = (across as usize).div_ceil(SIDE) * (down as usize).div_ceil(SIDE);
        let grid = Grid::new(turned.batch.count as usize * tiles, 256);
        let parameters: [&dyn Parameter; 7] = [&x, &y, &turned.batch, &across, &y_pitch, &down, &x_pitch];
        return cuda.launch(&COPY, sized(size, names), grid, &parameters);
    }
    // The largest unit that rows are made of.
    let larger = [8, 4, 2].into_iter().filter(|&unit| unit > size);
    let found = larger.filter_map(|unit| Some((unit, operands.in_units(size, unit)?))).next();
    let (size, operands) = found.unwrap_or((size, operands));
    operands.launch(cuda, &COPY, copies(size), &[])
}

fn copies(size: usize) -> &'static str {
    sized(size, ["copy_u8", "copy_u16", "copy_u32", "copy_u64"])
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
    let name = sized(dtype.size(), ["fill_u8", "fill_u16", "fill_u32", "fill_u64"]);
    operands.launch(cuda, &COPY, name, &[&bits])
}

/// Dtypes differ.
pub(super) fn cast(cuda: &CudaContext, x: View, y: ViewMut) -> Result {
    let is_float = |dtype: DType| !matches!(dtype, DType::U8 | DType::I64);
    let (from, to) = (x.dtype(), y.dtype());
    let operands = match is_float(from) && is_float(to) {
        true => Elementwise::<2>::new("cast", &[x], &y)?,
        false => Elementwise::<2>::one_by_one("cast", &[x], &y)?,
    };
    let name = match to {
        DType::F32 => "cast_to_f32",
        DType::F64 => "cast_to_f64",
        DType::BF16 => "cast_to_bf16",
        DType::F16 => "cast_to_f16",
        DType::U8 => "cast_to_u8",
        DType::I64 => "cast_to_i64",
    };
    operands.launch(cuda, &CAST, name, &[&code(from)])
}

/// The name for elements of 1, 2, 4 or 8 bytes.
fn sized(size: usize, names: [&'static str; 4]) -> &'static str {
    names[size.trailing_zeros() as usize]
}

/// The dtype's number in `cast.cu`.
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
