//! The host's half of `cuda/hopper_loop.cuh`: the tiles of a product, its launch, and tensor maps of operands that the TMA
//! unit loads.

use super::error::failed;
use super::nest::{Divisor, divisor};
use super::tensor_map::TensorMap;
use super::{CudaContext, DevicePtr, Grid};
use crate::{DType, Result};

/// Depth of a stage, rows of a panel of an operand that runs across the depth, and rows that a warpgroup multiplies.
const DEPTH: usize = 64;
/// Threads of a warpgroup; stages of the ring, and the bytes of their barriers.
const WARPGROUP: usize = 128;
const STAGES: usize = 4;
const BARRIERS: usize = 2 * STAGES * size_of::<u64>();

/// Rows and columns of a tile.
pub(crate) type Tile = [usize; 2];

/// `count` products, of `rows` by `columns` results each, over `depth`; apart over every `share` of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Products {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    pub(crate) share: usize,
    pub(crate) count: usize,
}

impl Products {
    /// Tiles down, across, and products of all shares.
    pub(crate) fn tiles(&self, [rows, columns]: Tile) -> [usize; 3] {
        [self.rows.div_ceil(rows), self.columns.div_ceil(columns), self.count * self.depth.div_ceil(self.share)]
    }

    /// The tiles as kernels take them, and a grid of blocks that stay, as many as the device runs at once at most: it takes
    /// `at_once` of them a multiprocessor.
    pub(crate) fn launch(&self, cuda: &CudaContext, dtype: DType, tile: Tile, at_once: usize) -> Result<(Tiles, Grid)> {
        let [down, across, others] = self.tiles(tile);
        let count = down * across * others;
        if count >= 1 << 31 {
            return Err(failed(format!("{count} tiles; a GPU takes fewer than 2^31")));
        }
        let tiles = Tiles {
            count: count as u32,
            rows: self.rows as u32,
            columns: self.columns as u32,
            depth: self.depth as u32,
            share: self.share as u32,
            down: divisor(down as u32),
            across: divisor(across as u32),
            products: divisor(self.count as u32),
        };
        let threads = (1 + tile[0] / DEPTH) * WARPGROUP;
        let bytes = STAGES * (tile[0] + tile[1]) * DEPTH * dtype.size() + BARRIERS;
        Ok((tiles, Grid::new(count.min(at_once * cuda.properties().multiprocessors), threads).shared(bytes)))
    }
}

/// `Tiles` of `hopper_loop.cuh`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    count: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    share: u32,
    down: Divisor,
    across: Divisor,
    products: Divisor,
}

// SAFETY: u32 throughout, so no padding.
unsafe impl bytemuck::Zeroable for Tiles {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Tiles {}

/// An operand for `load_rows`: `count` matrices, `own` elements apart, of `rows` by `depth` whose memory runs along the
/// depth, or `across` it; the next run is `step` elements on.
pub(crate) struct Operand {
    pub(crate) across: bool,
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    pub(crate) count: usize,
    pub(crate) step: usize,
    pub(crate) own: usize,
}

impl Operand {
    /// The map of the operand from `start` on, of which a tile has `lines` rows.
    pub(crate) fn map(&self, cuda: &CudaContext, dtype: DType, start: DevicePtr, lines: usize) -> Result<TensorMap> {
        let (sizes, tile) = match self.across {
            false => ([self.depth, self.rows, self.count], [DEPTH, lines, 1]),
            true => ([self.rows, self.depth, self.count], [DEPTH, DEPTH, 1]),
        };
        // The one run of a matrix may be any step from the next.
        let step = if sizes[1] == 1 { DEPTH } else { self.step };
        TensorMap::new(cuda, dtype, start, sizes, [step, self.own], tile.map(|n| n as u32))
    }
}
