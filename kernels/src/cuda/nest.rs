//! The loop nest of strided elementwise work ([`crate::nest`]) as kernels take it.
//!
//! A thread turns the number of an element into its place in each operand by one multiplication and shift a loop. The twin
//! of this struct is `Nest` in `cuda/strided.cuh`.

use super::error::failed;
use crate::nest::Nest;
use crate::{Layout, Result};

const LOOPS: usize = crate::layout::MAX_RANK;

/// Loops over `N` operands, offsets left out (they go into the pointers).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceNest<const N: usize> {
    /// Number of elements.
    pub(crate) count: u32,
    /// Loops, innermost last.
    depth: u32,
    /// Of each loop: its size, and the multiplier and shift that divide by it.
    divisors: [Divisor; LOOPS],
    /// Of each loop: each operand's stride, in elements.
    strides: [[u32; N]; LOOPS],
}

// SAFETY: u32 throughout, so no padding.
unsafe impl<const N: usize> bytemuck::Zeroable for DeviceNest<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> bytemuck::Pod for DeviceNest<N> {}

impl<const N: usize> DeviceNest<N> {
    /// The nest of `layouts`, which share one shape, the result first. An error beyond 2^31 elements.
    pub(crate) fn new(op: &'static str, layouts: [&Layout; N]) -> Result<DeviceNest<N>> {
        DeviceNest::of(op, &Nest::new(layouts))
    }

    /// The same loops.
    pub(crate) fn of(op: &'static str, nest: &Nest<N>) -> Result<DeviceNest<N>> {
        let (mut depth, mut divisors, mut strides) = (0, [[1, 0, 0]; LOOPS], [[0; N]; LOOPS]);
        let mut ends = [1usize; N];
        for (size, steps) in nest.loops() {
            let furthest = |operand: usize| ends[operand] + size.saturating_sub(1) * steps[operand];
            ends = std::array::from_fn(furthest);
            divisors[depth] = divisor(size as u32);
            strides[depth] = steps.map(|stride| stride as u32);
            depth += 1;
        }
        let most = ends.into_iter().max().unwrap_or(0).max(nest.count());
        if most >= 1 << 31 {
            return Err(failed(format!("{op}: {most} elements; an operand has fewer than 2^31 on a GPU")));
        }
        Ok(DeviceNest { count: nest.count() as u32, depth: depth as u32, divisors, strides })
    }

    /// The same loops, with the places of `operand` numbered in their order, `step` apart.
    pub(crate) fn numbered(mut self, operand: usize, step: usize) -> Self {
        let mut stride = step as u32;
        for level in (0..self.depth as usize).rev() {
            self.strides[level][operand] = stride;
            stride *= self.divisors[level][0];
        }
        self
    }

    /// The same loops in steps of `lanes` elements of a row, a bit for each operand that has one element for all of them,
    /// and the elements that are left over where all is one row. `None` where rows are not made of such steps: their
    /// starts must be `is_aligned`, and the result's elements neighbours.
    pub(crate) fn in_steps(
        mut self,
        lanes: u32,
        is_aligned: impl Fn(usize) -> bool,
    ) -> Option<(DeviceNest<N>, u32, u32)> {
        let inner = (self.depth as usize).checked_sub(1)?;
        let (mut splat, size) = (0, self.divisors[inner][0]);
        for operand in 0..N {
            let outer = self.strides[..inner].iter().map(|strides| strides[operand]);
            match self.strides[inner][operand] {
                0 if operand > 0 => splat |= 1 << operand,
                1 if is_aligned(operand) && outer.into_iter().all(|stride| stride.is_multiple_of(lanes)) => {}
                _ => return None,
            }
            self.strides[inner][operand] *= lanes;
        }
        let rest = size % lanes;
        if rest != 0 && inner > 0 {
            return None;
        }
        self.divisors[inner] = divisor(size / lanes);
        self.count /= lanes;
        Some((self, splat, rest))
    }

    /// Whether `operand` is walked in rows of neighbours that start at multiples of `lanes` and are made of runs; where there
    /// is one row, its last run may be `ragged`.
    pub(crate) fn has_rows_of(&self, operand: usize, run: u32, lanes: u32, ragged: bool) -> bool {
        let Some(inner) = (self.depth as usize).checked_sub(1) else { return false };
        let starts = self.strides[..inner].iter().all(|strides| strides[operand].is_multiple_of(lanes));
        let whole = inner == 0 && ragged || self.divisors[inner][0].is_multiple_of(run);
        self.strides[inner][operand] == 1 && starts && whole
    }

    /// How far apart the elements of a run of `operand` are, where no run goes from one row to the next.
    pub(crate) fn step_of_runs(&self, operand: usize, run: u32) -> Option<u32> {
        let inner = (self.depth as usize).checked_sub(1)?;
        let whole = inner == 0 || self.divisors[inner][0].is_multiple_of(run);
        whole.then(|| self.strides[inner][operand])
    }

