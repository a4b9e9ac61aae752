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

    /// Whether every operand is walked one element after another.
    pub(crate) fn is_flat(&self) -> bool {
        self.depth == 1 && self.strides[0] == [1; N]
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
    fn dense_operands_are_flat_and_broadcast_ones_are_not() {
        let image = Layout::channels_last(Dims::new(&[2, 3, 4, 5]).unwrap());
        assert!(DeviceNest::new("test", [&image, &image]).unwrap().is_flat());
        let row = Layout::contiguous(Dims::new(&[5]).unwrap()).broadcast(image.shape).unwrap();
        assert!(!DeviceNest::new("test", [&image, &row]).unwrap().is_flat());
    }
}
