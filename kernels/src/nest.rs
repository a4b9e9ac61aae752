//! The loop nest that strided elementwise work runs in.
//!
//! Several layouts of one shape become the fewest loops that visit them all: axes of size 1 vanish, axes are ordered by
//! the first operand's strides (outermost first), and neighbours that every operand could walk as one are merged. Dense
//! operands of equal strides, in whatever order of axes, become one flat loop.

use crate::layout::{Layout, MAX_RANK, axes_by};
use std::ops::Range;

/// Loops over `N` operands of one shape. The last loop is the innermost, called a row.
#[derive(Clone, Copy, Debug)]
pub struct Nest<const N: usize> {
    sizes: [usize; MAX_RANK],
    strides: [[usize; N]; MAX_RANK],
    depth: usize,
    offsets: [usize; N],
}

impl<const N: usize> Nest<N> {
    /// The nest of `layouts`, which share one shape; the first one's storage order decides the order of the loops, so
    /// pass the result first.
    pub fn new(layouts: [&Layout; N]) -> Nest<N> {
        let shape = layouts[0].shape;
        debug_assert!(layouts.iter().all(|layout| layout.shape == shape));
        let axes = axes_by(shape.len(), |axis| layouts[0].strides[axis]);
        let mut nest = Nest {
            sizes: [1; MAX_RANK],
            strides: [[0; N]; MAX_RANK],
            depth: 0,
            offsets: layouts.map(|layout| layout.offset),
        };
        for &axis in axes.iter().filter(|&&axis| shape[axis] != 1) {
            nest.push(shape[axis], layouts.map(|layout| layout.strides[axis]));
        }
        nest.depth = nest.depth.max(1);
        nest
    }

    /// Adds a loop inside the others, merged with the one around it where every operand allows.
    fn push(&mut self, size: usize, strides: [usize; N]) {
        if self.depth > 0 {
            let outer = self.depth - 1;
            if (0..N).all(|operand| self.strides[outer][operand] == strides[operand] * size) {
                self.sizes[outer] *= size;
                self.strides[outer] = strides;
                return;
            }
        }
        self.sizes[self.depth] = size;
        self.strides[self.depth] = strides;
        self.depth += 1;
    }

    /// Elements of a row, and each operand's stride along it.
    pub fn row(&self) -> (usize, [usize; N]) {
        (self.sizes[self.depth - 1], self.strides[self.depth - 1])
    }

    /// The loops, innermost last: the size of each, and each operand's stride.
    pub fn loops(&self) -> impl Iterator<Item = (usize, [usize; N])> + '_ {
        (0..self.depth).map(|level| (self.sizes[level], self.strides[level]))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.sizes[..self.depth - 1].iter().product()
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.sizes[..self.depth].iter().product()
    }

    /// Where each operand's element `index` lies, counted in the order of the loops.
    pub fn element(&self, index: usize) -> [usize; N] {
        let (length, strides) = self.row();
        let mut at = self.start(index / length);
        (0..N).for_each(|operand| at[operand] += index % length * strides[operand]);
        at
    }

    /// Where each operand's row `index` starts, in elements.
    pub fn start(&self, index: usize) -> [usize; N] {
        let (mut rest, mut at) = (index, self.offsets);
        for level in (0..self.depth - 1).rev() {
            let step = rest % self.sizes[level];
            rest /= self.sizes[level];
            for operand in 0..N {
                at[operand] += step * self.strides[level][operand];
            }
        }
        at
    }

    /// Elements `range`, counted in the order of the loops, as runs along rows.
    #[inline]
    pub fn runs(&self, range: Range<usize>) -> Runs<'_, N> {
        let mut runs = Runs { nest: self, at: self.offsets, index: [0; MAX_RANK], left: range.len() };
        let mut rest = range.start;
        for level in (0..self.depth).rev().filter(|_| !range.is_empty()) {
            runs.index[level] = rest % self.sizes[level];
            rest /= self.sizes[level];
            runs.step(level, runs.index[level]);
        }
        runs
    }
}

/// An iterator over pieces of rows: where each operand's piece starts, and its number of elements.
pub struct Runs<'a, const N: usize> {
    nest: &'a Nest<N>,
    at: [usize; N],
    index: [usize; MAX_RANK],
    left: usize,
}

impl<const N: usize> Runs<'_, N> {
    #[inline(always)]
    fn step(&mut self, level: usize, steps: usize) {
        for operand in 0..N {
            self.at[operand] += steps * self.nest.strides[level][operand];
        }
    }
}

impl<const N: usize> Iterator for Runs<'_, N> {
    type Item = ([usize; N], usize);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let mut level = self.nest.depth - 1;
        let (start, count) = (self.at, (self.nest.sizes[level] - self.index[level]).min(self.left));
        self.left -= count;
        self.index[level] += count;
        self.step(level, count);
        while level > 0 && self.index[level] == self.nest.sizes[level] {
            self.index[level] = 0;
            for operand in 0..N {
                self.at[operand] -= self.nest.sizes[level] * self.nest.strides[level][operand];
            }
            level -= 1;
            self.index[level] += 1;
            self.step(level, 1);
        }
        Some((start, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Dims;

    fn dims(sizes: &[usize]) -> Dims {
        Dims::new(sizes).unwrap()
    }

    #[test]
    fn equal_orders_are_one_flat_loop() {
        let layout = Layout::channels_last(dims(&[2, 3, 4, 5]));
        let nest = Nest::new([&layout, &layout]);
        assert_eq!((nest.rows(), nest.row()), (1, (120, [1, 1])));
    }

    #[test]
    fn a_broadcast_channel_vector_walks_pixels_outside_channels_inside() {
        let image = Layout::channels_last(dims(&[2, 3, 4, 5]));
        let bias = Layout::contiguous(dims(&[3, 1, 1])).broadcast(image.shape).unwrap();
        let nest = Nest::new([&image, &bias]);
        assert_eq!((nest.rows(), nest.row()), (40, (3, [1, 1])));
        assert_eq!(nest.start(7), [21, 0]);
        assert_eq!((nest.count(), nest.element(23)), (120, [23, 2]));
    }

    #[test]
    fn runs_visit_every_element_of_any_range() {
        let image = Layout::channels_last(dims(&[2, 3, 4, 5]));
        let rows = Layout::contiguous(dims(&[2, 1, 4, 1])).broadcast(image.shape).unwrap();
        let nest = Nest::new([&image, &rows]);
        let (count, [own, other]) = nest.row();
        let all: Vec<[usize; 2]> = (0..nest.rows())
            .flat_map(|row| (0..count).map(move |i| (row, i)))
            .map(|(row, i)| [nest.start(row)[0] + i * own, nest.start(row)[1] + i * other])
            .collect();
        assert_eq!(all.len(), nest.count());
        for range in [0..120, 0..0, 7..8, 14..31, 15..15, 119..120, 120..120] {
            let runs = nest.runs(range.clone());
            let got: Vec<[usize; 2]> =
                runs.flat_map(|(at, n)| (0..n).map(move |i| [at[0] + i * own, at[1] + i * other])).collect();
            assert_eq!(got, all[range]);
        }
    }

    #[test]
    fn scalars_and_empty_shapes() {
        let scalar = Layout::contiguous(dims(&[]));
        assert_eq!(Nest::new([&scalar]).row(), (1, [0]));
        let empty = Layout::contiguous(dims(&[3, 0]));
        let nest = Nest::new([&empty]);
        assert_eq!(nest.rows() * nest.row().0, 0);
    }
}
