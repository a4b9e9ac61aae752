//! Run folders: everything one command makes, in one place.
//!
//! `run.toml` says what was asked for ([`Record`]), `metrics.jsonl` how it went ([`Metrics`]), and whatever else the
//! command writes is whole or not there. A command that fails before it made anything leaves no folder behind, and a
//! folder has one writer at a time.

mod clock;
mod metrics;
mod record;

pub use metrics::Metrics;
pub use record::Record;

use crate::{Error, Result};
use nn::files;
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that a training run goes on from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
const RECORD: &str = "run.toml";
const METRICS: &str = "metrics.jsonl";

/// A folder being written.
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    metrics: Metrics,
    made: Option<Made>,
}

impl RunFolder {
    /// Makes the folder `out`, or `runs/<command>-<time>`, with its `run.toml` and an empty `metrics.jsonl`. An error when
    /// `out` is there and not empty, or cannot be written; then nothing is left of it.
    pub fn create(out: Option<&Path>, record: &Record) -> Result<RunFolder> {
        let text = record.to_toml()?;
        let dir = out.map_or_else(|| vacant(&record.command), Path::to_owned);
        refuse_occupied(&dir)?;
        let mut made = Made::folders(&dir)?;
        // What another process made first is not ours to take back.
        let metrics = Metrics::create(&dir.join(METRICS))?;
        made.claim(dir.join(METRICS));
        files::write(&made.claim(dir.join(RECORD)), text.as_bytes())?;
        Ok(RunFolder { dir, metrics, made: Some(made) })
    }

    /// Opens a folder that an earlier process wrote, to go on with its run: what it was asked for, and the folder. Call
    /// [`RunFolder::cut_back`] with the checkpoint's step before the first [`RunFolder::metric`].
    pub fn resume(dir: &Path) -> Result<(RunFolder, Record)> {
        let record = Record::read(&dir.join(RECORD))?;
        if record.command != "train" {
            let what = format!("holds a run of `consort {}`, which is no training: start it again", record.command);
            return Err(Error::usage(format!("{} {what} with another `--out`", dir.display())));
        }
        let metrics = Metrics::open(&dir.join(METRICS))?;
        files::sweep(dir);
        files::sweep(&dir.join("model"));
        Ok((RunFolder { dir: dir.to_owned(), metrics, made: None }, record))
    }

    /// Whether there is a checkpoint to go on from; a training that was killed before its first begins again.
    pub fn has_checkpoint(&self) -> bool {
        self.dir.join(CHECKPOINT).is_file()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Has `write` make the file or the folder `name` at the path it is given. With the first that is made the run folder
    /// stays, whatever happens.
    pub fn make<T, E>(
        &mut self,
        name: &str,
        write: impl FnOnce(&Path) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let path = self.dir.join(name);
        let written = write(&path);
        match &mut self.made {
            Some(_) if written.is_ok() => self.keep(),
            // A folder that was begun and is empty goes with the rest.
            Some(made) => made.folders.insert(0, path),
            None => {}
        }
        written
    }

    /// The lines of `metrics.jsonl` so far, for plots.
    pub fn metrics(&self) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
        Metrics::read(&self.dir.join(METRICS))
    }

    /// The `seconds` of the last line, 0 where there is none: how long the run has taken so far.
    pub fn seconds(&self) -> Result<f64> {
        Ok(self.metrics()?.last().and_then(|line| line.get("seconds")?.as_f64()).unwrap_or(0.0))
    }

    /// Appends one line to `metrics.jsonl`: an object with a whole number `step`, the updates done so far.
    pub fn metric(&mut self, line: &impl Serialize) -> Result<()> {
        self.metrics.append(line)?;
        self.keep();
        Ok(())
    }

    /// Drops the lines of `metrics.jsonl` with a step above `step`, and a line that was torn when its writer died.
    pub fn cut_back(&mut self, step: u64) -> Result<()> {
        self.metrics.cut_back(step)
    }

    /// Writes a file of the folder, whole.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(self.make(name, |path| files::write(path, bytes))?)
    }

    fn keep(&mut self) {
        if let Some(made) = self.made.take() {
            made.keep();
        }
    }
}

/// What was created, to be taken back unless it is kept.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    /// The deepest first.
    folders: Vec<PathBuf>,
}

impl Made {
    /// Creates the folder and those above it that are not there.
    fn folders(dir: &Path) -> Result<Made> {
        let missing = dir.ancestors().filter(|folder| !folder.as_os_str().is_empty());
        let made = Made {
            files: vec![],
            folders: missing.take_while(|folder| !folder.exists()).map(Path::to_owned).collect(),
        };
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        Ok(made)
    }

    fn claim(&mut self, file: PathBuf) -> PathBuf {
        self.files.push(file.clone());
        file
    }

    fn keep(mut self) {
        (self.files, self.folders) = Default::default();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.files.iter().for_each(|file| drop(fs::remove_file(file)));
        self.folders.iter().for_each(|folder| drop(fs::remove_dir(folder))); // only if nobody else put something there
    }
}

/// A folder of today's that is not there yet.
fn vacant(command: &str) -> PathBuf {
    let name = format!("{command}-{}", clock::stamp());
    let names = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}-{n}")));
    names.map(|name| Path::new("runs").join(name)).find(|path| !path.exists()).unwrap_or_default()
}

fn refuse_occupied(dir: &Path) -> Result<()> {
    let first = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next(),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io("use", dir)(error)),
    };
    let dir = dir.display();
    match first {
        None => Ok(()),
        Some(_) if Path::new(&dir.to_string()).join(CHECKPOINT).exists() => Err(Error::usage(format!(
            "{dir} holds an earlier run: go on with it by `--resume {dir}`, or give another `--out`"
        ))),
        Some(_) => Err(Error::usage(format!("{dir} is not empty: give another `--out`, or clear it first"))),
    }
}

#[cfg(test)]
mod tests;
