//! The same numbers through another layout: reshape, permute, narrow, broadcast. Copies only where strides cannot say it.

use crate::error::{Error, Result};
use crate::tensor::dims;
use crate::{Dims, Layout, Tensor};

impl Tensor {
    /// Row-major order of `shape`'s elements is kept. A view where the strides allow, otherwise a copy.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor> {
        let shape = dims("reshape", shape)?;
        if shape.count() != self.count() {
            let own = self.shape();
            return Err(Error::shape(
                "reshape",
                format!("{own:?} has {} elements, {shape:?} {}", self.count(), shape.count()),
            ));
        }
        match reshaped(self.layout(), shape) {
            Some(layout) => Ok(self.with_layout(layout)),
            None => Ok(self.contiguous()?.with_layout(Layout::contiguous(shape))),
        }
    }

    /// Axis `i` of the result is axis `axes[i]` of this. A view.
    #[track_caller]
    pub fn permute(&self, axes: &[usize]) -> Result<Tensor> {
        let mut seen = vec![false; self.rank()];
        let valid = axes.len() == self.rank()
            && axes.iter().all(|&axis| seen.get_mut(axis).is_some_and(|seen| !std::mem::replace(seen, true)));
        if !valid {
            return Err(Error::shape("permute", format!("{axes:?} is not an order of the axes of {:?}", self.shape())));
        }
        let mut layout = *self.layout();
        for (to, &from) in axes.iter().enumerate() {
            layout.shape[to] = self.layout().shape[from];
            layout.strides[to] = self.layout().strides[from];
        }
        Ok(self.with_layout(layout))
    }

    /// Two axes exchanged, counted from the right (0 is the last). A view.
    #[track_caller]
    pub fn transpose(&self, a: usize, b: usize) -> Result<Tensor> {
        let rank = self.rank();
        if a >= rank || b >= rank {
            return Err(Error::shape("transpose", format!("axes {a} and {b} from the right of {:?}", self.shape())));
        }
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 1 - a, rank - 1 - b);
        self.permute(&axes)
    }

    /// `length` elements from `start` on along `axis`. A view.
    #[track_caller]
    pub fn narrow(&self, axis: usize, start: usize, length: usize) -> Result<Tensor> {
        let size = self.shape().get(axis).copied().unwrap_or(0);
        if axis >= self.rank() || start.checked_add(length).is_none_or(|end| end > size) {
            let what = format!("{length} from {start} on along axis {axis} is outside {:?}", self.shape());
            return Err(Error::shape("narrow", what));
        }
        let mut layout = *self.layout();
        layout.shape[axis] = length;
        layout.offset += start * layout.strides[axis] * usize::from(length > 0);
        Ok(self.with_layout(layout))
    }

    /// Repeated to `shape`: axes of size 1, and missing axes on the left, take any size. A view.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Tensor> {
        let want = dims("broadcast", shape)?;
        let layout = self.layout().broadcast(want).ok_or_else(|| {
            Error::shape(
                "broadcast",
                format!("{:?} does not repeat to {want:?}; sizes must be equal or 1", self.shape()),
            )
        })?;
        Ok(self.with_layout(layout))
    }
}

/// The strides of a reshape without a copy: every run of old axes that becomes a run of new axes must be walkable as one.
fn reshaped(from: &Layout, shape: Dims) -> Option<Layout> {
    if from.count() == 0 {
        return Some(Layout::contiguous(shape));
    }
    let mut strides = Dims::filled(shape.len(), 1);
    let (mut old, mut new) = (from.rank(), shape.len());
    while old > 0 || new > 0 {
        // The smallest run of trailing old axes and new axes with the same number of elements.
        let (old_end, new_end) = (old, new);
        let (mut old_count, mut new_count) = (1, 1);
        loop {
            if old_count == new_count && (old_count > 1 || (old == 0 && new == 0)) {
                break;
            }
            if old_count <= new_count && old > 0 {
                old -= 1;
                old_count *= from.shape[old];
            } else if new > 0 {
                new -= 1;
                new_count *= shape[new];
            } else {
                break;
            }
        }
        let mut step = walk(from, old, old_end)?;
        for axis in (new..new_end).rev() {
            strides[axis] = step;
            step *= shape[axis];
        }
    }
    Some(Layout { shape, strides, offset: from.offset })
}

/// The stride at which axes `start..end` can be walked as one, if they can.
fn walk(layout: &Layout, start: usize, end: usize) -> Option<usize> {
    let mut axes = (start..end).rev().filter(|&axis| layout.shape[axis] != 1);
    let Some(inner) = axes.next() else { return Some(1) };
    let mut next = layout.strides[inner] * layout.shape[inner];
    for axis in axes {
        if layout.strides[axis] != next {
            return None;
        }
        next *= layout.shape[axis];
    }
    Some(layout.strides[inner])
}

#[cfg(test)]
mod tests {
    use crate::{Device, Tensor};

    fn counting(shape: &[usize]) -> Tensor {
        let data: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
        Tensor::from_slice(&Device::cpu(1), shape, &data).unwrap()
    }

    #[test]
    fn reshape_is_a_view_where_strides_allow_and_right_where_not() {
        let x = counting(&[2, 3, 4]);
        assert!(std::sync::Arc::ptr_eq(x.reshape(&[6, 1, 4]).unwrap().storage(), x.storage()));
        let last = x.permute(&[0, 2, 1]).unwrap();
        // Folding the leading axes of a permuted tensor needs a copy; splitting one does not.
        assert_eq!(last.reshape(&[24]).unwrap().to_vec::<f32>().unwrap()[..4], [0.0, 4.0, 8.0, 1.0]);
        let split = last.reshape(&[2, 2, 2, 3]).unwrap();
        assert!(std::sync::Arc::ptr_eq(split.storage(), x.storage()));
        assert_eq!(split.to_vec::<f32>().unwrap(), last.to_vec::<f32>().unwrap());
    }

    #[test]
    fn every_reshape_of_every_order_keeps_the_elements() {
        let x = counting(&[2, 3, 4, 5]);
        for order in [[0, 1, 2, 3], [0, 2, 3, 1], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let view = x.permute(&order).unwrap();
            let want = view.to_vec::<f32>().unwrap();
            for shape in [&[120][..], &[6, 20], &[2, 60], &[1, 120, 1], &[4, 5, 6], &[2, 3, 2, 2, 5], &[8, 15]] {
                assert_eq!(view.reshape(shape).unwrap().to_vec::<f32>().unwrap(), want, "{order:?} {shape:?}");
            }
        }
    }

    #[test]
    fn narrow_outside_is_an_error_with_the_numbers() {
        let error = counting(&[2, 3]).narrow(1, 2, 2).unwrap_err().to_string();
        assert_eq!(error, "narrow: 2 from 2 on along axis 1 is outside [2, 3]");
    }
}
