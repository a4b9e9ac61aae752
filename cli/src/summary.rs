//! What a command came to: one JSON object for programs, or a few lines for people.

use crate::args::Output;
use crate::{Error, Record, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tensor::{Cost, Device};

/// What a command came to. As JSON it has exactly these keys, in this order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// `train`, `compose`, ...
    pub command: String,
    /// `mnist-score`, `cmad`, ...
    pub method: String,
    /// `cpu`, ...
    pub device: String,
    /// Of the processor.
    pub threads: usize,
    /// Of all random numbers.
    pub seed: u64,
    /// Of the whole command, by the wall clock.
    pub seconds: f64,
    /// The most bytes that live tensors asked for at one time.
    pub peak_bytes: u64,
    /// By name.
    pub metrics: Map<String, Value>,
    /// The folder or file that was written.
    pub out: Option<PathBuf>,
    /// What people are told in the place of the metrics.
    #[serde(skip)]
    table: Option<String>,
}

impl Summary {
    /// Of a recorded run in the folder `out`, with the peak of the device's memory and its work so far.
    pub fn of(record: &Record, device: &Device, out: &Path) -> Summary {
        let summary = Summary::new(&record.command, &record.method, Some(out)).on(device, record.seed);
        match device.work() {
            Cost { flops: 0, bytes: 0 } => summary,
            Cost { flops, bytes } => summary.metric("flops", flops).metric("bytes", bytes),
        }
    }

    /// Of a command that computes nothing; `seconds` are filled in when it is told.
    pub fn new(command: &str, method: &str, out: Option<&Path>) -> Summary {
        Summary {
            command: command.into(),
            method: method.into(),
            device: "cpu".into(),
            threads: 1,
            seed: 0,
            seconds: 0.0,
            peak_bytes: 0,
            metrics: Map::new(),
            out: out.map(Path::to_owned),
            table: None,
        }
    }

    /// Computed on a device, with the peak of its memory so far.
    pub fn on(self, device: &Device, seed: u64) -> Summary {
        let peak_bytes = device.pool().account().requested_peak as u64;
        Summary { device: device.name().into(), threads: device.threads(), seed, peak_bytes, ..self }
    }

    /// With one more metric. What is not finite becomes null.
    pub fn metric(mut self, name: &str, value: impl Into<Value>) -> Summary {
        self.metrics.insert(name.into(), value.into());
        self
    }

    /// For people, `table` in the place of the metrics, after what was to be told in their place before.
    pub fn told_as(self, table: &str) -> Summary {
        Summary { table: Some(self.table.unwrap_or_default() + table), ..self }
    }

    /// Prints it to standard output: one line of JSON, or an aligned table and the place to look at.
    pub fn tell(mut self, output: &Output, took: Duration) -> Result<()> {
        self.seconds = took.as_secs_f64();
        let text = if output.json { self.to_json()? } else { self.for_people() };
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(Error::io("write", Path::new("standard output")))
    }

    fn to_json(&self) -> Result<String> {
        let line = serde_json::to_string(&Summary { out: self.out.as_deref().map(readable), ..self.clone() });
        Ok(line.map_err(|error| Error::usage(format!("the result is no JSON: {error}")))? + "\n")
    }

    fn for_people(&self) -> String {
        let width = self.metrics.keys().map(String::len).max().unwrap_or(0);
        let lines = || self.metrics.iter().map(|(name, value)| format!("{name:width$}  {}\n", short(value))).collect();
        let mut text: String = self.table.clone().unwrap_or_else(lines);
        if let Some(out) = &self.out {
            text += &format!("in {} after {}\n", out.display(), crate::progress::span(self.seconds));
        }
        text
    }
}

/// A path that JSON can hold.
fn readable(path: &Path) -> PathBuf {
    path.to_string_lossy().into_owned().into()
}

/// Four significant digits; whole numbers in full.
pub fn short(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => significant(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

/// Four significant digits, without an exponent where a reader can do without.
pub fn significant(x: f64) -> String {
    let magnitude = x.abs().log10().floor();
    match magnitude {
        _ if x == 0.0 => "0".into(),
        _ if !x.is_finite() => "-".into(),
        -4.0..6.0 => format!("{x:.*}", (3.0 - magnitude).max(0.0) as usize),
        _ => format!("{x:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let summary = Summary::new("compose", "cmad", Some(Path::new("runs/a")));
        summary.metric("samples", 36).metric("psi_mean", 0.123456).metric("frechet", f64::NAN)
    }

    #[test]
    fn keys_in_order() {
        assert_eq!(
            summary().to_json().unwrap(),
            "{\"command\":\"compose\",\"method\":\"cmad\",\"device\":\"cpu\",\"threads\":1,\"seed\":0,\"seconds\":0.0,\
             \"peak_bytes\":0,\"metrics\":{\"frechet\":null,\"psi_mean\":0.123456,\"samples\":36},\"out\":\"runs/a\"}\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text() {
        use std::os::unix::ffi::OsStrExt;
        let out = Path::new(std::ffi::OsStr::from_bytes(b"runs/\xff"));
        assert!(Summary::new("a", "b", Some(out)).to_json().unwrap().ends_with("\"out\":\"runs/\u{fffd}\"}\n"));
    }

    #[test]
    fn lines_for_people() {
        assert_eq!(summary().for_people(), "frechet   -\npsi_mean  0.1235\nsamples   36\nin runs/a after 0.0 s\n");
    }

    #[test]
    fn digits() {
        for (x, text) in [
            (0.0, "0"),
            (1.0, "1.000"),
            (-0.012345, "-0.01235"),
            (98.7654, "98.77"),
            (123_456.7, "123457"),
            (1e9, "1.000e9"),
            (2e-7, "2.000e-7"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(significant(x), text);
        }
    }
}
