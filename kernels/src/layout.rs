//! Shapes and strides. A layout never owns memory; it says where element `[i, j, ...]` of a buffer lies.
//!
//! Axes are counted from the right by every op, so that a leading axis of directions or batches needs no special case.
//! Storage order is a property of the strides alone: "channels last" is shape `[N, C, H, W]` with the strides of
//! `[N, H, W, C]`; there is no layout enum. A stride of 0 repeats an element (broadcast). Strides are in elements.

use std::ops::Deref;

/// The largest rank of a tensor.
pub const MAX_RANK: usize = 8;

/// Up to [`MAX_RANK`] sizes, inline: a shape costs no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dims {
    rank: u8,
    at: [usize; MAX_RANK],
}

impl Dims {
    /// The sizes given; `None` when there are more than [`MAX_RANK`].
    pub fn new(sizes: &[usize]) -> Option<Dims> {
        let mut at = [0; MAX_RANK];
        at.get_mut(..sizes.len())?.copy_from_slice(sizes);
        Some(Dims { rank: sizes.len() as u8, at })
    }

    /// `rank` copies of `size`. `rank` is at most [`MAX_RANK`].
    pub fn filled(rank: usize, size: usize) -> Dims {
        let mut dims = Dims { rank: rank.min(MAX_RANK) as u8, at: [0; MAX_RANK] };
        dims.fill(size);
        dims
    }

    /// The product of all sizes: the number of elements of a shape (1 for rank 0). The largest number there is where
    /// that is not enough, so that no buffer passes for large enough.
    pub fn count(&self) -> usize {
        if self.contains(&0) { 0 } else { self.iter().fold(1, |count, &size| count.saturating_mul(size)) }
    }
}

impl Deref for Dims {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.at[..self.rank as usize]
    }
}
impl std::ops::DerefMut for Dims {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.at[..self.rank as usize]
    }
}
impl std::fmt::Debug for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

/// The axes `0..rank`, those with the largest key first, equal ones in their order.
pub(crate) fn axes_by(rank: usize, key: impl Fn(usize) -> usize) -> Dims {
    let mut axes = Dims::filled(rank, 0);
    for axis in 0..axes.len() {
        let mut at = axis;
        while at > 0 && key(axes[at - 1]) < key(axis) {
            axes[at] = axes[at - 1];
            at -= 1;
        }
        axes[at] = axis;
    }
    axes
}

/// Where the elements of a tensor lie in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Sizes, outermost first.
    pub shape: Dims,
    /// Distance between neighbours along each axis, in elements.
    pub strides: Dims,
    /// The first element.
    pub offset: usize,
}

impl Layout {
    /// Row-major, starting at 0.
    pub fn contiguous(shape: Dims) -> Layout {
        let mut strides = Dims::filled(shape.len(), 1);
        for axis in (0..shape.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * shape[axis + 1].max(1);
        }
        Layout { shape, strides, offset: 0 }
    }

    /// `[.., C, H, W]` stored as `[.., H, W, C]`; row-major below rank 3.
    pub fn channels_last(shape: Dims) -> Layout {
        let rank = shape.len();
        if rank < 3 {
            return Layout::contiguous(shape);
        }
        let mut order: [usize; MAX_RANK] = std::array::from_fn(|axis| axis);
        order[rank - 3..rank].copy_from_slice(&[rank - 2, rank - 1, rank - 3]);
        Layout::in_order(shape, &order[..rank])
    }

    /// Dense, with the axes nested in `order`, outermost first (a permutation of the axes of `shape`).
    pub fn in_order(shape: Dims, order: &[usize]) -> Layout {
        let mut strides = Dims::filled(shape.len(), 1);
        let mut step = 1;
        for &axis in order.iter().rev() {
            strides[axis] = step;
            step *= shape[axis].max(1);
        }
        Layout { shape, strides, offset: 0 }
    }

    /// Dense over `shape`, axes nested as they are here. Axes that `shape` has more, on the left, go outermost.
    /// This is how a result takes the storage order of its first dense operand.
    pub fn like(&self, shape: Dims) -> Layout {
        let (rank, extra) = (shape.len(), shape.len().saturating_sub(self.rank()));
        if shape.len() < self.rank() {
            return Layout::contiguous(shape);
        }
        let order = axes_by(rank, |axis| match axis.checked_sub(extra) {
            None => usize::MAX,
            // Axes of size 1 have no order of their own; they stay where row-major would put them.
            Some(own) if self.shape[own] == 1 => self.natural_stride(own),
            Some(own) => self.strides[own],
        });
        Layout::in_order(shape, &order)
    }

