//! Images in memory, and a part of one with zeros where it reaches beyond the image.

use crate::Layout;

/// Images, channels last.
#[derive(Clone, Copy)]
pub(super) struct Images {
    pub(super) count: usize,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Images {
    pub(super) fn of(layout: &Layout) -> Images {
        let s = &layout.shape;
        Images { count: s[0], channels: s[1], height: s[2], width: s[3] }
    }

    /// Elements of one image.
    pub(super) fn size(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Whether `count` pixels from `first` on lie in an image of `size`.
pub(super) fn inside(first: isize, count: usize, size: usize) -> bool {
    first >= 0 && first as usize + count <= size
}

/// Copies `height` rows from `top` on and `width` columns from `left` on, zero where they are outside the image.
pub(super) fn copy_padded(
    from: &[f32],
    image: &Images,
    (top, height): (isize, usize),
    (left, width): (isize, usize),
    copy: &mut [f32],
) {
    let channels = image.channels;
    // The columns inside the image, counted in the copy.
    let start = (-left).clamp(0, width as isize) as usize;
    let end = (image.width as isize - left).clamp(start as isize, width as isize) as usize;
    for (row, to) in copy.chunks_exact_mut((width * channels).max(1)).take(height).enumerate() {
        let at = top + row as isize;
        if start == end || at < 0 || at >= image.height as isize {
            to.fill(0.0);
            continue;
        }
        let first = (at as usize * image.width).wrapping_add_signed(left + start as isize) * channels;
        to[..start * channels].fill(0.0);
        to[start * channels..end * channels].copy_from_slice(&from[first..][..(end - start) * channels]);
        to[end * channels..].fill(0.0);
    }
}
