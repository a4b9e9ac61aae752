//! Where a loop puts the states it keeps: in the device's memory, or in a file, bit for bit.
//!
//! States come and go as on a stack, so a file is written and read at multiples of one state's bytes. It has no name, and
//! is gone with the loop, however that ends.

use crate::error::{Kind, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tensor::{DType, Device, Dims, Tensor};

/// Where states are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// Where they were made.
    #[default]
    Memory,
    /// In a file in this folder.
    Folder(PathBuf),
}

/// A stack of states.
pub(crate) enum Shelf {
    Here(Vec<Vec<Tensor>>),
    Away(Away),
}

impl Shelf {
    /// An empty one.
    pub(crate) fn new(store: &Store) -> Result<Shelf> {
        match store {
            Store::Memory => Ok(Shelf::Here(vec![])),
            Store::Folder(folder) => Away::new(folder).map(Shelf::Away),
        }
    }

    /// Puts a state on top.
    pub(crate) fn push(&mut self, state: Vec<Tensor>) -> Result<()> {
        match self {
            Shelf::Here(all) => all.push(state),
            Shelf::Away(away) => away.push(&state)?,
        }
        Ok(())
    }

    /// The one on top, which stays.
    pub(crate) fn top(&mut self) -> Result<Option<Vec<Tensor>>> {
        match self {
            Shelf::Here(all) => Ok(all.last().cloned()),
            Shelf::Away(away) => away.top(),
        }
    }

    /// Gives up all but the lowest `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        match self {
            Shelf::Here(all) => all.truncate(count),
            Shelf::Away(away) => away.count = away.count.min(count),
        }
    }
}

/// A stack in a file.
pub(crate) struct Away {
    file: File,
    folder: PathBuf,
    count: usize,
    /// What the bytes of a state do not say.
    like: Vec<Like>,
}

/// What the bytes of a tensor do not say.
struct Like {
    device: Device,
    dtype: DType,
    shape: Dims,
    is_channels_last: bool,
}

impl Away {
    fn new(folder: &Path) -> Result<Away> {
        let failed = |source| Kind::Store { folder: folder.into(), bytes: 0, source };
        Ok(Away { file: tempfile::tempfile_in(folder).map_err(failed)?, folder: folder.into(), count: 0, like: vec![] })
    }

    fn push(&mut self, state: &[Tensor]) -> Result<()> {
        self.like = state.iter().map(Like::of).collect();
        self.seek(self.count)?;
        for x in state {
            let bytes = x.to_bytes()?;
            self.file.write_all(&bytes).map_err(|source| self.failed(source))?;
        }
        self.count += 1;
        Ok(())
    }

    fn top(&mut self) -> Result<Option<Vec<Tensor>>> {
        let Some(last) = self.count.checked_sub(1) else { return Ok(None) };
        self.seek(last)?;
        let mut state = Vec::with_capacity(self.like.len());
        for like in &self.like {
            let mut bytes = vec![0; like.bytes()];
            (&self.file).read_exact(&mut bytes).map_err(|source| self.failed(source))?;
            state.push(like.tensor(&bytes)?);
        }
        Ok(Some(state))
    }

    fn bytes(&self) -> u64 {
        self.like.iter().map(|like| like.bytes() as u64).sum()
    }

    /// To where state number `index` is.
    fn seek(&mut self, index: usize) -> Result<()> {
        let place = SeekFrom::Start(index as u64 * self.bytes());
        self.file.seek(place).map(drop).map_err(|source| self.failed(source).into())
    }

    fn failed(&self, source: std::io::Error) -> Kind {
        Kind::Store { folder: self.folder.clone(), bytes: (self.count as u64 + 1) * self.bytes(), source }
    }
}

impl Like {
    fn of(x: &Tensor) -> Like {
        let layout = x.layout();
        let is_channels_last = layout.is_channels_last() && !layout.is_contiguous();
        Like { device: x.device().clone(), dtype: x.dtype(), shape: x.dims(), is_channels_last }
    }

    fn bytes(&self) -> usize {
        self.shape.count() * self.dtype.size()
    }

    fn tensor(&self, bytes: &[u8]) -> Result<Tensor> {
        let x = Tensor::from_bytes(&self.device, self.dtype, &self.shape, bytes)?;
        if self.is_channels_last { Ok(x.channels_last()?) } else { Ok(x) }
    }
}
