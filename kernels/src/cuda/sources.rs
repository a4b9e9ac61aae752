//! Every CUDA C++ file of the crate.

/// A file: its name and what it says.
pub struct Source {
    /// As in messages, and in `#include`.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
}

macro_rules! header {
    ($name:literal) => {
        Source { name: $name, text: include_str!(concat!("../../cuda/", $name)) }
    };
}

/// The words that kernels are written in; `cuda/` beside `src/`.
pub const HEADERS: &[Source] = &[
    header!("async_copy.cuh"),
    header!("attention.cuh"),
    header!("block.cuh"),
    header!("convolution.cuh"),
    header!("epilogue.cuh"),
    header!("gates.cuh"),
    header!("hopper.cuh"),
    header!("hopper_gather.cuh"),
    header!("hopper_loop.cuh"),
    header!("loader.cuh"),
    header!("maths.cuh"),
    header!("matrix_descriptor.cuh"),
    header!("mbarrier.cuh"),
    header!("norm.cuh"),
    header!("numbers.cuh"),
    header!("ordinary_tile.cuh"),
    header!("pointwise.cuh"),
    header!("ring.cuh"),
    header!("rotary.cuh"),
    header!("strided.cuh"),
    header!("tensor_core.cuh"),
    header!("tensor_result.cuh"),
    header!("tensor_tile.cuh"),
    header!("tile.cuh"),
    header!("tma.cuh"),
    header!("triangle.cuh"),
    header!("warp_product.cuh"),
    header!("wgmma.cuh"),
    header!("wgmma_shapes.cuh"),
];

/// All files of kernels, each beside the family it belongs to.
pub const ALL: &[&Source] = &[
    &crate::attention::cuda::V1,
    &crate::attention::cuda::V2_BACKWARD,
    &crate::attention::cuda::V2_FORWARD,
    &crate::cholesky::cuda::SOURCE,
    &crate::combine::cuda::SOURCE,
    &crate::conv::cuda::V1,
    &crate::conv::cuda::V2,
    &crate::conv::cuda::V3,
    &crate::copy::cuda::CAST,
    &crate::copy::cuda::COPY,
    &crate::cross_entropy::cuda::SOURCE,
    &crate::gather::cuda::SOURCE,
    &crate::gram::cuda::SOURCE,
    &crate::matmul::cuda::SHARES,
    &crate::matmul::cuda::V1,
    &crate::matmul::cuda::V2,
    &crate::matmul::cuda::V3,
    &crate::multiply::cuda::SOURCE,
    &crate::norm::cuda::GRADIENTS,
    &crate::norm::cuda::V1,
    &crate::norm::cuda::group::BACKWARD,
    &crate::norm::cuda::group::FORWARD,
    &crate::norm::cuda::layer::BACKWARD,
    &crate::norm::cuda::layer::FORWARD,
    &crate::optim::cuda::SOURCE,
    &crate::patches::cuda::SOURCE,
    &crate::pointwise::cuda::APPLY,
    &crate::pointwise::cuda::SCALED,
    &crate::random::cuda::SOURCE,
    &crate::reduce::cuda::SOURCE,
    &crate::rope::cuda::SOURCE,
    &crate::softmax::cuda::SOURCE,
    &crate::triangular::cuda::SOURCE,
    &crate::window::cuda::SOURCE,
    &crate::woodbury::cuda::SOURCE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_is_left_out() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/cuda")).unwrap();
        let mut found: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, HEADERS.iter().map(|header| header.name).collect::<Vec<_>>());
    }
}
