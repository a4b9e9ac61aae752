//! Linear combinations on a GPU.

use super::TERMS;
use crate::cuda::elementwise::{reals, run};
use crate::cuda::{CudaContext, Source};
use crate::{Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "combine.cu", text: include_str!("combine.cu") };

pub(super) fn forward(cuda: &CudaContext, c: &[f64], x: &[View], y: ViewMut) -> Result {
    let mut coefficients = [0.0; TERMS];
    coefficients[..c.len()].copy_from_slice(c);
    if c.len() == 2 {
        return run::<3>(cuda, "combine", &SOURCE, reals!("combine2"), x, y, &[&coefficients]);
    }
    run::<{ TERMS + 1 }>(cuda, "combine", &SOURCE, reals!("combine"), x, y, &[&coefficients, &(c.len() as i32)])
}

pub(super) fn accumulate(cuda: &CudaContext, c: f64, x: View, y: ViewMut) -> Result {
    run::<2>(cuda, "accumulate", &SOURCE, reals!("accumulate"), &[x], y, &[&c])
}
