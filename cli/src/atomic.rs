//! Files that are whole or not there: written aside, synced and renamed.

use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to the file `path`, in the place of what was there. After an error what was there still is.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes).map_err(Error::io("write", path)))
}

/// As [`write`], for what comes piece by piece or from another crate: `fill` gets the file and fails in its own words.
pub fn write_with<E: From<Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let aside = aside(path);
    let written = write_aside(&aside, path, fill);
    if written.is_err() {
        let _ = fs::remove_file(&aside); // the error to tell is the first
    }
    written
}

fn write_aside<E: From<Error>>(
    aside: &Path,
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let refused = |source| Error::io("write", path)(source);
    let mut file = BufWriter::new(File::create(aside).map_err(refused)?);
    fill(&mut file)?;
    let file = file.into_inner().map_err(|error| refused(error.into_error()))?;
    file.sync_all().map_err(refused)?;
    drop(file);
    fs::rename(aside, path).map_err(refused)?;
    sync_folder(path);
    Ok(())
}

/// Removes what a process that was killed while writing left in a folder.
pub fn sweep(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let stale = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX));
    stale.for_each(|entry| drop(fs::remove_file(entry.path())));
}

const SUFFIX: &str = ".partial";

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
    fn whole_or_as_before() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.txt");
        write(&path, b"first, and longer").unwrap();
        write(&path, b"second").unwrap();
        let torn = write_with(&path, |file| {
            file.write_all(b"thi").unwrap();
            file.flush().unwrap();
            Err(Error::usage("half-way"))
        });
        assert_eq!(torn.unwrap_err().to_string(), "half-way");
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(home.path()), ["a.txt"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("big");
        std::os::unix::fs::symlink("/dev/full", aside(&path)).unwrap();
        let error = write(&path, &[0; 1 << 20]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot write {}: No space left on device; free some space, or give a folder on another disk",
                path.display()
            )
        );
        assert!(!error.is_usage() && names(home.path()).is_empty());
    }

    #[test]
    fn leftovers_are_swept() {
        let home = tempfile::tempdir().unwrap();
        for name in [".checkpoint.safetensors.partial", "run.toml"] {
            fs::write(home.path().join(name), b"?").unwrap();
        }
        sweep(home.path());
        assert_eq!(names(home.path()), ["run.toml"]);
    }
}
