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
    // Split by elements; a band belongs to the part that holds its first.
    let band_of = |element: usize| element.div_ceil(width * BAND);
    split(cpu, plan.planes.count() * bands * width * BAND, |range| {
        for band in band_of(range.start)..band_of(range.end) {
            let (plane, first) = (band / bands, band % bands * BAND);
            let Some(([to, from], _)) = plan.planes.runs(plane..plane + 1).next() else { return };
            let rows = first..height.min(first + BAND);
            for tile in (0..width).step_by(TILE) {
                for i in rows.clone() {
                    for j in tile..width.min(tile + TILE) {
                        let value = x[from + i + j * from_stride];
                        // SAFETY: inside the layout of `y`, whose view vouches for its buffer; bands are disjoint.
                        unsafe { y.pointer().add(to + i * to_stride + j).write(value) };
                    }
                }
            }
        }
    });
}
