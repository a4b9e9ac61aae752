//! Sheets of samples: images side by side on one picture.

use crate::png_io::{Colour, Picture};
use crate::{Error, Result};

/// How images are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Images in a row; 0 for about as many columns as rows.
    pub columns: usize,
    /// Every pixel becomes a square of this side, at least 1.
    pub scale: usize,
    /// Pixels around and between the images.
    pub border: usize,
    /// The border's grey.
    pub background: u8,
}

impl Default for Grid {
    fn default() -> Grid {
        Grid { columns: 0, scale: 1, border: 2, background: 255 }
    }
}

impl Grid {
    /// Tiles `images` `[n, c, h, w]`, row-major, -1 black and 1 white (values beyond are clamped, NaN is black), c = 1 or
    /// 3, filling rows from the top left. An error when the sizes do not fit or no picture could be that large.
    pub fn picture(&self, images: &[f32], [n, c, h, w]: [usize; 4]) -> Result<Picture> {
        let refuse = |why: &str| Err(Error::Argument(format!("a sheet of images [{n}, {c}, {h}, {w}]: {why}")));
        let colour = match c {
            1 => Colour::Grey,
            3 => Colour::Rgb,
            _ => return refuse("1 or 3 channels can be shown, choose which"),
        };
        if [c, h, w].iter().try_fold(n, |count, &size| count.checked_mul(size)) != Some(images.len()) {
            return refuse(&format!("{} numbers do not fill that shape", images.len()));
        }
        if images.is_empty() {
            return refuse("there is nothing to show");
        }
        let scale = self.scale.max(1);
        let columns =
            if self.columns == 0 { n.isqrt() + usize::from(n.isqrt().pow(2) < n) } else { self.columns.min(n) };
        let span = |count: usize, size: usize| {
            let tile = size.checked_mul(scale)?.checked_add(self.border)?;
            tile.checked_mul(count)?.checked_add(self.border).filter(|&pixels| pixels < LARGEST)
        };
        let (Some(width), Some(height)) = (span(columns, w), span(n.div_ceil(columns), h)) else {
            return refuse(&format!("at scale {scale} it would have a side of {LARGEST} pixels or more, scale less"));
        };
        let mut picture = Picture { width, height, colour, bytes: vec![self.background; width * height * c] };
        for (index, image) in images.chunks_exact(c * h * w).enumerate() {
            let left = self.border + index % columns * (w * scale + self.border);
            let top = self.border + index / columns * (h * scale + self.border);
            paste(&mut picture, (left, top), image, (h, w), scale);
        }
        Ok(picture)
    }
}

/// A sheet has fewer pixels along a side.
const LARGEST: usize = 1 << 15;

/// Draws one image `[c, h, w]`, its top left pixel at `(left, top)`.
fn paste(picture: &mut Picture, (left, top): (usize, usize), image: &[f32], (h, w): (usize, usize), scale: usize) {
    let channels = picture.colour.channels();
    for y in 0..h * scale {
        let row = ((top + y) * picture.width + left) * channels;
        let row = &mut picture.bytes[row..row + w * scale * channels];
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            for (channel, byte) in pixel.iter_mut().enumerate() {
                *byte = level(image[(channel * h + y / scale) * w + x / scale]);
            }
        }
    }
}

/// [-1, 1] to 0..=255, to the nearest.
fn level(x: f32) -> u8 {
    ((x + 1.0) * 127.5).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let want = [(-2.0, 0), (-1.0, 0), (0.0, 128), (1.0, 255), (9.0, 255), (f32::NAN, 0), (f32::INFINITY, 255)];
        want.iter().for_each(|&(x, byte)| assert_eq!(level(x), byte, "{x}"));
        (0..=255u8).for_each(|byte| assert_eq!(level(f32::from(byte) / 127.5 - 1.0), byte));
    }

    #[test]
    fn three_grey_images_on_two_rows() {
        let grid = Grid { columns: 0, scale: 2, border: 1, background: 9 };
        let images = [-1.0, 1.0, 1.0, -1.0, 1.0, 1.0];
        let picture = grid.picture(&images, [3, 1, 1, 2]).unwrap();
        #[rustfmt::skip]
        let want = [
            9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
            9, 0, 0, 255, 255, 9, 255, 255, 0, 0, 9,
            9, 0, 0, 255, 255, 9, 255, 255, 0, 0, 9,
            9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
            9, 255, 255, 255, 255, 9, 9, 9, 9, 9, 9,
            9, 255, 255, 255, 255, 9, 9, 9, 9, 9, 9,
            9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
        ];
        assert_eq!((picture.width, picture.height, &picture.bytes[..]), (11, 7, &want[..]));
    }

    #[test]
    fn planes_become_pixels() {
        let grid = Grid { border: 0, ..Grid::default() };
        let picture = grid.picture(&[1.0, -1.0, 0.0, 0.0, -1.0, 1.0], [1, 3, 1, 2]).unwrap();
        assert_eq!((picture.colour, &picture.bytes[..]), (Colour::Rgb, &[255, 128, 0, 0, 128, 255][..]));
    }

    #[test]
    fn what_is_refused() {
        let sentence = |grid: Grid, images: &[f32], shape| {
            let error = grid.picture(images, shape).unwrap_err();
            assert!(error.is_usage());
            error.to_string()
        };
        let plain = Grid::default();
        assert_eq!(
            sentence(plain, &[0.0; 4], [1, 4, 1, 1]),
            "a sheet of images [1, 4, 1, 1]: 1 or 3 channels can be shown, choose which"
        );
        assert_eq!(
            sentence(plain, &[0.0; 4], [1, 1, 1, 1]),
            "a sheet of images [1, 1, 1, 1]: 4 numbers do not fill that shape"
        );
        assert_eq!(sentence(plain, &[], [0, 1, 2, 2]), "a sheet of images [0, 1, 2, 2]: there is nothing to show");
        for scale in [1 << 15, usize::MAX] {
            let large = sentence(Grid { scale, ..plain }, &[0.0; 2], [1, 1, 1, 2]);
            assert!(large.ends_with("it would have a side of 32768 pixels or more, scale less"), "{large}");
        }
        sentence(plain, &[0.0; 2], [usize::MAX, 3, 2, 2]);
    }
}
