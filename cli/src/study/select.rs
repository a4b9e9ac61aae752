//! Which problems and versions are meant by what was typed, and the refusals of what is not there.

use super::{ALL, Case, Family, Numbers, Problem, Version};
use crate::{Error, Result};
use tensor::Device;

/// Which sizes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Those to check with.
    Small,
    /// Those to time.
    Full,
}

/// The family of that name, or those with a case that has `text` in its name, or all; an error where there is none.
pub fn families(text: Option<&str>) -> Result<Vec<&'static Family>> {
    let wanted = |family: &Family| match text {
        None => true,
        Some(text) if is_family(text) => family.name == text,
        Some(text) => family.cases.iter().any(|case| case.op.contains(text)),
    };
    let found: Vec<&Family> = ALL.into_iter().filter(|family| wanted(family)).collect();
    if found.is_empty() { Err(unknown(text, "kernel")) } else { Ok(found) }
}

/// The problems on a device: those of the family of that name, or with `text` in their own, or all; an error where there is
/// none.
pub fn problems(device: &Device, text: Option<&str>, sizes: Sizes) -> Result<Vec<Problem>> {
    let wanted = |problem: &Problem| match text {
        None => true,
        Some(text) if is_family(text) => problem.family.name == text,
        Some(text) => problem.name().contains(text),
    };
    let found: Vec<Problem> = ALL.iter().flat_map(|family| all(family, device, sizes)).filter(wanted).collect();
    if found.is_empty() { Err(unknown(text, &format!("kernel of `{}`", device.name()))) } else { Ok(found) }
}

/// The versions of a family that a device runs; if `only` is given, that one, or none where the family or the device has
/// none of that number.
pub fn versions(family: &Family, device: &Device, only: Option<u8>) -> Vec<Version> {
    match device.kernels() {
        kernels::Device::Cpu(_) => Vec::from_iter(only.is_none().then_some(Version::Cpu)),
        kernels::Device::Cuda(cuda) => (1..=family.gpu.len() as u8)
            .filter(|&number| cuda.allows_version(number) && only.is_none_or(|only| only == number))
            .map(Version::Gpu)
            .collect(),
    }
}

/// Refuses a version that the device does not run for any of the problems.
pub fn check_version(device: &Device, problems: &[Problem], only: Option<u8>) -> Result<()> {
    let Some(number) = only else { return Ok(()) };
    if problems.iter().any(|problem| !versions(problem.family, device, only).is_empty()) {
        return Ok(());
    }
    let most = problems.iter().map(|problem| problem.family.gpu.len()).max().unwrap_or(0);
    let name = device.name();
    Err(Error::usage(match device.kernels() {
        kernels::Device::Cpu(_) => format!(
            "`{name}` has one version of each kernel: leave `--version v{number}` out, or give `--device cuda:0`"
        ),
        kernels::Device::Cuda(_) if usize::from(number) > most => {
            let kernel = problems.first().map_or("it", |problem| problem.family.name);
            format!("there is no v{number} of {kernel}: give `--version v{most}`, the newest")
        }
        kernels::Device::Cuda(cuda) if cuda.highest_version() < number => {
            format!("`CONSORT_HOPPER=0` keeps `{name}` from v{number}: unset it")
        }
        kernels::Device::Cuda(cuda) => {
            let (major, minor) = cuda.properties().capability;
            format!(
                "`{name}` has compute capability {major}.{minor} and does not run v{number}: give a lower `--version`"
            )
        }
    }))
}

fn is_family(text: &str) -> bool {
    ALL.iter().any(|family| family.name == text)
}

fn all(family: &'static Family, device: &Device, sizes: Sizes) -> Vec<Problem> {
    let is_cpu = device.is_cpu();
    let sized = |case: &'static Case| match sizes {
        Sizes::Small => case.small,
        Sizes::Full if is_cpu => case.cpu,
        Sizes::Full => case.gpu,
    };
    let mut found = vec![];
    for case in family.cases {
        // The processor computes in f32.
        for &numbers in case.numbers.iter().filter(|&&numbers| !is_cpu || numbers == Numbers::F32) {
            found.extend(sized(case).iter().map(|size| Problem { family, case, numbers, size }));
        }
    }
    found
}

fn unknown(text: Option<&str>, what: &str) -> Error {
    let names: Vec<&str> = ALL.iter().map(|family| family.name).collect();
    let way_out = format!("give one of {}, or a part of a case's name, such as `matmul f32`", names.join(", "));
    Error::usage(format!("there is no {what} called `{}`: {way_out}", text.unwrap_or_default()))
}
