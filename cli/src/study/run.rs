//! Running a problem in a version of one's choice, and saying which version it was.

use super::{Numbers, Problem, Version};
use kernels::cuda::CudaContext;
use tensor::{Device, Result, Tensor};

/// The device as it was, when this is dropped.
struct Before<'a> {
    cuda: &'a CudaContext,
    allows_tf32: bool,
    highest: u8,
}

impl Drop for Before<'_> {
    fn drop(&mut self) {
        self.cuda.allow_tf32(self.allows_tf32);
        self.cuda.limit_version(self.highest);
    }
}

/// Runs `body` with the device set to the problem's numbers, and to `version` at most.
pub(super) fn set<T>(device: &Device, numbers: Numbers, version: Version, body: impl FnOnce() -> T) -> T {
    let (kernels::Device::Cuda(cuda), Version::Gpu(number)) = (device.kernels(), version) else { return body() };
    let _before = Before { cuda, allows_tf32: cuda.allows_tf32(), highest: cuda.highest_version() };
    cuda.allow_tf32(numbers == Numbers::Tf32);
    cuda.limit_version(number);
    body()
}

/// What `run` gives, and the version that gave it: that of the kernels that were launched.
pub(super) fn watched(
    device: &Device,
    problem: &Problem,
    run: &mut dyn FnMut() -> Result<Vec<Tensor>>,
) -> Result<(Vec<Tensor>, Version)> {
    let kernels::Device::Cuda(cuda) = device.kernels() else { return Ok((run()?, Version::Cpu)) };
    let mut results = Ok(vec![]);
    let spent = cuda.profile(|| {
        results = run();
        kernels::Result::Ok(())
    })?;
    let names = spent.iter().map(|spent| spent.kernel);
    Ok((results?, Version::Gpu(number(names, problem.family.gpu.len() as u8))))
}

/// The version among `versions` that kernels of these names belong to. A ladder's names have the number in them, `_v2`; where
/// none has, they are the newest. Kernels of several versions are of the highest: it calls what it shares with those before.
fn number<'a>(names: impl Iterator<Item = &'a str>, versions: u8) -> u8 {
    let numbers = names.flat_map(|name| (1..=versions).filter(move |number| name.contains(&format!("_v{number}"))));
    numbers.max().unwrap_or(versions)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_by_the_names_of_kernels() {
        for (names, versions, want) in [
            (&["conv_v3_bf16_64x64", "copy_16"][..], 3, 3),
            (&["attention_inner_v1_bf16", "attention_dq_v2_bf16_64"], 2, 2),
            (&["norm_v1_f32"], 2, 1),
            (&["group_norm_f32"], 2, 2),
            (&["softmax_by_warp_f32"], 1, 1),
        ] {
            assert_eq!(number(names.iter().copied(), versions), want, "{names:?}");
        }
    }
}
