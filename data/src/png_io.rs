//! PNG in and out: 8-bit grey and colour images to look at, masks to read.

use crate::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

/// What a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One byte.
    Grey,
    /// Three bytes.
    Rgb,
}

impl Colour {
    /// Bytes of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Colour::Grey => 1,
            Colour::Rgb => 3,
        }
    }
}

/// An image of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixel type.
    pub colour: Colour,
    /// `[height, width, channels]`, 0 black.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The picture as a PNG file's bytes. An error when `bytes` is not as long as the sizes say, or a size is 0 or
    /// 2^31 and more.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let Picture { width, height, colour, bytes } = self;
        let (want, channels) = (width.checked_mul(*height), colour.channels());
        if want.and_then(|pixels| pixels.checked_mul(channels)) != Some(bytes.len()) {
            let got = bytes.len();
            return Err(Error::Argument(format!("{got} bytes are no picture of {width} x {height} x {channels}")));
        }
        let side = |size: usize| u32::try_from(size).ok().filter(|size| (1..1 << 31).contains(size));
        let (Some(columns), Some(rows)) = (side(*width), side(*height)) else {
            return Err(Error::Argument(format!("a PNG cannot have {width} x {height} pixels")));
        };
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, columns, rows);
        encoder.set_color(match colour {
            Colour::Grey => png::ColorType::Grayscale,
            Colour::Rgb => png::ColorType::Rgb,
        });
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes));
        written.map_err(|error| Error::Argument(format!("cannot encode a PNG of {width} x {height}: {error}")))?;
        Ok(file)
    }
}

/// Reads a PNG of any kind as grey bytes of `width` x `height`, row-major. Colour becomes luma (ITU-R BT.601), 16 bits
/// become 8, and what is transparent becomes black.
pub fn read_grey(path: &Path, width: usize, height: usize) -> Result<Vec<u8>> {
    let file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
    decode_grey(file, width, height).map_err(|what| Error::format(path, what))
}

/// Reads a mask of `width` x `height`: 0 where the file is black (or transparent), 1 where it is white.
pub fn read_mask(path: &Path, width: usize, height: usize) -> Result<Vec<f32>> {
    Ok(read_grey(path, width, height)?.into_iter().map(|byte| f32::from(byte) / 255.0).collect())
}

fn decode_grey(file: impl BufRead + Seek, width: usize, height: usize) -> Result<Vec<u8>, String> {
    let damaged = |error: png::DecodingError| format!("cannot be read as a PNG ({error}): save it again as PNG");
    let mut decoder = png::Decoder::new(file);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = (reader.info().width as usize, reader.info().height as usize);
    if size != (width, height) {
        let (columns, rows) = size;
        return Err(format!("has {columns} x {rows} pixels, expected {width} x {height}: scale it to that size"));
    }
    let channels = reader.output_color_type().0.samples();
    let mut bytes = vec![0; width * height * channels];
    reader.next_frame(&mut bytes).map_err(damaged)?;
    Ok(bytes.chunks_exact(channels).map(grey).collect())
}

fn grey(pixel: &[u8]) -> u8 {
    let (luma, alpha) = match *pixel {
        [y] => (u32::from(y), 255),
        [y, alpha] => (u32::from(y), u32::from(alpha)),
        [r, g, b] => (luma(r, g, b), 255),
        [r, g, b, alpha, ..] => (luma(r, g, b), u32::from(alpha)),
        [] => (0, 0),
    };
    ((luma * alpha + 127) / 255) as u8
}

fn luma(r: u8, g: u8, b: u8) -> u32 {
    (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn picture(width: usize, height: usize, colour: Colour) -> Picture {
        let bytes = (0..width * height * colour.channels()).map(|i| (i * 37 % 256) as u8).collect();
        Picture { width, height, colour, bytes }
    }

    fn encoded(colour: png::ColorType, depth: png::BitDepth, palette: &[u8], data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette.to_vec());
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    #[test]
    fn grey_pictures_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.png");
        let image = picture(7, 5, Colour::Grey);
        std::fs::write(&path, image.encode().unwrap()).unwrap();
        assert_eq!(read_grey(&path, 7, 5).unwrap(), image.bytes);
        assert_eq!(read_mask(&path, 7, 5).unwrap()[1], 37.0 / 255.0);
        assert_eq!(
            read_grey(&path, 5, 7).unwrap_err().to_string(),
            format!("{} has 7 x 5 pixels, expected 5 x 7: scale it to that size", path.display())
        );
    }

    #[test]
    fn every_kind_becomes_grey() {
        use png::{BitDepth::*, ColorType::*};
        for (file, want) in [
            (encoded(Grayscale, Sixteen, &[], &[0x80, 0xFF, 1, 0]), [0x80, 1]),
            (encoded(Grayscale, One, &[], &[0b0100_0000]), [0, 255]),
            (encoded(GrayscaleAlpha, Eight, &[], &[200, 255, 200, 0]), [200, 0]),
            (encoded(Rgb, Eight, &[], &[255, 255, 255, 255, 0, 0]), [255, 76]),
            (encoded(Rgba, Eight, &[], &[0, 255, 0, 255, 255, 255, 255, 128]), [150, 128]),
            (encoded(Indexed, Eight, &[9, 9, 9, 0, 0, 255], &[1, 0]), [29, 9]),
        ] {
            assert_eq!(decode_grey(Cursor::new(file), 2, 1).unwrap(), want);
        }
    }

    #[test]
    fn colour_pictures_are_as_other_readers_see_them() {
        let image = picture(3, 2, Colour::Rgb);
        let mut reader = png::Decoder::new(Cursor::new(image.encode().unwrap())).read_info().unwrap();
        let mut bytes = vec![0; 18];
        reader.next_frame(&mut bytes).unwrap();
        assert_eq!((bytes, reader.info().color_type), (image.bytes, png::ColorType::Rgb));
    }

    #[test]
    fn sizes_that_are_no_picture() {
        let sentence = |width, height, count| {
            let image = Picture { width, height, colour: Colour::Grey, bytes: vec![0; count] };
            image.encode().unwrap_err().to_string()
        };
        assert_eq!(sentence(2, 2, 5), "5 bytes are no picture of 2 x 2 x 1");
        assert_eq!(sentence(usize::MAX, 2, 5), format!("5 bytes are no picture of {} x 2 x 1", usize::MAX));
        assert_eq!(sentence(0, 2, 0), "a PNG cannot have 0 x 2 pixels");
    }

    proptest! {
        #[test]
        fn damage_is_an_image_or_a_sentence(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut file = picture(9, 9, Colour::Rgb).encode().unwrap();
            let at = at.index(file.len());
            file[at] = byte;
            file.truncate(cut.index(2 * file.len()).max(8));
            match decode_grey(Cursor::new(file), 9, 9) {
                Ok(bytes) => prop_assert_eq!(bytes.len(), 81),
                Err(error) => prop_assert!(!error.contains('\n'), "{}", error),
            }
        }

        #[test]
        fn any_bytes_are_refused_in_a_sentence(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode_grey(Cursor::new(bytes), 4, 4).unwrap_err().starts_with("cannot be read as a PNG ("));
        }
    }
}
