//! The families, one table of rows for each group of them.

mod images;
mod matrices;
mod memory;
mod moves;
mod norms;
mod products;
mod rows;
mod updates;

pub(super) use products::MATMUL;

use super::{Family, Numbers, Run, Rung};
use tensor::{Result, Tensor};

/// Every family that has kernels.
pub static ALL: [&Family; 21] = [
    &products::MATMUL,
    &products::CONV,
    &products::ATTENTION,
    &norms::NORM,
    &rows::SOFTMAX,
    &rows::CROSS_ENTROPY,
    &rows::REDUCE,
    &memory::POINTWISE,
    &memory::COMBINE,
    &memory::MULTIPLY,
    &moves::COPY,
    &moves::GATHER,
    &moves::ROPE,
    &updates::RANDOM,
    &updates::OPTIM,
    &images::WINDOW,
    &images::PATCHES,
    &matrices::GRAM,
    &matrices::CHOLESKY,
    &matrices::TRIANGULAR,
    &matrices::WOODBURY,
];

/// What kernels of most families take on a GPU; what those of the tensor cores take besides.
const REALS: &[Numbers] = &[Numbers::F32, Numbers::Bf16, Numbers::F16];
const PRODUCTS: &[Numbers] = &[Numbers::F32, Numbers::Tf32, Numbers::Bf16, Numbers::F16];
const F32: &[Numbers] = &[Numbers::F32];

const fn rung(idea: &'static str, sources: &'static [&'static str]) -> Rung {
    Rung { idea, sources }
}

/// Terms of what is only moved.
fn moved(_: &[usize]) -> usize {
    0
}

/// Terms of what is computed from an element of each operand.
fn one(_: &[usize]) -> usize {
    1
}

/// A run with one result.
fn gives(mut run: impl FnMut() -> Result<Tensor> + 'static) -> Result<Run> {
    Ok(Box::new(move || Ok(vec![run()?])))
}

/// A run with several.
fn give(run: impl FnMut() -> Result<Vec<Tensor>> + 'static) -> Result<Run> {
    Ok(Box::new(run))
}

/// The sizes of a row as so many numbers; 1 for what it does not say.
fn sizes<const N: usize>(of: &[usize]) -> [usize; N] {
    std::array::from_fn(|axis| of.get(axis).copied().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    const KERNELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernels/src");

    fn gpu_sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.flat_map(|path| if path.is_dir() { gpu_sources(&path) } else { vec![path] });
        files.filter(|path| path.extension().is_some_and(|extension| extension == "cu")).collect()
    }

    #[test]
    fn every_kernel_has_a_family_and_every_source_is_there() {
        let rungs = ALL.iter().flat_map(|family| family.processor.iter().chain(family.gpu));
        let named: BTreeSet<_> =
            rungs.flat_map(|rung| rung.sources).map(|source| Path::new(KERNELS).join(source)).collect();
        for source in &named {
            assert!(source.is_file(), "{} is not there", source.display());
        }
        for source in gpu_sources(Path::new(KERNELS)) {
            assert!(named.contains(&source), "{} has no row in the families", source.display());
        }
    }

    #[test]
    fn every_case_has_sizes_of_all_its_axes() {
        for case in ALL.iter().flat_map(|family| family.cases) {
            for size in [case.small, case.cpu, case.gpu].into_iter().flatten() {
                assert_eq!(size.len(), case.axes.split(" x ").count(), "{} {size:?}", case.op);
            }
            assert!(![case.small, case.cpu, case.gpu].iter().any(|sizes| sizes.is_empty()), "{}", case.op);
        }
    }
}
