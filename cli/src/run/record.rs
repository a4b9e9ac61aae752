//! `run.toml`: what a command was asked for, with every default spelled out, so that it can be repeated or gone on with.

use super::clock;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use tensor::Device;
use toml::Table;

/// What a command was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `train`, `compose`, ...
    pub command: String,
    /// `mnist-score`, `cmad`, ...
    pub method: String,
    /// Of this program.
    pub version: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// As typed, to type again.
    pub command_line: String,
    /// `cpu`, ...
    pub device: String,
    /// Of the processor.
    pub threads: usize,
    /// Of all random numbers.
    pub seed: u64,
    /// What follows from the rest, for the reader; nothing reads it back.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub derived: Table,
    /// What the command line asks for beyond the preset: target, agents, ...
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub arguments: Table,
    /// The preset with `--set` applied.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub preset: Table,
}

impl Record {
    /// A record of this process, starting now.
    pub fn new(command: &str, method: &str, device: &Device, seed: u64) -> Record {
        Record {
            command: command.into(),
            method: method.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            started: clock::instant(),
            command_line: crate::args::command_line(),
            device: device.name().into(),
            threads: device.threads(),
            seed,
            derived: Table::new(),
            arguments: Table::new(),
            preset: Table::new(),
        }
    }

    /// With a struct as `preset`.
    pub fn with_preset(self, preset: &impl Serialize) -> Result<Record> {
        Ok(Record { preset: table(preset)?, ..self })
    }

    /// With a struct as `arguments`.
    pub fn with_arguments(self, arguments: &impl Serialize) -> Result<Record> {
        Ok(Record { arguments: table(arguments)?, ..self })
    }

    /// With one more line of `derived`.
    pub fn with_derived(mut self, name: &str, value: impl Into<toml::Value>) -> Record {
        self.derived.insert(name.into(), value.into());
        self
    }

    /// The preset that [`Record::with_preset`] was given. An error when it is of another kind.
    pub fn preset<T: DeserializeOwned>(&self) -> Result<T> {
        self.read_back("preset", &self.preset)
    }

    /// The arguments that [`Record::with_arguments`] was given. An error when they are of another kind.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T> {
        self.read_back("arguments", &self.arguments)
    }

    /// Refuses to go on with a run of another command.
    pub fn expect(&self, command: &str, method: &str) -> Result<()> {
        if (&*self.command, &*self.method) == (command, method) {
            return Ok(());
        }
        let (its_command, its_method) = (&self.command, &self.method);
        Err(Error::usage(format!(
            "the folder holds a run of `consort {its_command} {its_method}`, not of `consort {command} {method}`: \
             resume it with the command that began it"
        )))
    }

    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::usage(format!("the run cannot be recorded as TOML: {error}")))
    }

    /// Reads a `run.toml`.
    pub fn read(path: &Path) -> Result<Record> {
        let text = fs::read_to_string(path).map_err(Error::input(path))?;
        toml::from_str(&text).map_err(|error| unlike(path.display(), error.message()))
    }

    fn read_back<T: DeserializeOwned>(&self, part: &str, table: &Table) -> Result<T> {
        table.clone().try_into().map_err(|error: toml::de::Error| {
            unlike(format!("[{part}] of the run of {} {}", self.command, self.method), error.message())
        })
    }
}

fn table(value: &impl Serialize) -> Result<Table> {
    Table::try_from(value).map_err(|error| Error::usage(format!("the run cannot be recorded as TOML: {error}")))
}

fn unlike(what: impl std::fmt::Display, error: &str) -> Error {
    let way_out = "it was written by hand or by another version, make it again";
    Error::usage(format!("{what} is no record of a run ({}): {way_out}", error.trim().replace('\n', " ")))
}
