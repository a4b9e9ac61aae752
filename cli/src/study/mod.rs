//! The kernels as a ladder to study: every family with its versions, and cases that check and time each of them.
//!
//! A *family* is a folder of `kernels/src`. Its *versions* are the plain reference in f64, the processor's kernel, and on a
//! GPU v1 and, where there is more to gain, v2 and v3. A *case* is a row of data: an op, the numbers it runs in, its sizes,
//! and how many terms a result sums, from which follows what error is allowed ([`verify()`]). To add a kernel is to add its
//! row in `families/`.

mod families;
mod measure;
mod operands;
mod run;
mod select;
mod verify;

pub use families::ALL;
pub(crate) use measure::measure;
pub use measure::{Measured, Roofs};
pub use operands::Operands;
pub use select::{Sizes, check_version, families, problems, versions};
pub use verify::{Verdict, reference, verify};

use tensor::{DType, Tensor};

/// What belongs to one op or a few that share kernels.
#[derive(Debug)]
pub struct Family {
    /// Of its folder in `kernels/src`.
    pub name: &'static str,
    /// The definition, in f64; then the processor's kernel.
    pub processor: [Rung; 2],
    /// On a GPU: v1, v2, ..
    pub gpu: &'static [Rung],
    /// What is checked and timed.
    pub cases: &'static [Case],
}

/// A version: its idea in one line, and the files to read.
#[derive(Debug)]
pub struct Rung {
    /// In one line.
    pub idea: &'static str,
    /// Below `kernels/src`.
    pub sources: &'static [&'static str],
}

/// An op at some sizes, in some numbers.
#[derive(Debug)]
pub struct Case {
    /// What it is called, such as `conv input gradient`.
    pub op: &'static str,
    /// What the sizes are.
    pub axes: &'static str,
    /// On a GPU; the processor computes in f32.
    pub numbers: &'static [Numbers],
    /// Sizes to check with, and to rehearse.
    pub small: &'static [&'static [usize]],
    /// Sizes to time on the processor.
    pub cpu: &'static [&'static [usize]],
    /// Sizes to time on a GPU.
    pub gpu: &'static [&'static [usize]],
    /// Terms that a result sums; 0 where numbers are only moved, and none may differ.
    pub terms: fn(&[usize]) -> usize,
    /// Draws the operands for some sizes.
    pub make: fn(&Operands, &[usize]) -> tensor::Result<Run>,
}

/// Runs an op once on operands that are there; its results.
pub type Run = Box<dyn FnMut() -> tensor::Result<Vec<Tensor>>>;

/// What an op computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Single precision.
    F32,
    /// Single precision whose products round their operands to 10 bits.
    Tf32,
    /// bfloat16, with sums in f32.
    Bf16,
    /// IEEE half precision, with sums in f32.
    F16,
}

/// One of the ways to compute an op on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The processor's.
    Cpu,
    /// Of that number on a GPU.
    Gpu(u8),
}

/// A case in some numbers at one of its sizes.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    /// Of this family.
    pub family: &'static Family,
    /// This case.
    pub case: &'static Case,
    /// In these numbers.
    pub numbers: Numbers,
    /// At this size.
    pub size: &'static [usize],
}

impl Numbers {
    /// As it is stored.
    pub fn dtype(self) -> DType {
        match self {
            Numbers::F32 | Numbers::Tf32 => DType::F32,
            Numbers::Bf16 => DType::BF16,
            Numbers::F16 => DType::F16,
        }
    }

    /// The distance from 1 to the next number.
    pub fn epsilon(self) -> f64 {
        match self {
            Numbers::Tf32 => DType::F16.epsilon(), // as many bits
            _ => self.dtype().epsilon(),
        }
    }

    /// `f32`, `tf32`, ...
    pub fn name(self) -> &'static str {
        if self == Numbers::Tf32 { "tf32" } else { self.dtype().name() }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Version::Cpu => f.write_str("cpu"),
            Version::Gpu(number) => write!(f, "v{number}"),
        }
    }
}

impl Problem {
    /// Such as `matmul bf16 1024 x 1024 x 1024`.
    pub fn name(&self) -> String {
        let size: Vec<String> = self.size.iter().map(usize::to_string).collect();
        format!("{} {} {}", self.case.op, self.numbers.name(), size.join(" x "))
    }

    /// The same case in the same numbers at its sizes to check with.
    pub fn small(self) -> impl Iterator<Item = Problem> {
        self.case.small.iter().map(move |&size| Problem { size, ..self })
    }
}
