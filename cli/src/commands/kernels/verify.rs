//! `consort kernels verify`: a line for each problem and version; an error if a result is wrong.

use super::say;
use crate::Summary;
use crate::args::KernelsVerify;
use crate::study::{Problem, Sizes, Verdict, Version, check_version, problems, reference, verify, versions};
use serde_json::{Value, json};
use tensor::Device;

pub(super) fn run(arguments: &KernelsVerify) -> anyhow::Result<Summary> {
    let (device, seed) = (arguments.machine.device()?, arguments.machine.seed);
    let host = Device::cpu(arguments.machine.threads);
    let only = arguments.choice.version.map(|version| version.number());
    let problems = problems(&device, arguments.choice.kernel.as_deref(), Sizes::Small)?;
    check_version(&device, &problems, only)?;
    let (mut all, mut wrong, mut checked) = (vec![], vec![], 0);
    for problem in &problems {
        let versions = versions(problem.family, &device, only);
        let want = if versions.is_empty() { vec![] } else { reference(&host, problem, seed)? };
        for version in versions {
            let verdict = verify(&host, &device, problem, version, &want, seed)?;
            say(&arguments.output, &line(problem, version, &verdict))?;
            checked += usize::from(verdict.version == version);
            if !verdict.is_ok() {
                wrong.push(format!("{} {version}", problem.name()));
            }
            all.push(described(problem, version, &verdict));
        }
    }
    if !wrong.is_empty() {
        anyhow::bail!("{} of {checked} are wrong: {}", wrong.len(), wrong.join(", "));
    }
    let told = format!("{checked} checked on {}, none wrong\n", device.name());
    let summary = Summary::new("kernels", "verify", None).on(&device, seed);
    Ok(summary.metric("checked", checked).metric("cases", all).told_as(&told))
}

/// `ok    matmul bf16 72 x 136 x 328   v2   error 0.02 of what is allowed`.
fn line(problem: &Problem, version: Version, verdict: &Verdict) -> String {
    let name = problem.name();
    match (verdict.version == version, verdict.is_ok()) {
        (false, true) => format!("-     {name:44} {version:3}  {} runs in its place", verdict.version),
        (_, true) if verdict.is_exact => format!("ok    {name:44} {version:3}  every bit"),
        (_, true) => format!("ok    {name:44} {version:3}  error {:.2} of what is allowed", verdict.error),
        (_, false) => {
            let Verdict { version, error, worst, .. } = verdict;
            format!("WRONG {name:44} {version:3}  error {error:.2} of what is allowed: {worst}")
        }
    }
}

fn described(problem: &Problem, version: Version, verdict: &Verdict) -> Value {
    json!({
        "kernel": problem.family.name,
        "case": problem.name(),
        "version": version.to_string(),
        "ran": verdict.version.to_string(),
        "error": verdict.error,
    })
}
