//! `consort bench cuda`: kernels and networks timed on a GPU, beside the roofs of the same run.

use crate::args::BenchCuda;
use crate::bench::{self, Row};
use crate::{Error, Record, RunFolder, Summary};
use std::fmt::Write;
use tensor::Device;

pub(super) fn run(arguments: &BenchCuda) -> anyhow::Result<Summary> {
    let device = arguments.machine.device()?;
    let quiet = arguments.output.quiet || arguments.output.json;
    let tell = move |row: &Row| {
        if !quiet {
            eprintln!(
                "{:52} {:9.4} ms {:8.1} TFLOP/s {:8.0} GB/s",
                row.name,
                row.milliseconds,
                row.tflops(),
                row.bandwidth()
            );
            for kernel in row.kernels.iter().take(20) {
                eprintln!("    {:8.3} ms {:5} x {}", kernel.milliseconds, kernel.launches, kernel.kernel);
            }
        }
    };
    if device.is_cpu() {
        let what = format!("`{}` is no GPU: `consort bench cuda` needs `--device cuda:0`", device.name());
        return Err(Error::usage(what).into());
    }
    let mut bench = bench::Bench::new(&device, arguments.only.clone(), [arguments.rehearse, arguments.profile], tell)?;
    let record = Record::new("bench", "cuda", &device, arguments.machine.seed);
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    bench.all()?;
    folder.write("bench.csv", csv(&bench.rows).as_bytes())?;
    let summary =
        Summary::of(&record, &device, folder.dir()).metric("gpu", gpu(&device)).metric("rows", bench.rows.len());
    Ok(summary.told_as(""))
}

/// One line a measurement.
fn csv(rows: &[Row]) -> String {
    let mut text = String::from("name,ms,tflops,gb_per_s\n");
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{},{:.5},{:.3},{:.1}", row.name, row.milliseconds, row.tflops(), row.bandwidth());
    }
    text
}

fn gpu(device: &Device) -> String {
    match device.kernels() {
        kernels::Device::Cuda(cuda) => cuda.properties().name.clone(),
        kernels::Device::Cpu(_) => String::new(),
    }
}
