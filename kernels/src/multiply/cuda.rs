//! The elementwise product on a GPU.

use crate::cuda::elementwise::{reals, run};
use crate::cuda::{CudaContext, Source};
use crate::{Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "multiply.cu", text: include_str!("multiply.cu") };

pub(super) fn forward(cuda: &CudaContext, a: View, b: View, y: ViewMut) -> Result {
    run::<3>(cuda, "multiply", &SOURCE, reals!("multiply"), &[a, b], y, &[])
}
