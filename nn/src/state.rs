//! What a training run needs to go on: tensors and free text by name, in one file.

use crate::checkpoint::{compare, set_all};
use crate::error::{Error, Kind, Result};
use crate::module::Module;
use crate::param::Param;
use crate::tensor_file::{self, TensorFile};
use autograd::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// Named tensors and metadata, to be written. The same content gives the same bytes.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
    /// By name.
    pub metadata: BTreeMap<String, String>,
}

impl State {
    /// Adds a module's parameters, `prefix` before their names. They are not copied: write before the next step.
    pub fn add_module(&mut self, prefix: &str, module: &(impl Module + ?Sized)) {
        self.tensors.extend(
            module.named_parameters().into_iter().map(|(name, param)| (format!("{prefix}{name}"), param.value())),
        );
    }

    /// Writes the file; it appears whole, or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        tensor_file::write(path, &self.tensors, &self.metadata)
    }
}

/// A state file, read. Tensors are made when they are asked for.
pub struct SavedState {
    file: TensorFile,
}

impl SavedState {
    /// Reads a file that [`State::save`] wrote.
    pub fn read(path: &Path) -> Result<SavedState> {
        Ok(SavedState { file: TensorFile::read(path)? })
    }

    /// The tensor `name`, in the type it was saved in.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        self.file.tensor(name, device)
    }

    /// The names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.entries.keys().map(String::as_str)
    }

    /// The metadata under `key`.
    pub fn text(&self, key: &str) -> Result<&str> {
        let text = self.file.metadata.get(key).map(String::as_str);
        text.ok_or_else(|| self.wrong(format!("has no entry `{key}`; is it of another command or version?")))
    }

    /// The metadata under `key` as a number.
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse().map_err(|_| self.wrong(format!("has `{key}`: {text}, which is not such a number as is expected")))
    }

    /// Sets every parameter of a module from what [`State::add_module`] put under `prefix`.
    pub fn restore_module(&self, prefix: &str, module: &(impl Module + ?Sized)) -> Result<()> {
        self.restore(prefix, &module.named_parameters())
    }

    /// Sets parameters from the tensors under `prefix`. Nothing is set where the two do not fit.
    pub(crate) fn restore(&self, prefix: &str, params: &[(String, Param)]) -> Result<()> {
        let report = compare(params, &self.file, prefix);
        if !report.is_clean() {
            return Err(Kind::Load { path: self.file.path.clone(), report }.into());
        }
        set_all(params, &self.file, prefix)
    }

    fn wrong(&self, what: String) -> Error {
        Error::format(&self.file.path, what)
    }
}
