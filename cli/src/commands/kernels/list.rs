//! `consort kernels list`: a line for each version of each family.

use crate::Summary;
use crate::args::KernelsList;
use crate::study::{Family, Rung, Version, families, versions};
use serde_json::{Value, json};
use tensor::Device;

pub(super) fn run(arguments: &KernelsList) -> anyhow::Result<Summary> {
    let families = families(arguments.kernel.as_deref())?;
    let device = arguments.machine.device()?;
    let mut text = format!("* runs on {}; sources are below kernels/src\n\n", named(&device));
    let mut all = vec![];
    for family in families {
        let rungs = rungs(family, &device);
        for (row, (version, rung, runs)) in rungs.iter().enumerate() {
            let name = if row == 0 { family.name } else { "" };
            let mark = if *runs { "*" } else { " " };
            text += &format!("{name:13} {mark} {version:9}  {:82}  {}\n", rung.idea, rung.sources.join(" "));
        }
        all.push(json!({ "kernel": family.name, "versions": rungs.iter().map(described).collect::<Vec<_>>(), "cases": cases(family) }));
    }
    let summary = Summary::new("kernels", "list", None).on(&device, arguments.machine.seed);
    Ok(summary.metric("kernels", all).told_as(&text))
}

/// The versions of a family by name, and whether they run here: on a GPU the processor is where the reference runs.
fn rungs<'a>(family: &'a Family, device: &Device) -> Vec<(String, &'a Rung, bool)> {
    let here = versions(family, device, None);
    let [reference, cpu] = &family.processor;
    let processor = [("reference".to_owned(), reference, true), ("cpu".into(), cpu, here.contains(&Version::Cpu))];
    let numbered = family.gpu.iter().zip(1..);
    let gpu = numbered.map(|(rung, number)| (format!("v{number}"), rung, here.contains(&Version::Gpu(number))));
    processor.into_iter().chain(gpu).collect()
}

fn described((version, rung, runs): &(String, &Rung, bool)) -> Value {
    json!({ "version": version, "idea": rung.idea, "sources": rung.sources, "runs": runs })
}

fn cases(family: &Family) -> Vec<Value> {
    let numbers = |case: &crate::study::Case| case.numbers.iter().map(|numbers| numbers.name()).collect::<Vec<_>>();
    family.cases.iter().map(|case| json!({ "case": case.op, "sizes": case.axes, "numbers": numbers(case) })).collect()
}

/// A device with what it is.
fn named(device: &Device) -> String {
    match device.kernels() {
        kernels::Device::Cpu(cpu) => format!("{} ({} threads, {:?})", device.name(), device.threads(), cpu.isa),
        kernels::Device::Cuda(cuda) => {
            let properties = cuda.properties();
            let (major, minor) = properties.capability;
            format!("{} ({}, compute capability {major}.{minor})", device.name(), properties.name)
        }
    }
}
