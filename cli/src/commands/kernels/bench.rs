//! `consort kernels bench`: each version checked at small sizes, then timed; a table, and a picture under the roofs.

use super::say;
use crate::args::KernelsBench;
use crate::bench::Clock;
use crate::plot::{Dot, Roofline};
use crate::study::{
    Measured, Numbers, Problem, Roofs, Sizes, Version, check_version, measure, problems, reference, verify, versions,
};
use crate::{Record, RunFolder, Summary};
use std::fmt::Write;
use tensor::Device;

pub(super) fn run(arguments: &KernelsBench) -> anyhow::Result<Summary> {
    let (device, seed) = (arguments.machine.device()?, arguments.machine.seed);
    let host = Device::cpu(arguments.machine.threads);
    let only = arguments.choice.version.map(|version| version.number());
    let sizes = if arguments.rehearse { Sizes::Small } else { Sizes::Full };
    let problems = problems(&device, arguments.choice.kernel.as_deref(), sizes)?;
    check_version(&device, &problems, only)?;
    let record = Record::new("kernels", "bench", &device, seed);
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;

    let mut clock = Clock::new(&device, arguments.rehearse)?;
    let roofs = Roofs::new(&device, &numbers(&problems), &mut clock, arguments.rehearse)?;
    say(&arguments.output, &told(&device, &roofs, arguments.rehearse))?;
    let (mut rows, mut wrong) = (vec![], vec![]);
    for problem in &problems {
        for version in versions(problem.family, &device, only) {
            match checked(&host, &device, problem, version, seed)? {
                Ok(error) => {
                    let row = measure(&device, problem, version, &mut clock, seed)?;
                    let row = row.map(|row| Measured { error, ..row });
                    say(&arguments.output, &line(problem, version, row.as_ref(), &roofs))?;
                    rows.extend(row);
                }
                Err(worst) => {
                    say(&arguments.output, &format!("WRONG {worst}"))?;
                    wrong.push(worst);
                }
            }
        }
    }
    folder.write("bench.csv", csv(&rows, &roofs).as_bytes())?;
    folder.write("roofline.svg", picture(&rows, &roofs).svg().as_bytes())?;
    if !wrong.is_empty() {
        anyhow::bail!("wrong, and not timed: {}", wrong.join("; "));
    }
    let summary = Summary::of(&record, &device, folder.dir()).metric("rows", rows.len());
    Ok(summary.metric("copy_gb_per_s", roofs.bandwidth / 1e9).told_as(""))
}

/// The kinds of numbers that the problems compute in.
fn numbers(problems: &[Problem]) -> Vec<Numbers> {
    let mut found: Vec<Numbers> = vec![];
    for problem in problems {
        if !found.contains(&problem.numbers) {
            found.push(problem.numbers);
        }
    }
    found
}

/// The largest error of a version at the sizes to check with, in units of what is allowed; in words where it is wrong.
fn checked(
    host: &Device,
    device: &Device,
    problem: &Problem,
    version: Version,
    seed: u64,
) -> tensor::Result<Result<f64, String>> {
    let mut error = 0.0f64;
    for small in problem.small() {
        let verdict = verify(host, device, &small, version, &reference(host, &small, seed)?, seed)?;
        if !verdict.is_ok() {
            return Ok(Err(format!("{} {version}: {}", small.name(), verdict.worst)));
        }
        error = error.max(verdict.error);
    }
    Ok(Ok(error))
}

/// What the roofs are, and of what.
fn told(device: &Device, roofs: &Roofs, is_rehearsed: bool) -> String {
    let mut text = format!("roofs of this run: copies {}", rate(roofs.bandwidth, "B/s"));
    for &(numbers, speed) in &roofs.compute {
        let _ = write!(text, "; {} {}", Roofs::product(device, numbers, is_rehearsed).name(), rate(speed, "FLOP/s"));
    }
    text
}

/// `matmul f32 1024 x 1024 x 1024   cpu   20.3 ms   105.7 GFLOP/s   0.6 GB/s   170.7 FLOP/B   98 %`.
fn line(problem: &Problem, version: Version, measured: Option<&Measured>, roofs: &Roofs) -> String {
    let name = format!("{:46} {version:3}", problem.name());
    let Some(measured) = measured else { return format!("{name}  -") };
    format!(
        "{name} {:10.4} ms {:>15} {:>13} {:9.3} FLOP/B {:5.0} % of the roof",
        measured.milliseconds,
        if measured.flops > 0.0 { rate(measured.speed(), "FLOP/s") } else { "-".into() },
        rate(measured.bandwidth(), "B/s"),
        measured.intensity(),
        100.0 * roofs.part(measured),
    )
}

/// A rate in thousands, millions, .. a second.
fn rate(rate: f64, unit: &str) -> String {
    let (scale, prefix) = match rate {
        rate if rate >= 1e12 => (1e12, "T"),
        rate if rate >= 1e9 => (1e9, "G"),
        _ => (1e6, "M"),
    };
    format!("{:.1} {prefix}{unit}", rate / scale)
}

/// One line a measurement.
fn csv(rows: &[Measured], roofs: &Roofs) -> String {
    let mut text =
        String::from("kernel,case,version,ms,tflops,gb_per_s,flops_per_byte,part_of_roof,error_of_allowed\n");
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{},\"{}\",{},{:.5},{:.5},{:.2},{:.4},{:.4},{:.4}",
            row.problem.family.name,
            row.problem.name(),
            row.version,
            row.milliseconds,
            row.speed() / 1e12,
            row.bandwidth() / 1e9,
            row.intensity(),
            roofs.part(row),
            row.error,
        );
    }
    text
}

/// A dot for each row, a group for each family.
fn picture(rows: &[Measured], roofs: &Roofs) -> Roofline {
    let mut picture = Roofline::new(&format!("copies {}", rate(roofs.bandwidth, "B/s")), roofs.bandwidth);
    for &(numbers, speed) in &roofs.compute {
        picture = picture.ceiling(&format!("matmul {} {}", numbers.name(), rate(speed, "FLOP/s")), speed);
    }
    for rows in rows.chunk_by(|a, b| a.problem.family.name == b.problem.family.name) {
        picture = picture.group(rows[0].problem.family.name, rows.iter().map(|row| dot(row, roofs)).collect());
    }
    picture
}

fn dot(row: &Measured, roofs: &Roofs) -> Dot {
    let is_arithmetic = row.flops > 0.0;
    Dot {
        name: row.problem.name(),
        version: row.version.to_string(),
        intensity: row.intensity(),
        speed: row.speed(),
        told: if is_arithmetic { rate(row.speed(), "FLOP/s") } else { rate(row.bandwidth(), "B/s") },
        part: roofs.part(row),
    }
}
