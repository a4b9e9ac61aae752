//! `consort bench cpu`: kernels and networks checked and timed on the processor, beside the roofs of the same run and a
//! peer's times.

use crate::args::BenchCpu;
use crate::bench::{Bench, Clock, Row, busy_cores};
use crate::commands::say;
use crate::study::{Numbers, Roofs, Sizes, Version, problems, reference, verify};
use crate::{Error, Record, RunFolder, Summary};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use tensor::Device;

/// Cores that others may keep busy.
const QUIET: f64 = 0.15;

pub(super) fn run(arguments: &BenchCpu) -> anyhow::Result<Summary> {
    let device = Device::cpu(arguments.threads);
    let peer = arguments.against.as_deref().map(times).transpose()?;
    let busy = busy_cores().filter(|&cores| cores > QUIET && !arguments.busy && !arguments.rehearse);
    if let Some(cores) = busy {
        let what = format!("other programs keep {cores:.1} cores busy, and times would be theirs too");
        return Err(Error::usage(format!("{what}: wait for them, or give `--busy`")).into());
    }
    if let Some(only) = &arguments.only {
        let mut rehearsal = Bench::new(&device, Some(only.clone()), [true, false], |_| ())?;
        rehearsal.all()?;
        if rehearsal.rows.is_empty() {
            let what = format!("nothing is called `{only}`: try `--only conv` or `--only \"U-Net A\"`");
            return Err(Error::usage(what).into());
        }
    }
    let record = Record::new("bench", "cpu", &device, 0);
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    let checked = check(&device)?;
    say(&arguments.output, &format!("{checked} cases of kernels checked, none wrong"))?;

    let mut clock = Clock::warm(&device, arguments.rehearse)?;
    let roofs = Roofs::new(&device, &[Numbers::F32], &mut clock, arguments.rehearse)?;
    let [bandwidth, speed] = [roofs.bandwidth, roofs.compute(Numbers::F32)].map(|roof| roof / 1e9);
    say(&arguments.output, &format!("roofs of this run: copies {bandwidth:.1} GB/s, products {speed:.1} GFLOP/s"))?;
    let told = Told { roofs: [bandwidth, speed], peer: peer.unwrap_or_default() };
    let (output, shown) = (arguments.output.clone(), told.clone());
    // That nobody listens shows at the end.
    let tell = move |row: &Row| drop(say(&output, &shown.line(row)));
    let mut bench = Bench::new(&device, arguments.only.clone(), [arguments.rehearse, false], tell)?;
    bench.all()?;
    folder.write("bench.csv", told.csv(&bench.rows).as_bytes())?;
    let mut summary = Summary::of(&record, &device, folder.dir());
    summary = summary.metric("copy_gb_per_s", bandwidth).metric("matmul_gflops", speed);
    for row in &bench.rows {
        summary = summary.metric(&metric(&row.name), row.milliseconds);
    }
    Ok(summary.metric("peer_over_ours", told.ratios(&bench.rows)).told_as(""))
}

/// Every case of every kernel against its definition, at the sizes to check with; how many there are.
fn check(device: &Device) -> anyhow::Result<usize> {
    let cases = problems(device, None, Sizes::Small)?;
    for problem in &cases {
        let verdict = verify(device, device, problem, Version::Cpu, &reference(device, problem, 0)?, 0)?;
        if !verdict.is_ok() {
            anyhow::bail!("{} is wrong, so nothing is timed: {}", problem.name(), verdict.worst);
        }
    }
    Ok(cases.len())
}

/// What is told of a row beside its time.
#[derive(Clone)]
struct Told {
    /// GB/s, GFLOP/s.
    roofs: [f64; 2],
    /// The peer's milliseconds.
    peer: BTreeMap<String, f64>,
}

impl Told {
    /// The least time that the roofs leave it, as a part of the time that it took.
    fn part(&self, row: &Row) -> f64 {
        let [bandwidth, speed] = self.roofs;
        (row.bytes / bandwidth).max(row.flops / speed) / 1e6 / row.milliseconds
    }

    /// How often ours is done in the peer's time.
    fn ratio(&self, row: &Row) -> Option<f64> {
        self.peer.get(&row.name).map(|peer| peer / row.milliseconds)
    }

    fn line(&self, row: &Row) -> String {
        let Row { name, milliseconds, .. } = row;
        let (speed, part) = (row.flops / milliseconds / 1e6, 100.0 * self.part(row));
        let line = format!("{name:44} {milliseconds:10.3} ms {speed:8.1} GFLOP/s {part:5.0} % of the roof");
        match (self.peer.get(name), self.ratio(row)) {
            (Some(peer), Some(ratio)) => format!("{line}   peer {peer:10.3} ms, {ratio:.2} x"),
            _ => line,
        }
    }

    fn csv(&self, rows: &[Row]) -> String {
        let mut text = String::from("name,ms,gflops,part_of_roof,peer_ms,peer_over_ours\n");
        for row in rows {
            let Row { name, milliseconds, flops, .. } = row;
            let optional = |number: Option<f64>| number.map_or(String::new(), |number| format!("{number:.4}"));
            let (peer, ratio) = (optional(self.peer.get(name).copied()), optional(self.ratio(row)));
            let (speed, part) = (flops / milliseconds / 1e6, self.part(row));
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name},{milliseconds:.4},{speed:.2},{part:.4},{peer},{ratio}");
        }
        text
    }

    fn ratios(&self, rows: &[Row]) -> Value {
        let ratios = rows.iter().filter_map(|row| Some((metric(&row.name), json!(self.ratio(row)?))));
        Value::Object(ratios.collect::<Map<_, _>>())
    }
}

/// `unet_a_train_step_ms` of `U-Net A f32 train step b64`.
fn metric(name: &str) -> String {
    let plain = name.replace("U-Net", "unet").replace(" f32", "").replace("train step b64", "train step");
    plain.to_lowercase().replace([' ', '-'], "_") + "_ms"
}

/// Lines of `name,ms` below a head.
fn times(file: &Path) -> crate::Result<BTreeMap<String, f64>> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    let line = |(number, line): (usize, &str)| -> crate::Result<(String, f64)> {
        let parsed =
            line.rsplit_once(',').and_then(|(name, ms)| Some((name.to_owned(), ms.trim().parse::<f64>().ok()?)));
        let what = format!("{}: line {} is `{line}`; each is a name and milliseconds", file.display(), number + 1);
        parsed.filter(|(_, ms)| *ms > 0.0).ok_or_else(|| Error::usage(what))
    };
    text.lines().enumerate().skip(1).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_programs() {
        for (name, want) in [
            ("U-Net A f32 train step b64", "unet_a_train_step_ms"),
            ("U-Net B f32 forward b64", "unet_b_forward_b64_ms"),
            ("U-Net C f32 forward b1", "unet_c_forward_b1_ms"),
            ("conv 64x32x28 to 32 forward", "conv_64x32x28_to_32_forward_ms"),
        ] {
            assert_eq!(metric(name), want);
        }
    }

    #[test]
    fn a_peers_file_is_read_or_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("peer.csv");
        std::fs::write(&file, "name,ms\nmatmul 256,0.5\n").unwrap();
        assert_eq!(times(&file).unwrap(), BTreeMap::from([("matmul 256".to_owned(), 0.5)]));
        std::fs::write(&file, "name,ms\nmatmul 256,fast\n").unwrap();
        assert!(times(&file).unwrap_err().to_string().contains("line 2 is `matmul 256,fast`"));
        assert!(times(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
