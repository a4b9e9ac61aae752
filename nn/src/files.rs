//! Whole files, in and out, and what to say when the disk refuses. A file is written aside, flushed to the disk, and
//! renamed, so that at every moment there is the old one or the new one.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What the name of a file ends with while it is written.
const SUFFIX: &str = ".part";

/// All bytes of a regular file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let kind = fs::metadata(path).map_err(Error::io("read", path))?;
    if !kind.is_file() {
        return Err(Error::format(path, "is not a file; give the path of one"));
    }
    fs::read(path).map_err(Error::io("read", path))
}

/// Writes `bytes` to the file `path`, in the place of what was there. Missing folders are made. After an error what was
/// there still is, and nothing else.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, |out| Ok(out.write_all(bytes)?))
}

/// The same of what `write` writes.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let aside = aside(folder, path);
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

/// Removes what a process that was killed while writing left in a folder.
pub fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let stale = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with('.') && name.ends_with(SUFFIX)
    });
    stale.for_each(|entry| drop(fs::remove_file(entry.path())));
}

/// The system's reason, without its number, and the way out where there is one.
pub fn in_words(error: &io::Error) -> String {
    let words = error.to_string();
    let reason = words.split(" (os error").next().unwrap_or(&words);
    let way_out = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space, or give a folder on another disk",
        ErrorKind::FileTooLarge => "; raise the limit on file sizes, or give a folder on another disk",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; give a path that you have the rights for",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "; a file is in the way, give another path",
        ErrorKind::NotFound => "; look for a slip in the path",
        _ => "",
    };
    format!("{reason}{way_out}")
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

fn aside(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder.join(format!(".{name}.{}{SUFFIX}", std::process::id()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn another_in_its_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.txt");
        write(&path, b"first, and longer").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(home.path()), ["a.txt"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("big");
        fs::write(&path, b"before").unwrap();
        std::os::unix::fs::symlink("/dev/full", aside(home.path(), &path)).unwrap();
        let error = write(&path, &[0; 1 << 20]).unwrap_err();
        let want = "No space left on device; free some space, or give a folder on another disk";
        assert_eq!(error.to_string(), format!("cannot write {}: {want}", path.display()));
        assert!(!error.is_usage());
        assert_eq!((names(home.path()), fs::read(&path).unwrap()), (vec!["big".to_owned()], b"before".to_vec()));
    }

    #[test]
    fn leftovers_are_swept() {
        let home = tempfile::tempdir().unwrap();
        for name in [".checkpoint.safetensors.123.part", "run.toml"] {
            fs::write(home.path().join(name), b"?").unwrap();
        }
        sweep(home.path());
        assert_eq!(names(home.path()), ["run.toml"]);
    }

    #[test]
    fn the_disk_in_words() {
        for (code, want) in [
            (2, "No such file or directory; look for a slip in the path"),
            (13, "Permission denied; give a path that you have the rights for"),
            (28, "No space left on device; free some space, or give a folder on another disk"),
        ] {
            assert_eq!(in_words(&io::Error::from_raw_os_error(code)), want);
        }
    }
}
