//! Files that are whole or not there: written aside, synced and renamed.

use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to the file `path`, in the place of what was there. After an error what was there still is.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let aside = aside(path);
    let written = write_through(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&aside); // the error to tell is the first
        return Err(Error::io("write", path)(error));
    }
    sync_folder(path);
    Ok(())
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes what a process that was killed while writing left in a folder; `nn` names such files in the same way.
pub fn sweep(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let stale = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with('.') && name.ends_with(SUFFIX)
    });
    stale.for_each(|entry| drop(fs::remove_file(entry.path())));
}

const SUFFIX: &str = ".part";

fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(SUFFIX);
    path.with_file_name(name)
}

/// Makes the new name survive a loss of power. Not every system can sync a folder; none loses the contents.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
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
        std::os::unix::fs::symlink("/dev/full", aside(&path)).unwrap();
        let error = write(&path, &[0; 1 << 20]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot write {}: No space left on device; free some space, or give a folder on another disk",
                path.display()
            )
        );
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
}
