//! The loop nest that strided elementwise work runs in.
//!
//! Several layouts of one shape become the fewest loops that visit them all: axes of size 1 vanish, axes are ordered by
//! the first operand's strides (outermost first), and neighbours that every operand could walk as one are merged. Dense
//! operands of equal strides, in whatever order of axes, become one flat loop.

use crate::layout::{Layout, MAX_RANK};

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
        let mut axes: [usize; MAX_RANK] = std::array::from_fn(|axis| axis);
        let axes = &mut axes[..shape.len()];
        axes.sort_by_key(|&axis| std::cmp::Reverse(layouts[0].strides[axis]));
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
    fn scalars_and_empty_shapes() {
        let scalar = Layout::contiguous(dims(&[]));
        assert_eq!(Nest::new([&scalar]).row(), (1, [0]));
        let empty = Layout::contiguous(dims(&[3, 0]));
        let nest = Nest::new([&empty]);
        assert_eq!(nest.rows() * nest.row().0, 0);
    }
}