    /// Whether all strides of `operand` are multiples of `lanes`.
    pub(crate) fn has_strides_of(&self, operand: usize, lanes: u32) -> bool {
        let mut all = self.strides[..self.depth as usize].iter();
        all.all(|strides| strides[operand].is_multiple_of(lanes))
    }

    /// Takes a loop out: its size and strides.
    fn take(&mut self, level: usize) -> (u32, [u32; N]) {
        let taken = (self.divisors[level][0], self.strides[level]);
        self.divisors.copy_within(level + 1.., level);
        self.strides.copy_within(level + 1.., level);
        self.depth -= 1;
        self.count /= taken.0.max(1);
        taken
    }

    /// The same loops over elements that are `lanes` times as large, of operands whose strides have been multiplied so.
    pub(crate) fn in_units(mut self, lanes: u32) -> DeviceNest<N> {
        self.strides.iter_mut().flatten().for_each(|stride| *stride /= lanes);
        self
    }
}

/// Matrices that are read along one side and written along the other.
pub(crate) struct Transposed {
    /// Where each matrix starts.
    pub(crate) batch: DeviceNest<2>,
    /// Columns of x, which are neighbours there, and how far apart they are in y.
    pub(crate) across: [u32; 2],
    /// Rows of x, which are neighbours in y, and how far apart they are in x.
    pub(crate) down: [u32; 2],
}

impl DeviceNest<2> {
    /// The loops as transposes, where both sides have at least `least` elements.
    pub(crate) fn transposed(&self, least: u32) -> Option<Transposed> {
        let (mut batch, inner) = (*self, (self.depth as usize).checked_sub(1)?);
        let outer = (0..inner).find(|&level| self.strides[level][1] == 1)?;
        let (down, [y_step, x_pitch]) = batch.take(inner);
        let (across, [y_pitch, _]) = batch.take(outer);
        let is_worth = y_step == 1 && down >= least && across >= least;
        is_worth.then_some(Transposed { batch, across: [across, y_pitch], down: [down, x_pitch] })
    }
}

/// `Divisor` of `cuda/strided.cuh`: a size, and the multiplier and shift that divide by it.
pub(crate) type Divisor = [u32; 3];

/// For all n < 2^31 `n / size = (high word of n * multiplier + n) >> shift` (Granlund and Montgomery 1994, Figure 4.1).
pub(crate) fn divisor(size: u32) -> Divisor {
    let shift = size.max(1).next_power_of_two().trailing_zeros();
    let multiplier = ((1u64 << 32) * ((1u64 << shift) - u64::from(size.max(1)))) / u64::from(size.max(1)) + 1;
    [size, multiplier as u32, shift]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dims;

    #[test]
    fn a_division_is_a_multiplication() {
        let ends = [0, 1, 2, 3, 100, 12_345, (1 << 31) - 2, (1 << 31) - 1];
        for size in (1..300).chain([784, 1 << 16, 65_537, 1 << 30, (1 << 31) - 1]) {
            let [_, multiplier, shift] = divisor(size);
            for n in ends.iter().copied().chain([size - 1, size, size.saturating_add(1).min((1 << 31) - 1)]) {
                let high = ((u64::from(n) * u64::from(multiplier)) >> 32) as u32;
                assert_eq!((high + n) >> shift, n / size, "{n} / {size}");
            }
        }
    }

    #[test]
    fn rows_are_walked_in_steps_where_they_are_made_of_them() {
        let steps = |y: &Layout, x: &Layout, lanes| {
            let steps = DeviceNest::new("test", [y, x]).unwrap().in_steps(lanes, |_| true);
            steps.map(|(nest, splat, rest)| (nest.count, nest.depth, splat, rest))
        };
        let image = Layout::channels_last(Dims::new(&[2, 8, 4, 5]).unwrap());
        assert_eq!(steps(&image, &image, 8), Some((40, 1, 0, 0)));
        assert_eq!(steps(&image, &image, 64), Some((5, 1, 0, 0)));
        assert_eq!(steps(&image, &image, 3), Some((106, 1, 0, 2)));
        let channels = Layout::contiguous(Dims::new(&[8, 1, 1]).unwrap()).broadcast(image.shape).unwrap();
        assert_eq!(steps(&image, &channels, 8), Some((40, 2, 0, 0)));
        assert_eq!(steps(&image, &channels, 3), None);
        let samples = Layout::contiguous(Dims::new(&[2, 1, 1, 1]).unwrap()).broadcast(image.shape).unwrap();
        assert_eq!(steps(&image, &samples, 4), Some((80, 2, 2, 0)));
        assert_eq!(steps(&image, &Layout::contiguous(image.shape), 4), None);
    }
}
