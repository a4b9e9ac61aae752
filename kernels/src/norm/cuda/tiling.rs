//! How the tiles of group norm lie in a channels-last tensor: `Tiling` of `cuda/norm.cuh`, and the launch.
//!
//! A function of one sample's shape, so that its bits do not depend on how many others there are.

use crate::cuda::{CudaContext, Grid};
use crate::norm::Sizes;

/// Bytes of a position that a block reads side by side, at best: what memory delivers at once.
const ROW: usize = 64;
/// The same, where there is no room for wider tiles: a sector, or half of one, whose other half a block beside this one
/// takes from the second-level cache. Still less than to read everything twice.
const NARROW: [usize; 2] = [32, 16];
/// Bytes of a tile below which spans grow: a block is not worth less.
const SMALL: usize = 8 << 10;
/// Bytes of a chunk where the tile of a whole sample does not fit: three blocks share a multiprocessor.
const CHUNK: usize = 48 << 10;
/// Bytes of a tile above which a block has a multiprocessor to itself.
const ALONE: usize = 112 << 10;
/// Threads side by side through a position, at most.
const COLUMNS: usize = 256;
/// Positions of a chunk, at least: the sums of a chunk are then smaller than the chunk.
const POSITIONS: usize = 16;

/// Spans of channels and chunks of positions.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tiling {
    span: u32,
    spans: u32,
    chunk: u32,
    pub(super) chunks: u32,
}

// SAFETY: u32 throughout.
unsafe impl bytemuck::Zeroable for Tiling {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Tiling {}

/// A tiling and its launch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    pub(super) tiling: Tiling,
    pub(super) grid: Grid,
}

/// What a tile is made of.
#[derive(Clone, Copy)]
pub(super) struct Content {
    /// Channels that stay together.
    pub(super) width: usize,
    /// Bytes of an element.
    pub(super) size: usize,
    /// Tensors held at once.
    pub(super) tensors: usize,
    /// Tables of the span's channels, in f32.
    pub(super) tables: usize,
    /// Sums of each channel that a line leaves, in f32.
    pub(super) sums: usize,
}

impl Tiles {
    /// `None` where channels do not come in 16 bytes, or too many must stay together.
    pub(super) fn new(cuda: &CudaContext, sizes: &Sizes, content: Content) -> Option<Tiles> {
        Tiles::within(cuda.properties().shared_memory, sizes, content)
    }

    fn within(limit: usize, sizes: &Sizes, content: Content) -> Option<Tiles> {
        let &Sizes { samples, positions, channels } = sizes;
        let Content { width, size, tensors, .. } = content;
        let lanes = 16 / size;
        if samples == 0 || positions == 0 || channels == 0 || !channels.is_multiple_of(lanes) {
            return None;
        }
        // The fewest whole groups that are whole vectors: they divide the channels, as both do.
        let unit = width * lanes / gcd(width, lanes);
        if unit > COLUMNS * lanes {
            return None;
        }
        let spans_of = |bytes: usize| (unit * (bytes / (unit * size)).max(1)).min(channels);
        let all = |mut span: usize| {
            while span * 2 <= channels.min(COLUMNS * lanes) && positions * span * size * tensors < SMALL {
                span *= 2;
            }
            (span, positions)
        };
        let fits = |&(span, chunk): &(usize, usize)| content.shared(span, chunk) <= limit;
        let whole = [ROW, NARROW[0], NARROW[1]].map(|bytes| all(spans_of(bytes))).into_iter().find(fits);
        let (span, chunk) = match whole {
            Some(whole) => whole,
            None => {
                let span = spans_of(ROW);
                (span, (CHUNK / (span * size * tensors)).clamp(POSITIONS, positions.max(POSITIONS)).min(positions))
            }
        };
        let (spans, chunks) = (channels.div_ceil(span), positions.div_ceil(chunk));
        let shared = content.shared(span, chunk);
        if shared > limit || chunks > 65535 {
            return None;
        }
        let threads = content.threads(span, chunk);
        let grid = Grid { blocks: [samples * spans, chunks, 1], threads, shared };
        let tiling = Tiling { span: span as u32, spans: spans as u32, chunk: chunk as u32, chunks: chunks as u32 };
        Some(Tiles { tiling, grid })
    }
}

impl Content {
    fn held(&self, span: usize, chunk: usize) -> usize {
        chunk * span * self.size * self.tensors
    }

    /// Eight vectors a thread, so that many small blocks share a multiprocessor: some load while others compute. More threads
    /// where a block has one to itself.
    fn threads(&self, span: usize, chunk: usize) -> usize {
        let most = if self.held(span, chunk) > ALONE { 512 } else { 256 };
        let least = (span * self.size / 16).next_power_of_two().max(64);
        (self.held(span, chunk) / (16 * 8 * self.tensors)).next_power_of_two().clamp(least, most)
    }

    /// The tile, the tables, and the sums of each line.
    fn shared(&self, span: usize, chunk: usize) -> usize {
        let lines = self.threads(span, chunk) / (span * self.size / 16);
        self.held(span, chunk) + 4 * span * (self.tables + self.sums * (lines | 1))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 227 << 10;

    fn tiles(positions: usize, channels: usize, width: usize, size: usize) -> Option<[usize; 4]> {
        let content = Content { width, size, tensors: 1, tables: 4, sums: 2 };
        let tiles = Tiles::within(LIMIT, &Sizes { samples: 3, positions, channels }, content)?;
        assert!(tiles.grid.shared <= LIMIT, "{tiles:?}");
        let Tiling { span, chunk, chunks, .. } = tiles.tiling;
        assert!((span as usize).is_multiple_of(width) && (span as usize * size).is_multiple_of(16), "{tiles:?}");
        Some([span as usize, chunk as usize, chunks as usize, tiles.grid.threads])
    }

    #[test]
    fn tiles_are_wide_where_they_fit_then_narrow_then_cut() {
        assert_eq!(tiles(1024, 128, 4, 2), Some([32, 1024, 1, 256]));
        assert_eq!(tiles(4096, 128, 4, 2), Some([16, 4096, 1, 512]));
        assert_eq!(tiles(16384, 128, 4, 2), Some([32, 768, 22, 256]));
        assert_eq!(tiles(4096, 128, 4, 4), Some([8, 4096, 1, 512]));
        assert_eq!(tiles(8192, 128, 4, 2), Some([8, 8192, 1, 512]));
        // Ten channels a group: four groups are whole vectors.
        assert_eq!(tiles(256, 320, 10, 2), Some([40, 256, 1, 256]));
        // Few positions: more channels.
        assert_eq!(tiles(16, 512, 16, 2), Some([256, 16, 1, 64]));
        assert_eq!(tiles(7, 12, 4, 2), None);
        assert_eq!(tiles(64, 4096, 4096, 2), None);
    }
}
