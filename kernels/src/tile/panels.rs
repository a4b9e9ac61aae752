//! The packed right side: the columns in panels of two vectors (the last one of one or two), each panel its rows one
//! after the other, the columns that are not there zero.

use super::Tile;
use std::ops::Range;

/// Elements of `rows` by `columns` packed, on any path.
pub(crate) fn room(rows: usize, columns: usize) -> usize {
    rows * columns.next_multiple_of(16)
}

/// Number of panels.
pub(crate) fn count(tile: Tile, columns: usize) -> usize {
    columns.div_ceil(tile.panel())
}

/// Where panel `index` lies in the packed elements, and how many columns it holds.
pub(crate) fn panel(tile: Tile, rows: usize, columns: usize, index: usize) -> (Range<usize>, usize) {
    let first = index * tile.panel();
    let width = (columns - first).min(tile.panel());
    (first * rows..(first + width.next_multiple_of(tile.lanes)) * rows, width)
}

/// Packs one panel of `width` columns: row `k` starts at `data[starts[k]]`, its columns `step` apart.
pub(crate) fn pack(
    tile: Tile,
    data: &[f32],
    starts: impl Iterator<Item = usize>,
    step: usize,
    width: usize,
    panel: &mut [f32],
) {
    for (start, row) in starts.zip(panel.chunks_exact_mut(width.next_multiple_of(tile.lanes))) {
        let (there, rest) = row.split_at_mut(width);
        if step == 1 {
            there.copy_from_slice(&data[start..start + width]);
        } else {
            there.iter_mut().enumerate().for_each(|(j, x)| *x = data[start + j * step]);
        }
        rest.fill(0.0);
    }
}
