//! Copies between storage orders whose unit-stride axes differ: small tiles, so that every cache line is read once.

use crate::Layout;
use crate::blocks::split;
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::nest::Nest;

/// Rows of a tile, each a line of the source; few, for the strides between them are often powers of two and compete for
/// the same cache sets.
const TILE: usize = 8;
/// Columns of a tile: elements read from a line.
const BAND: usize = 16;

/// The two axes of the tiles, and the nest of everything around them.
pub(super) struct Plan {
    planes: Nest<2>,
    /// The axis with stride 1 in the result: size, stride in the source.
    across: (usize, usize),
    /// The axis with stride 1 in the source: size, stride in the result.
    along: (usize, usize),
}

/// A plan, where result and source have different axes of stride 1, both long enough to matter.
pub(super) fn plan(x: &Layout, y: &Layout) -> Option<Plan> {
    let unit = |layout: &Layout| (0..layout.rank()).find(|&axis| layout.strides[axis] == 1 && layout.shape[axis] > 1);
    let (across, along) = (unit(y)?, unit(x)?);
    if across == along || x.shape != y.shape || y.shape[across] < 4 || y.shape[along] < 4 {
        return None;
    }
    let (mut from, mut to) = (*x, *y);
    for axis in [across, along] {
        (from.shape[axis], to.shape[axis]) = (1, 1);
    }
    Some(Plan {
        planes: Nest::new([&to, &from]),
        across: (y.shape[across], x.strides[across]),
        along: (y.shape[along], y.strides[along]),
    })
}

/// Copies `x` to `y`, both whole buffers, by `plan`. The result's layout has no two elements in one place.
pub(super) fn run<T: Copy + Send + Sync>(cpu: &CpuContext, plan: &Plan, x: &[T], y: &mut [T]) {
    let y = Parts::new(y);
    let ((width, from_stride), (height, to_stride)) = (plan.across, plan.along);
    let bands = height.div_ceil(BAND);
    split(cpu, plan.planes.count() * bands, width * BAND, |range| {
        for band in range {
            let (plane, first) = (band / bands, band % bands * BAND);
            let Some(([to, from], _)) = plan.planes.runs(plane..plane + 1).next() else { return };
            for tile in (0..width).step_by(TILE) {
                let (rows, columns) = (BAND.min(height - first), TILE.min(width - tile));
                let lines: [&[T]; TILE] = std::array::from_fn(|j| {
                    let at = from + first + (tile + j.min(columns - 1)) * from_stride;
                    &x[at..at + rows]
                });
                for i in 0..rows {
                    let at = to + (first + i) * to_stride + tile;
                    // SAFETY: elements of this band of the result, which no other part touches.
                    let row = unsafe { y.part(at..at + columns) };
                    row.iter_mut().zip(lines).for_each(|(y, line)| *y = line[i]);
                }
            }
        }
    });
}