    fn natural_stride(&self, axis: usize) -> usize {
        // The stride of the next axis inwards that has one; 1 at the innermost.
        (axis + 1..self.rank()).find(|&inner| self.shape[inner] > 1).map_or(1, |inner| self.strides[inner])
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.count()
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1;
        self.shape.iter().zip(self.strides.iter()).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == step;
            step *= size;
            fits
        }) || self.count() == 0
    }

    /// Whether the elements fill one block without gaps or repeats, in whatever order of axes.
    pub fn is_dense(&self) -> bool {
        let axes = axes_by(self.rank(), |axis| self.strides[axis]);
        let mut step = 1;
        self.count() == 0
            || axes.iter().rev().all(|&axis| {
                let fits = self.shape[axis] == 1 || self.strides[axis] == step;
                step *= self.shape[axis];
                fits
            })
    }

    /// Whether no two indices reach the same element, as far as strides in nested order show: what may be written.
    pub fn is_injective(&self) -> bool {
        let axes = axes_by(self.rank(), |axis| self.strides[axis]);
        let mut reach = 0;
        self.count() == 0
            || axes.iter().rev().filter(|&&axis| self.shape[axis] > 1).all(|&axis| {
                let apart = self.strides[axis] > reach;
                reach = (self.shape[axis] - 1).saturating_mul(self.strides[axis]).saturating_add(reach);
                apart
            })
    }

    /// Whether `[.., C, H, W]` is dense and stored as `[.., H, W, C]`.
    pub fn is_channels_last(&self) -> bool {
        let dense = Layout::channels_last(self.shape);
        self.count() == 0
            || (0..self.rank()).all(|axis| self.shape[axis] == 1 || self.strides[axis] == dense.strides[axis])
    }

    /// Whether both put every element at the same place relative to their first.
    pub fn same_order(&self, other: &Layout) -> bool {
        self.shape == other.shape
            && (0..self.rank()).all(|axis| self.shape[axis] == 1 || self.strides[axis] == other.strides[axis])
    }

    /// One past the largest index that the layout reaches (0 when it has no elements).
    pub fn end(&self) -> usize {
        if self.count() == 0 {
            return 0;
        }
        let axes = self.shape.iter().zip(self.strides.iter());
        axes.fold(self.offset, |end, (n, s)| (n - 1).saturating_mul(*s).saturating_add(end)).saturating_add(1)
    }

    /// Repeated to `shape` by the rule of right-aligned axes: a size of 1, or a missing axis, takes any size.
    pub fn broadcast(&self, shape: Dims) -> Option<Layout> {
        let extra = shape.len().checked_sub(self.rank())?;
        let mut strides = Dims::filled(shape.len(), 0);
        for axis in 0..self.rank() {
            match (self.shape[axis], shape[axis + extra]) {
                (own, want) if own == want => strides[axis + extra] = self.strides[axis],
                (1, _) => {}
                _ => return None,
            }
        }
        Some(Layout { shape, strides, offset: self.offset })
    }
}

/// The shape two operands share when right-aligned axes of size 1 are repeated; `None` when they do not fit.
pub fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Dims> {
    let rank = a.len().max(b.len());
    let mut out = Dims::new(if a.len() == rank { a } else { b })?;
    for axis in 1..=rank {
        let size = |s: &[usize]| s.len().checked_sub(axis).map_or(1, |at| s[at]);
        out[rank - axis] = match (size(a), size(b)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(sizes: &[usize]) -> Dims {
        Dims::new(sizes).unwrap()
    }

    #[test]
    fn channels_last_is_a_permutation_of_strides() {
        let layout = Layout::channels_last(dims(&[2, 3, 4, 5]));
        assert_eq!(&*layout.strides, [60, 1, 15, 3]);
        assert!(layout.is_dense() && layout.is_channels_last() && !layout.is_contiguous());
        assert_eq!(layout.end(), 120);
    }

    #[test]
    fn a_repeated_element_may_not_be_written() {
        let row = Layout::contiguous(dims(&[4]));
        assert!(row.is_injective() && !row.broadcast(dims(&[3, 4])).unwrap().is_injective());
        let gaps = Layout { shape: dims(&[2, 3]), strides: dims(&[2, 10]), offset: 0 };
        assert!(gaps.is_injective() && !Layout { strides: dims(&[2, 2]), ..gaps }.is_injective());
    }

    #[test]
    fn one_channel_is_both_orders() {
        let layout = Layout::contiguous(dims(&[2, 1, 4, 5]));
        assert!(layout.is_channels_last() && layout.is_contiguous());
    }

    #[test]
    fn like_keeps_the_order_and_puts_new_axes_outermost() {
        let layout = Layout::channels_last(dims(&[2, 3, 4, 5]));
        assert_eq!(layout.like(dims(&[2, 7, 4, 5])), Layout::channels_last(dims(&[2, 7, 4, 5])));
        assert_eq!(layout.like(dims(&[9, 2, 3, 4, 5])), Layout::channels_last(dims(&[9, 2, 3, 4, 5])));
    }

    #[test]
    fn sizes_beyond_all_numbers_fit_no_buffer() {
        let huge = Layout { shape: dims(&[1 << 33, 1 << 33]), strides: dims(&[1 << 40, 1]), offset: 0 };
        assert_eq!((huge.count(), huge.end()), (usize::MAX, usize::MAX));
        assert_eq!((dims(&[1 << 33, 1 << 33, 0]).count(), Layout { shape: dims(&[5, 0]), ..huge }.end()), (0, 0));
    }

    #[test]
    fn broadcasting_aligns_on_the_right() {
        assert_eq!(broadcast_shapes(&[3, 1, 5], &[4, 1]), Some(dims(&[3, 4, 5])));
        assert_eq!(broadcast_shapes(&[3], &[4]), None);
        let row = Layout::contiguous(dims(&[4, 1])).broadcast(dims(&[3, 4, 5])).unwrap();
        assert_eq!(&*row.strides, [0, 1, 0]);
    }
}
