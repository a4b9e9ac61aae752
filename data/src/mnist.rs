//! MNIST and its look-alikes (Fashion-MNIST): 28 x 28 grey images of ten classes in four IDX files.

use crate::{Error, Result, idx};
use std::path::{Path, PathBuf};

/// Rows, and columns, of an image.
pub const SIDE: usize = 28;
/// Classes; labels are below.
pub const CLASSES: u8 = 10;
/// The names of the four files, as the originals have them.
pub const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mnist {
    /// 60 000 images in the original.
    pub train: Split,
    /// 10 000 images in the original.
    pub test: Split,
}

/// Images with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// `[n, 28, 28]` row-major, 0 background, 255 ink.
    pub images: Vec<u8>,
    /// `[n]`, below 10.
    pub labels: Vec<u8>,
}

impl Mnist {
    /// Reads the four files from a folder, each gzipped or not, with or without `.gz` in its name. An error when one is
    /// missing or damaged, or images and labels do not belong together.
    pub fn load(dir: &Path) -> Result<Mnist> {
        let [train_images, train_labels, test_images, test_labels] = FILES;
        Ok(Mnist {
            train: Split::load(dir, train_images, train_labels)?,
            test: Split::load(dir, test_images, test_labels)?,
        })
    }
}

impl Split {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Image `index`, if there is one: `[28, 28]` row-major.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        self.images.chunks_exact(SIDE * SIDE).nth(index)
    }

    fn load(dir: &Path, images: &str, labels: &str) -> Result<Split> {
        let (images_path, labels_path) = (find(dir, images)?, find(dir, labels)?);
        let images = idx::read(&images_path, 3)?;
        let labels = idx::read(&labels_path, 1)?;
        let [count, rows, columns] = [images.shape[0], images.shape[1], images.shape[2]];
        if [rows, columns] != [SIDE; 2] {
            return Err(Error::format(
                &images_path,
                format!("holds images of {rows} x {columns}, not 28 x 28: give MNIST's own files"),
            ));
        }
        if count != labels.data.len() {
            let what = format!(
                "holds {} labels for the {count} images of {}: the files are of different data sets, fetch both again",
                labels.data.len(),
                images_path.display()
            );
            return Err(Error::format(&labels_path, what));
        }
        if let Some(at) = labels.data.iter().position(|&label| label >= CLASSES) {
            let what = format!("has label {} at {at}, expected 0 to 9: not a file of MNIST labels", labels.data[at]);
            return Err(Error::format(&labels_path, what));
        }
        Ok(Split { images: images.data, labels: labels.data })
    }
}

/// The file called `name` in a folder, perhaps gzipped, perhaps with `.idx3` for `-idx3` as some copies have it.
pub(crate) fn find(dir: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let names = [name, &dotted].map(|name| [name.to_owned(), format!("{name}.gz")]);
    names.as_flattened().iter().map(|name| dir.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        Error::Missing(format!(
            "no {name} or {name}.gz in {}: get MNIST with `consort data mnist`, or name the folder that has its four files",
            dir.display()
        ))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::idx::tests::{encode, gzip};

    pub(crate) type Files = [(&'static str, Vec<u8>); 4];

    /// Four small files: 5 train images, 3 test images.
    pub(crate) fn small() -> Files {
        let images = |n: usize| encode(&[n, 28, 28], &(0..n * 784).map(|i| (i % 251) as u8).collect::<Vec<_>>());
        let labels = |n: usize| encode(&[n], &(0..n as u8).collect::<Vec<_>>());
        let [a, b, c, d] = FILES;
        [(a, images(5)), (b, labels(5)), (c, images(3)), (d, labels(3))]
    }

    fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
        dir
    }

    #[test]
    fn plain_gzipped_and_dotted_files_are_the_same_data() {
        let plain = Mnist::load(folder(&small()).path()).unwrap();
        assert_eq!((plain.train.len(), plain.test.len()), (5, 3));
        assert_eq!(plain.train.image(4).unwrap()[783], ((5 * 784 - 1) % 251) as u8);
        assert_eq!(plain.train.image(5), None);
        let dir = tempfile::tempdir().unwrap();
        for (i, (name, bytes)) in small().into_iter().enumerate() {
            let name = if i % 2 == 0 { format!("{name}.gz") } else { name.replace("-idx", ".idx") };
            std::fs::write(dir.path().join(name), if i % 2 == 0 { gzip(&bytes) } else { bytes }).unwrap();
        }
        assert_eq!(Mnist::load(dir.path()).unwrap(), plain);
    }

    #[test]
    fn sentences() {
        let told = |change: &dyn Fn(&mut Files)| {
            let mut files = small();
            change(&mut files);
            let dir = folder(&files);
            let error = Mnist::load(dir.path()).unwrap_err();
            assert!(error.is_usage());
            error.to_string().replace(&format!("{}/", dir.path().display()), "")
        };
        assert_eq!(
            told(&|files| files[1].1 = encode(&[4], &[1; 4])),
            "train-labels-idx1-ubyte holds 4 labels for the 5 images of train-images-idx3-ubyte: the files are of different \
             data sets, fetch both again"
        );
        assert_eq!(
            told(&|files| files[3].1 = encode(&[3], &[1, 10, 2])),
            "t10k-labels-idx1-ubyte has label 10 at 1, expected 0 to 9: not a file of MNIST labels"
        );
        assert_eq!(
            told(&|files| files[0].1 = encode(&[1, 2, 3], &[0; 6])),
            "train-images-idx3-ubyte holds images of 2 x 3, not 28 x 28: give MNIST's own files"
        );
        let missing = Mnist::load(Path::new("nowhere")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in nowhere: get MNIST with `consort data mnist`, or \
             name the folder that has its four files"
        );
        assert!(missing.is_usage());
    }
}
