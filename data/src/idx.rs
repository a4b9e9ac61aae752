//! The IDX format of the MNIST files: `00 00`, the element type (`08`: unsigned bytes), the rank, one big-endian u32 a
//! size, then the elements. Gzipped or not, told apart by the first bytes.
//!
//! A header is a claim: memory grows with the bytes that are there, and never beyond [`LIMIT`].

use crate::{Error, Result};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The most elements that are read: 1 GiB, twenty times MNIST.
pub const LIMIT: u64 = 1 << 30;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order, as many as the shape says.
    pub data: Vec<u8>,
}

/// Reads the array of rank `rank` from a file.
pub fn read(path: &Path, rank: usize) -> Result<Idx> {
    parse(unpacked(path)?, rank).map_err(|what| Error::format(path, what))
}

/// A file's bytes, unpacked if they are gzipped.
pub(crate) fn unpacked(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
    let gzipped = file.fill_buf().map_err(Error::io("read", path))?.starts_with(&[0x1F, 0x8B]);
    Ok(if gzipped { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Parses an array of rank `rank`; the error is the rest of a sentence that begins with the file's name.
pub fn parse(mut bytes: impl Read, rank: usize) -> Result<Idx, String> {
    let shape = header(&mut bytes, rank)?;
    let product = shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size as u64));
    let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
    let Some(count) = product.filter(|&count| count <= LIMIT) else {
        return Err(format!(
            "claims {sizes} elements, more than the {LIMIT} that are read: not an MNIST file, or damaged"
        ));
    };
    let mut data = Vec::new();
    // One byte more than promised, to see whether the file goes on.
    bytes.take(count + 1).read_to_end(&mut data).map_err(unreadable)?;
    match data.len() as u64 {
        got if got < count => Err(format!(
            "ends after {got} of the {count} elements ({sizes}) that its header promises: it is cut off, fetch it again"
        )),
        got if got > count => Err(format!(
            "goes on after the {count} elements ({sizes}) that its header promises: it is damaged, fetch it again"
        )),
        _ => Ok(Idx { shape, data }),
    }
}

fn header(bytes: &mut impl Read, rank: usize) -> Result<Vec<usize>, String> {
    let magic = four(bytes, 0, rank)?;
    let [zero, zero_too, element, got] = magic;
    if (zero, zero_too) != (0, 0) {
        let [a, b, c, d] = magic;
        return Err(format!(
            "starts with {a:02x} {b:02x} {c:02x} {d:02x}, an IDX file of bytes with 00 00 08 and its rank: not an IDX file"
        ));
    }
    if element != 0x08 {
        return Err(format!(
            "holds elements of type {element:02x}, only unsigned bytes (08) are read: not an MNIST file"
        ));
    }
    if usize::from(got) != rank {
        return Err(format!(
            "has rank {got}, expected {rank}: images have rank 3 and labels rank 1, are two files swapped?"
        ));
    }
    (0..rank).map(|axis| Ok(u32::from_be_bytes(four(bytes, 4 + 4 * axis, rank)?) as usize)).collect()
}

fn four(bytes: &mut impl Read, at: usize, rank: usize) -> Result<[u8; 4], String> {
    let mut word = Vec::with_capacity(4);
    bytes.take(4).read_to_end(&mut word).map_err(unreadable)?;
    let (got, want) = (at + word.len(), 4 + 4 * rank);
    word.try_into().map_err(|_| {
        format!("ends after {got} bytes, an IDX header of rank {rank} has {want}: it is cut off, fetch it again")
    })
}

pub(crate) fn unreadable(source: io::Error) -> String {
    format!("cannot be read or unpacked ({source}): it is damaged, fetch it again")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    pub(crate) fn encode(shape: &[usize], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn arrays() -> impl Strategy<Value = (Vec<usize>, Vec<u8>)> {
        prop::collection::vec(0usize..6, 1..4).prop_flat_map(|shape| {
            let count = shape.iter().product::<usize>();
            (Just(shape), prop::collection::vec(any::<u8>(), count))
        })
    }

    fn sentence(bytes: &[u8], rank: usize) -> String {
        let error = parse(bytes, rank).unwrap_err();
        assert!(!error.contains('\n') && error.len() < 200, "{error}");
        error
    }

    proptest! {
        #[test]
        fn what_was_written_is_read((shape, data) in arrays()) {
            let bytes = encode(&shape, &data);
            prop_assert_eq!(parse(&bytes[..], shape.len()), Ok(Idx { shape, data }));
        }

        #[test]
        fn any_cut_is_told((shape, data) in arrays(), cut in any::<prop::sample::Index>()) {
            let bytes = encode(&shape, &data);
            let error = sentence(&bytes[..cut.index(bytes.len())], shape.len());
            prop_assert!(error.starts_with("ends after"), "{}", error);
        }

        #[test]
        fn any_addition_is_told((shape, data) in arrays(), more in prop::collection::vec(any::<u8>(), 1..9)) {
            let bytes = [encode(&shape, &data), more].concat();
            prop_assert!(sentence(&bytes, shape.len()).starts_with("goes on after"));
        }

        #[test]
        fn a_lying_size_is_told((shape, data) in arrays(), axis in any::<prop::sample::Index>(), size in any::<u32>()) {
            let axis = axis.index(shape.len());
            let mut claimed = shape.clone();
            claimed[axis] = size as usize;
            let count = claimed.iter().map(|&size| size as u128).product::<u128>();
            prop_assume!(count != data.len() as u128);
            sentence(&encode(&claimed, &data), shape.len());
        }

        #[test]
        fn any_bytes_are_an_array_or_a_sentence(bytes in prop::collection::vec(any::<u8>(), 0..64), rank in 0usize..5) {
            if let Ok(idx) = parse(&bytes[..], rank) {
                prop_assert_eq!(idx.data.len(), idx.shape.iter().product::<usize>());
            }
        }

        #[test]
        fn a_flipped_bit_in_a_gzipped_file_never_passes_unseen((shape, data) in arrays(), bit in any::<prop::sample::Index>()) {
            let packed = gzip(&encode(&shape, &data));
            let mut broken = packed.clone();
            let bit = bit.index(8 * broken.len());
            broken[bit / 8] ^= 1 << (bit % 8);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("images.gz");
            std::fs::write(&path, &broken).unwrap();
            // Bits of the gzip header carry nothing that is read; all else is under its checksum.
            match read(&path, shape.len()) {
                Ok(idx) => prop_assert_eq!(idx, Idx { shape, data }),
                Err(error) => prop_assert!(error.is_usage() && error.to_string().contains("images.gz")),
            }
        }
    }

    #[test]
    fn sentences() {
        let images = encode(&[2, 2, 2], &[7; 8]);
        assert_eq!(
            sentence(&images, 1),
            "has rank 3, expected 1: images have rank 3 and labels rank 1, are two files swapped?"
        );
        assert_eq!(
            sentence(&images[..20], 3),
            "ends after 4 of the 8 elements (2 x 2 x 2) that its header promises: it is cut off, fetch it again"
        );
        assert_eq!(
            sentence(b"<!DOCTYPE html>", 3),
            "starts with 3c 21 44 4f, an IDX file of bytes with 00 00 08 and its rank: not an IDX file"
        );
        assert_eq!(
            sentence(&[0, 0, 0x0D, 1, 0, 0, 0, 0], 1),
            "holds elements of type 0d, only unsigned bytes (08) are read: not an MNIST file"
        );
        assert_eq!(
            sentence(&encode(&[u32::MAX as usize; 3], &[]), 3),
            "claims 4294967295 x 4294967295 x 4294967295 elements, more than the 1073741824 that are read: not an MNIST \
             file, or damaged"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_usage() {
        let error = read(Path::new("nowhere/images"), 3).unwrap_err();
        assert!(error.is_usage() && error.to_string().starts_with("cannot open nowhere/images: "));
    }
}
