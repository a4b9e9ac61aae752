//! Element types, and the one place where a run-time [`DType`] becomes a Rust type.
//!
//! The CPU computes in f32 and f64; bf16, f16, u8 and i64 are storage, cast on load (`crate::copy::cast`).
//! The f64 path is the plain reference loop of every family made generic over [`Real`], so that it is slow, obvious,
//! and the same code the f32 kernels are tested against.

use crate::KernelError;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision, the default.
    F32,
    /// IEEE double precision: gradient checks, sampler and solver state.
    F64,
    /// bfloat16, storage only on the CPU.
    BF16,
    /// IEEE half precision, storage only on the CPU.
    F16,
    /// Bytes: images, masks.
    U8,
    /// Indices and labels.
    I64,
}

impl DType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 => 1,
            DType::BF16 | DType::F16 => 2,
            DType::F32 => 4,
            DType::F64 | DType::I64 => 8,
        }
    }

    /// Whether arithmetic and gradients are offered: f32 and f64 on the CPU.
    pub const fn is_real(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// What sums, statistics and logarithms are kept in: f64 for f64, f32 for all else.
    pub const fn wide(self) -> DType {
        match self {
            DType::F64 => DType::F64,
            _ => DType::F32,
        }
    }

    /// The distance from 1 to the next number; 0 for integers, which are not rounded.
    pub const fn epsilon(self) -> f64 {
        match self {
            DType::F32 => f32::EPSILON as f64,
            DType::F64 => f64::EPSILON,
            DType::BF16 => 0.007_812_5,
            DType::F16 => 0.000_976_562_5,
            DType::U8 | DType::I64 => 0.0,
        }
    }

    /// The lower-case name used in messages and files.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::BF16 => "bf16",
            DType::F16 => "f16",
            DType::U8 => "u8",
            DType::I64 => "i64",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that a buffer can hold.
pub trait Element: bytemuck::Pod + Send + Sync + std::fmt::Debug + PartialEq {
    /// Its run-time name.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($t:ty => $d:ident),*) => { $(impl Element for $t { const DTYPE: DType = DType::$d; })* };
}
elements!(f32 => F32, f64 => F64, half::bf16 => BF16, half::f16 => F16, u8 => U8, i64 => I64);

/// A floating-point type the CPU computes in. Just what the reference loops need.
pub trait Real:
    Element
    + Copy
    + Default
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::iter::Sum
{
    /// Rounds to this type.
    fn from_f64(x: f64) -> Self;
    /// Widens; exact.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Exponential.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
}

macro_rules! reals {
    ($($t:ty),*) => { $(impl Real for $t {
        #[inline(always)] fn from_f64(x: f64) -> Self { x as $t }
        #[inline(always)] fn to_f64(self) -> f64 { self as f64 }
        #[inline(always)] fn sqrt(self) -> Self { <$t>::sqrt(self) }
        #[inline(always)] fn exp(self) -> Self { <$t>::exp(self) }
        #[inline(always)] fn ln(self) -> Self { <$t>::ln(self) }
    })* };
}
reals!(f32, f64);

/// Runs `single` for f32 and `double` for f64; any other dtype is an error that names the op.
pub fn with_real<R>(
    dtype: DType,
    op: &'static str,
    single: impl FnOnce() -> Result<R, KernelError>,
    double: impl FnOnce() -> Result<R, KernelError>,
) -> Result<R, KernelError> {
    match dtype {
        DType::F32 => single(),
        DType::F64 => double(),
        other => Err(KernelError::DType { op, got: other, want: "f32 or f64" }),
    }
}
