//! The safetensors format: eight bytes of length, a JSON header of names, types, shapes and places, and the numbers.
//!
//! Nothing the header says is believed before it is checked against the file. What is written has one byte sequence for
//! one content: names and metadata sorted, numbers by falling alignment and then by name.

use crate::error::{Error, Result};
use crate::files;
use autograd::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

const METADATA: &str = "__metadata__";
const LENGTH: usize = 8;

/// A file's tensors, read but not yet made.
pub(crate) struct TensorFile {
    pub(crate) path: PathBuf,
    /// Free text that came with the tensors.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) entries: BTreeMap<String, Entry>,
    bytes: Vec<u8>,
}

/// One tensor in a file.
pub(crate) struct Entry {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    place: Range<usize>,
}

/// An entry as the header has it.
#[derive(Serialize, Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl TensorFile {
    pub(crate) fn read(path: &Path) -> Result<TensorFile> {
        TensorFile::parse(path, files::read(path)?).map_err(|what| {
            Error::format(path, format!("is not a whole safetensors file: {what}; copy, download or save it again"))
        })
    }

    fn parse(path: &Path, bytes: Vec<u8>) -> Result<TensorFile, String> {
        let length = bytes.first_chunk::<LENGTH>().ok_or("it is shorter than its first 8 bytes")?;
        let length = u64::from_le_bytes(*length);
        let start = usize::try_from(length).ok().and_then(|length| length.checked_add(LENGTH));
        let Some(start) = start.filter(|&start| start <= bytes.len()) else {
            return Err(format!("its header claims {length} bytes, the file has {}", bytes.len()));
        };
        let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[LENGTH..start])
            .map_err(|error| format!("its header is not JSON ({error})"))?;
        let (mut metadata, mut entries) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in header {
            if name == METADATA {
                metadata = serde_json::from_value(value).map_err(|_| "its metadata is not text".to_owned())?;
            } else {
                let entry = Entry::parse(&name, value, start)?;
                entries.insert(name, entry);
            }
        }
        let file = TensorFile { path: path.to_owned(), metadata, entries, bytes };
        file.check_places(start)?;
        Ok(file)
    }

    /// The tensors fill the file from `start` to its end without gaps or overlaps.
    fn check_places(&self, start: usize) -> Result<(), String> {
        let mut places: Vec<(&Range<usize>, &str)> =
            self.entries.iter().map(|(name, entry)| (&entry.place, &**name)).collect();
        places.sort_by_key(|(place, _)| (place.start, place.end));
        let mut end = start;
        for (place, name) in places {
            if place.start != end {
                return Err(format!("{name} starts at byte {}, where {end} is expected", place.start));
            }
            end = place.end;
        }
        if end == self.bytes.len() {
            Ok(())
        } else {
            Err(format!("it has {} bytes, its header promises {end}", self.bytes.len()))
        }
    }

    /// A tensor in the file's own type.
    pub(crate) fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        let Some(entry) = self.entries.get(name) else {
            return Err(Error::format(&self.path, format!("has no tensor {name}; is it of another version?")));
        };
        let bytes = &self.bytes[entry.place.clone()];
        Ok(Tensor::from_bytes(device, entry.dtype, &entry.shape, bytes)?)
    }

    /// A tensor of real numbers as `dtype`. Numbers that are not finite are refused.
    pub(crate) fn finite(&self, name: &str, device: &Device, dtype: DType) -> Result<Tensor> {
        let tensor = self.tensor(name, device)?;
        if matches!(tensor.dtype(), DType::U8 | DType::I64) {
            let what = format!("holds {name} as {}; weights are f32, f64, bf16 or f16", tensor.dtype());
            return Err(Error::format(&self.path, what));
        }
        let tensor = tensor.cast(dtype)?;
        // NaN and infinities survive a sum of squares; so that finite numbers never make them, it is in f64.
        if tensor.sum_of_squares()?.item()?.is_finite() {
            return Ok(tensor);
        }
        let what = format!(
            "has numbers that are not finite in {name}; the run that wrote it diverged, take an earlier checkpoint"
        );
        Err(Error::format(&self.path, what))
    }
}

impl Entry {
    fn parse(name: &str, value: Value, start: usize) -> Result<Entry, String> {
        let Described { dtype, shape, data_offsets: [from, to] } = serde_json::from_value(value)
            .map_err(|error| format!("its header's entry for {name} is malformed ({error})"))?;
        let Some(known) = TYPES.iter().find(|known| known.1 == dtype) else {
            let names: Vec<&str> = TYPES.iter().map(|known| known.1).collect();
            return Err(format!("{name} is of type {dtype}, which is none of {}", names.join(", ")));
        };
        let dtype = known.0;
        let bytes = shape.iter().try_fold(dtype.size(), |bytes, &size| bytes.checked_mul(size));
        let place = (from.checked_add(start)).zip(to.checked_add(start)).map(|(from, to)| from..to);
        match place {
            Some(place) if from <= to && bytes == Some(to - from) => Ok(Entry { dtype, shape, place }),
            _ => Err(format!("{name}, {} of shape {shape:?}, cannot fill bytes {from} to {to}", dtype.name())),
        }
    }
}

