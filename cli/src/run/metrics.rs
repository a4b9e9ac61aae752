//! `metrics.jsonl`: one JSON object a line, each with its `step`, appended and in the system's hands at once.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The file, open for appending, locked against a second writer.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Makes the file. An error when it is there.
    pub fn create(path: &Path) -> Result<Metrics> {
        Metrics::with(OpenOptions::new().create_new(true), path)
    }

    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Metrics> {
        Metrics::with(OpenOptions::new().create(true), path)
    }

    fn with(options: &mut OpenOptions, path: &Path) -> Result<Metrics> {
        let file = options.append(true).read(true).open(path).map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            // A file system without locks: better unguarded than not at all.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
            Err(TryLockError::WouldBlock) => {
                let way_out = "wait for it to end";
                return Err(Error::usage(format!("another process is writing {}: {way_out}", path.display())));
            }
        }
        Ok(Metrics { path: path.to_owned(), file })
    }

    /// Appends a line. What is not finite is written as null.
    pub fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(line)
            .map_err(|error| Error::usage(format!("a line of {} is no JSON: {error}", self.path.display())))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::io("write", &self.path))
    }

    /// Cuts the file after the last line whose step is at most `step`, at a torn line if one comes first. A last line
    /// that lacks nothing but its end is mended.
    pub fn cut_back(&mut self, step: u64) -> Result<()> {
        let refused = |source| Error::io("cut back", &self.path)(source);
        let (length, ended) = whole(BufReader::new(File::open(&self.path).map_err(refused)?), step).map_err(refused)?;
        self.file.set_len(length).map_err(refused)?;
        if !ended {
            self.file.write_all(b"\n").map_err(refused)?;
        }
        self.file.sync_all().map_err(refused)
    }

    /// All whole lines of a file, for plots.
    pub fn read(path: &Path) -> Result<Vec<Map<String, Value>>> {
        let file = BufReader::new(File::open(path).map_err(Error::input(path))?);
        let lines = file.split(b'\n').map_while(|line| serde_json::from_slice(&line.ok()?).ok());
        Ok(lines.collect())
    }

    /// `(step, value)` of the lines that have a number under `name`.
    pub fn series(lines: &[Map<String, Value>], name: &str) -> Vec<(f64, f64)> {
        lines.iter().filter_map(|line| Some((line.get("step")?.as_f64()?, line.get(name)?.as_f64()?))).collect()
    }
}

#[derive(Deserialize)]
struct Step {
    step: u64,
}

/// Bytes of the leading lines that are whole and of a step up to `step`, and whether they end in a line end.
fn whole(mut file: impl BufRead, step: u64) -> std::io::Result<(u64, bool)> {
    let (mut length, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = Read::take(&mut file, LONGEST).read_until(b'\n', &mut line)?;
        if read == 0 || !serde_json::from_slice(&line).is_ok_and(|line: Step| line.step <= step) {
            return Ok((length, true));
        }
        length += read as u64;
        if line.last() != Some(&b'\n') {
            return Ok((length, false));
        }
    }
}

/// A line longer than this is none of ours.
const LONGEST: u64 = 1 << 20;
