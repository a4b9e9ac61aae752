//! Whole files, in and out. A file is written aside, flushed to the disk, and renamed, so that at every moment there is
//! the old one or the new one.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// All bytes of a regular file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let kind = fs::metadata(path).map_err(Error::io("read", path))?;
    if !kind.is_file() {
        return Err(Error::format(path, "is not a file; give the path of one"));
    }
    fs::read(path).map_err(Error::io("read", path))
}

/// Replaces `path` by what `write` writes. Missing folders are made.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.join(format!(".{name}.{}.part", std::process::id()));
    let written = write_through(&aside, write).and_then(|()| Ok(fs::rename(&aside, path)?));
    if let Err(failure) = written {
        // It may never have come to be; the first failure is the one to report.
        let _ = fs::remove_file(&aside);
        return Err(match failure {
            Failure::Io(source) => Error::io("write", path)(source),
            Failure::Other(error) => error,
        });
    }
    sync_folder(folder).map_err(Error::io("write", folder))
}

/// Why writing stopped.
pub(crate) enum Failure {
    Io(io::Error),
    Other(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}
impl From<tensor::Error> for Failure {
    fn from(error: tensor::Error) -> Failure {
        Failure::Other(error.into())
    }
}

fn write_through(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(path)?);
    write(&mut out)?;
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

/// A rename lasts once its folder is on the disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