const TYPES: [(DType, &str); 6] = [
    (DType::F32, "F32"),
    (DType::F64, "F64"),
    (DType::BF16, "BF16"),
    (DType::F16, "F16"),
    (DType::U8, "U8"),
    (DType::I64, "I64"),
];

/// Writes tensors and free text; the file appears whole, or not at all.
pub(crate) fn write(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size()));
    let mut header: BTreeMap<&str, Value> = BTreeMap::new();
    if !metadata.is_empty() {
        header.insert(METADATA, serde_json::to_value(metadata).map_err(|error| Error::argument(error.to_string()))?);
    }
    let mut end = 0;
    for &(name, tensor) in &order {
        if name == METADATA {
            return Err(Error::argument(format!("a tensor cannot be named {METADATA}")));
        }
        let start = end;
        end += tensor.count() * tensor.dtype().size();
        let dtype = TYPES.iter().find(|known| known.0 == tensor.dtype()).map_or("", |known| known.1).to_owned();
        let described = Described { dtype, shape: tensor.shape().to_vec(), data_offsets: [start, end] };
        header.insert(name, serde_json::to_value(described).map_err(|error| Error::argument(error.to_string()))?);
    }
    let mut header = serde_json::to_string(&header).map_err(|error| Error::argument(error.to_string()))?;
    while header.len() % LENGTH != 0 {
        header.push(' ');
    }
    files::replace(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        order.iter().try_for_each(|(_, tensor)| Ok(out.write_all(&tensor.to_bytes()?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file of one tensor, as bytes.
    fn sound(shape: &[usize], numbers: &[f32]) -> Vec<u8> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes).unwrap();
        safetensors::serialize([("x", view)], None).unwrap()
    }

    /// What is read, or the sentence that refuses it; nothing else may happen.
    fn read(bytes: Vec<u8>) -> Result<Vec<f32>, String> {
        let file = TensorFile::parse(Path::new("a"), bytes)?;
        let device = Device::cpu(1);
        let mut all = Vec::new();
        for name in file.entries.keys() {
            let tensor = file.tensor(name, &device).map_err(|error| error.to_string())?;
            all.extend(tensor.to_vec::<f32>().map_err(|error| error.to_string())?);
        }
        Ok(all)
    }

    fn tensors() -> impl Strategy<Value = (Vec<usize>, Vec<f32>)> {
        prop::collection::vec(0usize..5, 0..4).prop_flat_map(|shape| {
            let count = shape.iter().product::<usize>();
            (Just(shape), prop::collection::vec(any::<f32>(), count))
        })
    }

    proptest! {
        #[test]
        fn what_another_writer_wrote_comes_back((shape, numbers) in tensors()) {
            let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&read(sound(&shape, &numbers)).unwrap()), bits(&numbers));
        }

        #[test]
        fn a_file_cut_short_or_gone_on_with_is_refused((shape, numbers) in tensors(), cut in any::<prop::sample::Index>(), more in 1usize..9) {
            let bytes = sound(&shape, &numbers);
            prop_assert!(read(bytes[..cut.index(bytes.len())].to_vec()).is_err());
            prop_assert!(read([bytes, vec![0; more]].concat()).is_err());
        }

        #[test]
        fn a_header_that_lies_of_its_length_is_refused((shape, numbers) in tensors(), length in any::<u64>()) {
            let mut bytes = sound(&shape, &numbers);
            prop_assume!(bytes[..8] != length.to_le_bytes());
            bytes[..8].copy_from_slice(&length.to_le_bytes());
            prop_assert!(read(bytes).is_err());
        }

        #[test]
        fn a_header_that_lies_of_a_shape_is_refused((shape, numbers) in tensors(), axis in any::<prop::sample::Index>(), size in any::<usize>()) {
            prop_assume!(!shape.is_empty());
            let axis = axis.index(shape.len());
            let mut claimed = shape.clone();
            claimed[axis] = size;
            let product = claimed.iter().map(|&size| size as u128).try_fold(1u128, u128::checked_mul);
            prop_assume!(product != Some(numbers.len() as u128));
            let header = format!("{{\"x\":{{\"dtype\":\"F32\",\"shape\":{claimed:?},\"data_offsets\":[0,{}]}}}}", 4 * numbers.len());
            let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            prop_assert!(read([&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()).is_err());
        }

        #[test]
        fn any_damage_is_numbers_or_a_sentence((shape, numbers) in tensors(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = sound(&shape, &numbers);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop(read(bytes));
        }
    }
}
